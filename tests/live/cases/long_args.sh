# A program with an argument that is longer than what is kept, one with more arguments than are kept of a call that fails, and one with few.
/usr/bin/printf %s "$(head -c 6000 /dev/zero | tr '\0' A)" tail >/dev/null
/usr/bin/no-such-program 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 2>/dev/null
/usr/bin/printf %s few >/dev/null
