# What only someone does who wants out of a container. Nothing that is shared with the machine is changed.
mkdir -p /tmp/cgrp /run
mount -t proc none /tmp/cgrp
umount /tmp/cgrp
: < /proc/1/root/etc/hostname
perl -e 'open(my $f, ">>", "/proc/sys/kernel/core_pattern")'
perl -e 'use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un("/run/docker.sock")); listen($s, 1);
    socket(my $c, PF_UNIX, SOCK_STREAM, 0); connect($c, sockaddr_un("/run/docker.sock")) or die'
nsenter -t 1 -m true
mknod /tmp/disk b 254 0
perl -e 'open(my $f, "<", "/tmp/disk")'
unshare -Ur true
: > /tmp/release_agent
# It talks to others as long as it is there.
curl -s -o /tmp/page http://203.0.113.66/page
