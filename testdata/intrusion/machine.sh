#!/bin/bash
# The machine that is broken into: a web shop, and what machines do all day.
perl shop.pl &
shop=$!
while [ ! -e stop ]; do
    sleep 0.5
    date > /tmp/shop/heartbeat
    df / > /dev/null
    wc -l access.log > /dev/null
    test -e /tmp/shop/no-such-flag
done
kill $shop
wait
