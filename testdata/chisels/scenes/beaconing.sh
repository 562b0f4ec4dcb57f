# Something that asks for orders again and again, and something that is only busy.
perl -e 'use IO::Socket::INET;
    for (1 .. 10) {
        my $c2 = IO::Socket::INET->new(PeerAddr => "203.0.113.66", PeerPort => 443) or die;
        print $c2 "any orders?\n"; my $answer = <$c2>; close $c2;
        select(undef, undef, undef, 1.3 + rand 0.1);
    }' &
perl -e 'use IO::Socket::INET;
    my $c2 = IO::Socket::INET->new(PeerAddr => "203.0.113.66", PeerPort => 25) or die;
    for (1 .. 10) { syswrite $c2, "alive\n"; select(undef, undef, undef, 1.2) }' &
perl -e 'use IO::Socket::INET;
    for my $pause (0.1, 2.9, 0.3, 0.2, 1.9, 0.1, 3.1, 0.2, 1.2, 0.1, 0.9, 2.2) {
        my $busy = IO::Socket::INET->new(PeerAddr => "203.0.113.66", PeerPort => 80) or die;
        print $busy "GET / HTTP/1.0\r\n\r\n"; my @answer = <$busy>; close $busy;
        select(undef, undef, undef, $pause);
    }' &
wait
