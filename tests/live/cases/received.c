// Calls that return more than they put into the buffer.
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
static struct {
    char buffer[4], behind[60];
} memory = {"", "PRIVATE-MEMORY-NEVER-RECEIVED"};
int main(void) {
    int pair[2];
    char out[60];
    struct iovec vector = {memory.buffer, sizeof memory.buffer};
    struct msghdr message = {0, 0, &vector, 1, 0, 0, 0};
    memset(out, 'd', sizeof out);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    for (int i = 0; i < 3; i++) write(pair[0], out, sizeof out);
    recv(pair[1], memory.buffer, sizeof memory.buffer, MSG_TRUNC);
    recv(pair[1], memory.buffer, sizeof memory.buffer, MSG_TRUNC | MSG_PEEK);
    recvmsg(pair[1], &message, MSG_TRUNC);
    return recv(pair[1], memory.buffer, 0, MSG_TRUNC) != sizeof out;
}
