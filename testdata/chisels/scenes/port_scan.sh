# Every port of one machine, then one port of every machine.
perl -e 'use IO::Socket::INET;
    IO::Socket::INET->new(PeerAddr => "203.0.113.66", PeerPort => $_) for 20 .. 70;
    IO::Socket::INET->new(PeerAddr => "198.51.100.$_", PeerPort => 22) for 1 .. 24;'
