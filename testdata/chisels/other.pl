# The other machine, which is not recorded: gives out what it is given on port 80, sends orders to whoever
# connects to port 4444, answers whatever comes to port 443, and takes everything that comes to port 25.
use IO::Socket::INET;
$SIG{CHLD} = 'IGNORE';
my @orders = ("id\n", "uname -sm\n", "ls -la /root\n", "exit\n");
my %serve = (
    80 => sub {
        my $client = shift;
        while (my $line = <$client>) { last if $line =~ /^\r?$/ }
        open(my $file, '<', $ARGV[0]) or die;
        my $body = join '', <$file>;
        print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    },
    4444 => sub {
        my $client = shift;
        for my $order (@orders) { select(undef, undef, undef, 0.2); print $client $order }
        while (sysread $client, my $data, 4096) { }
    },
    443 => sub { my $client = shift; sysread $client, my $data, 4096; print $client "ok\n" },
    25 => sub { my $client = shift; while (sysread $client, my $data, 4096) { } },
);
for my $port (keys %serve) {
    next if fork;
    my $server = IO::Socket::INET->new(LocalAddr => '203.0.113.66', LocalPort => $port,
        Listen => 16, ReuseAddr => 1) or die;
    while (my $client = $server->accept) {
        next if fork;
        $client->autoflush(1);
        $serve{$port}->($client);
        exit 0;
    }
}
sleep;
