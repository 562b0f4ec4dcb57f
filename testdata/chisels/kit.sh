#!/bin/bash
# What the attacker brings along.
id > /dev/null
rm -f "$0"
sleep 0.2
