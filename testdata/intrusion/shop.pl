# A web shop with the oldest hole there is: it gives a shell what a visitor asked for.
use IO::Socket::INET;
open(my $log, '>>', '/tmp/shop/access.log') or die;
$log->autoflush(1);
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die;
$SIG{CHLD} = 'IGNORE';
while (1) {
    my $client = $server->accept or next;
    my $pid = fork;
    if ($pid) { close $client; next }
    my $request = <$client> // '';
    while (my $line = <$client>) { last if $line =~ /^\r?$/ }
    my ($path) = $request =~ m{^GET (\S+)};
    $path =~ s/%([0-9a-f]{2})/chr hex $1/gie;
    print $log "$path\n";
    my $body = '';
    if ($path =~ m{^/ping\?host=(.*)}) { local $SIG{CHLD} = 'DEFAULT'; $body = `echo checking; $1 2>&1` }
    elsif (open(my $page, '<', "/tmp/shop/pages$path")) { $body = join '', <$page> }
    my $status = length $body ? '200 OK' : '404 Not Found';
    print $client "HTTP/1.0 $status\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    exit 0;
}
