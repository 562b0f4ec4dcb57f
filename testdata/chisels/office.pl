# The services of the office: a web server, a cache, the system's log, and something that takes datagrams.
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket;
my $web = IO::Socket::INET->new(LocalAddr => '192.0.2.10:8080', Listen => 8, ReuseAddr => 1) or die;
my $cache = IO::Socket::INET->new(LocalAddr => '192.0.2.10:11211', Listen => 8, ReuseAddr => 1) or die;
my $flows = IO::Socket::INET->new(LocalAddr => '192.0.2.10:5353', Proto => 'udp') or die;
my $log = IO::Socket::UNIX->new(Local => '/dev/log', Type => SOCK_DGRAM) or die;
open(my $ready, '>', '/tmp/ready') or die;
while (1) {
    my $set = '';
    vec($set, fileno $_, 1) = 1 for $web, $cache, $flows, $log;
    select($set, undef, undef, undef);
    if (vec $set, fileno $web, 1) {
        my $client = $web->accept;
        sysread $client, my $request, 4096;
        my ($status, $body) = $request =~ m{^GET /index.html } ? ('200 OK', "welcome\n") : ('404 Not Found', "gone\n");
        syswrite $client, "HTTP/1.1 $status\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    } elsif (vec $set, fileno $cache, 1) {
        my $client = $cache->accept;
        sysread $client, my $set, 4096;
        syswrite $client, "STORED\r\n";
        sysread $client, my $get, 4096;
        syswrite $client, "VALUE greeting 0 5\r\nhello\r\nEND\r\n";
    } elsif (vec $set, fileno $flows, 1) {
        sysread $flows, my $data, 4096;
    } else {
        sysread $log, my $message, 4096;
    }
}
