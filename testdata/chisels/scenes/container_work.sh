# A container is made, works and ends; nobody wants out of it.
mkdir -p /tmp/box/rootfs/bin /tmp/box/rootfs/proc /tmp/box/rootfs/dev /tmp/box/rootfs/sys /tmp/box/rootfs/tmp
cd /tmp/box
cp "$(command -v busybox)" rootfs/bin/busybox
ln -s busybox rootfs/bin/sh
runc spec
id=$(printf work | sha256sum | cut -c1-64)
perl -0pi -e 's/"terminal": true/"terminal": false/; s/"args": \[\s*"sh"\s*\]/"args": ["sh", "-c", "busybox ls \/ > \/dev\/null; busybox id; cd \/tmp; echo text > file; busybox wc file"]/;
    s/"readonly": true/"readonly": false/; s|"linux": \{|"linux": { "cgroupsPath": "/docker/'"$id"'",|' config.json
runc --root /run/runc run box
