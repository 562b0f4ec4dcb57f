# What machines do all day, and what nobody should be told of.
mkdir -p /tmp/build/src /tmp/deb/DEBIAN /tmp/deb/etc/cron.d /tmp/deb/usr/local/bin
# A package with a job for cron, a unit and a script.
printf 'Package: tidy\nVersion: 1\nArchitecture: all\nMaintainer: Ann <ann@example.org>\nDescription: tidies\n' \
    > /tmp/deb/DEBIAN/control
echo '0 4 * * * root /usr/local/bin/tidy' > /tmp/deb/etc/cron.d/tidy
printf '#!/bin/sh\nexit 0\n' > /tmp/deb/usr/local/bin/tidy
printf '#!/bin/sh\nln -sf /dev/null /etc/systemd/system/tidy.service\n' > /tmp/deb/DEBIAN/postinst
chmod 755 /tmp/deb/usr/local/bin/tidy /tmp/deb/DEBIAN/postinst
dpkg-deb -b /tmp/deb /tmp/tidy.deb
dpkg --force-all -i /tmp/tidy.deb
tidy
# A program is written, built and run; its sources are kept.
cd /tmp/build
printf 'int main(void) { return 0; }\n' > src/main.c
printf 'main: src/main.c\n\tgcc -o main src/main.c\n\t./main\n' > Makefile
make
git init -q .
git -c user.name=ann -c user.email=ann@example.org add Makefile src
git -c user.name=ann -c user.email=ann@example.org commit -q -m first
cd /root
# Someone logs in, works and leaves; the shell keeps its history.
printf 'alias ll="ls -l"\n' > .bashrc.new
printf 'ls\nid\nexit\n' | HISTFILE=/root/.bash_history bash -li
printf 'pwd\nexit\n' | script -qc 'bash -i' /dev/null
# Logs are rotated and packed, files are packed and copied.
for n in 1 2 3 4 5 6; do echo log > /var/log/app$n.log; done
for n in 1 2 3 4 5 6; do
    mv /var/log/app$n.log /var/log/app$n.log.1
    gzip /var/log/app$n.log.1
    : > /var/log/app$n.log
done
mkdir many
for n in $(seq 1 30); do echo $n > many/$n; done
gzip many/*
tar -cf /tmp/many.tar many
cp -r many copy
# A job of cron's, a fetch, a look at a few services.
setsid sh -c 'run-parts /etc/cron.hourly' < /dev/null
for n in 1 2 3; do curl -s -o /tmp/page http://203.0.113.66/page; done
python3 -c 'import json, socket; json.dumps({}); socket.create_connection(("203.0.113.66", 25)).close()'
logger -s tidy
cat /etc/passwd > /dev/null
rm -r many copy /tmp/build
