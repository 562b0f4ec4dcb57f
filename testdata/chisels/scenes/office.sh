# A known amount of ordinary work, for the chisels that count and show.
perl office.pl &
server=$!
until [ -e /tmp/ready ]; do sleep 0.1; done
# 50,000 bytes written and read again, in calls of 1,000.
dd if=/dev/zero of=/tmp/fifty bs=1000 count=50 2> /dev/null
dd if=/tmp/fifty of=/dev/null bs=1000 2> /dev/null
# Three requests, one of them for what is not there.
curl -s -o /tmp/page http://192.0.2.10:8080/index.html
curl -s -o /tmp/page http://192.0.2.10:8080/index.html
curl -s -o /tmp/page http://192.0.2.10:8080/nothing.html
# A cache is asked.
perl -e 'use IO::Socket::INET; my $cache = IO::Socket::INET->new(PeerAddr => "192.0.2.10:11211") or die;
    syswrite $cache, "set greeting 0 0 5\r\nhello\r\n"; sysread $cache, my $stored, 80;
    syswrite $cache, "get greeting\r\n"; sysread $cache, my $got, 80'
# A datagram.
perl -e 'use IO::Socket::INET; my $flow = IO::Socket::INET->new(Proto => "udp", PeerAddr => "192.0.2.10:5353") or die;
    syswrite $flow, "a datagram\n"'
# Messages, to the system's log and to one of its own.
logger -p auth.warning -t office 'the door is open'
echo 'the day begins' >> /var/log/office.log
# Calls that fail, and one that takes its time.
for n in 1 2 3 4 5; do cat /tmp/missing; done 2> /dev/null
sleep 0.3
# Someone at a login shell.
printf 'cd /tmp\nls\nid\n' | bash -l
env greeting='() { :;}; echo vulnerable' bash -c :
echo from standard error >&2
kill $server
