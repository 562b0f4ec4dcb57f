use IO::Socket::INET;
open(my $file, '<', '/tmp/demo/payload') or die;
my $body = join '', <$file>;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8080,
    Listen => 1, ReuseAddr => 1) or die;
open(my $ready, '>', 'ready') or die; close $ready;
while (my $client = $server->accept) {
    while (my $line = <$client>) { last if $line =~ /^\r?$/ }
    select(undef, undef, undef, 0.12);
    print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    close $client;
}
