// Sockets from both ends, one conversation per argument; prints its name and the ports of server and
// client. See truth/sockets.rs.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "truth.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

static const char *conversation;
static int is_unix;

// 127.0.0.1, ::1, ::ffff:127.0.0.1, a path, a name without a file.
static socklen_t address(const char *family, int port, union address *to) {
    memset(to, 0, sizeof *to);
    if (strcmp(family, "4") == 0) {
        to->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        to->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return sizeof to->v4;
    }
    if (strcmp(family, "6") == 0 || strcmp(family, "mapped") == 0) {
        to->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        inet_pton(AF_INET6, family[0] == '6' ? "::1" : "::ffff:127.0.0.1", &to->v6.sin6_addr);
        return sizeof to->v6;
    }
    is_unix = 1;
    to->path.sun_family = AF_UNIX;
    int hidden = strcmp(family, "abstract") == 0;
    snprintf(to->path.sun_path + hidden, sizeof to->path.sun_path - 1, "the-%s", conversation);
    return offsetof(struct sockaddr_un, sun_path) + strlen(conversation) + 5;
}

static int port_of(int fd) {
    union address own = {0};
    socklen_t len = sizeof own;
    CHECK(getsockname(fd, &own.any, &len));
    return is_unix ? 0 : ntohs(own.v4.sin_port);
}

static void ask_of(const char *what) {
    char label[80];
    snprintf(label, sizeof label, "%s-%s", conversation, what);
    ask(label);
}

// The client is the child; it tells its port through a pipe.
static void stream(const char *family, int nonblocking) {
    union address at;
    socklen_t len = address(family, 0, &at);
    int listener = socket(at.any.sa_family, SOCK_STREAM, 0);
    CHECK(listener);
    CHECK(bind(listener, &at.any, len));
    CHECK(listen(listener, 5));
    ask_of("listening");
    int port = port_of(listener), ports[2], client_port;
    CHECK(pipe(ports));
    pid_t child = fork();
    if (child == 0) {
        len = address(family, port, &at);
        int fd = socket(at.any.sa_family, SOCK_STREAM | (nonblocking ? SOCK_NONBLOCK : 0), 0);
        if (connect(fd, &at.any, len) != 0) {
            struct pollfd ready = {fd, POLLOUT, 0};
            if (errno != EINPROGRESS || poll(&ready, 1, 5000) != 1)
                _exit(1);
        }
        int own = port_of(fd);
        CHECK(write(ports[1], &own, sizeof own));
        if (write(fd, "question", 8) != 8)
            _exit(1);
        ask_of("client");
        char buffer[16];
        struct pollfd ready = {fd, POLLIN, 0};
        CHECK(poll(&ready, 1, 5000));
        if (recv(fd, buffer, sizeof buffer, 0) != 6)
            _exit(1);
        struct iovec last = {"thanks", 6};
        if (writev(fd, &last, 1) != 6)
            _exit(1);
        _exit(0);
    }
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(fd);
    CHECK(read(ports[0], &client_port, sizeof client_port));
    char buffer[16];
    if (read(fd, buffer, sizeof buffer) != 8)
        exit(1);
    // The client is asking at the moment, and waits for the answer afterwards.
    usleep(200000);
    ask_of("server");
    if (send(fd, "answer", 6, 0) != 6 || recv(fd, buffer, sizeof buffer, MSG_WAITALL) < 6)
        exit(1);
    join(child);
    printf("%s=%d %d\n", conversation, port, client_port);
}

// A server that answers whoever asked; the client connects, or names the server each time.
static void datagram(const char *family, int connected) {
    union address at, from;
    socklen_t len = address(family, 0, &at);
    int server = socket(at.any.sa_family, SOCK_DGRAM, 0);
    CHECK(server);
    CHECK(bind(server, &at.any, len));
    int port = port_of(server), client_port;
    pid_t child = fork();
    if (child == 0) {
        len = address(family, port, &at);
        int fd = socket(at.any.sa_family, SOCK_DGRAM, 0);
        char buffer[16];
        if (connected) {
            CHECK(connect(fd, &at.any, len));
            ask_of("client");
            CHECK(send(fd, "question", 8, 0));
            CHECK(recv(fd, buffer, sizeof buffer, 0));
        } else {
            CHECK(sendto(fd, "question", 8, 0, &at.any, len));
            CHECK(recvfrom(fd, buffer, sizeof buffer, 0, NULL, NULL));
        }
        close(fd);
        _exit(0);
    }
    char buffer[16];
    socklen_t from_len = sizeof from;
    CHECK(recvfrom(server, buffer, sizeof buffer, 0, &from.any, &from_len));
    client_port = ntohs(from.v4.sin_port);
    CHECK(sendto(server, "answer", 6, 0, &from.any, from_len));
    join(child);
    printf("%s=%d %d\n", conversation, port, client_port);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char name[64];
        conversation = argv[i];
        is_unix = 0;
        snprintf(name, sizeof name, "%s", argv[i]);
        const char *kind = strtok(name, "-"), *family = strtok(NULL, "-"), *how = strtok(NULL, "-");
        if (strcmp(kind, "tcp") == 0 || strcmp(kind, "unix") == 0)
            stream(family, how != NULL);
        else
            datagram(family, how != NULL);
    }
    return 0;
}
