// messages N: N datagrams in one call each way, and a vector of 78 buffers.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
int main(int argc, char **argv) {
    int count = atoi(argv[1]), to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t size = sizeof addr;
    bind(to, (void *)&addr, sizeof addr);
    getsockname(to, (void *)&addr, &size);
    struct mmsghdr *messages = calloc(count, sizeof *messages);
    struct iovec *vectors = calloc(count, sizeof *vectors);
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){malloc(32), 11};
        sprintf(vectors[i].iov_base, "message %03d", i);
        messages[i].msg_hdr = (struct msghdr){&addr, sizeof addr, &vectors[i], 1, 0, 0, 0};
    }
    sendmmsg(from, messages, count, 0);
    for (int i = 0; i < count; i++) messages[i].msg_hdr = (struct msghdr){0, 0, &vectors[i], 1, 0, 0, 0};
    recvmmsg(to, messages, count, MSG_DONTWAIT, 0);
    struct iovec letters[78];
    static char alphabet[] = "abcdefghijklmnopqrstuvwxyz";
    for (int i = 0; i < 78; i++) letters[i] = (struct iovec){alphabet + i % 26, 1};
    return writev(open("/dev/null", O_WRONLY), letters, 78) != 78;
}
