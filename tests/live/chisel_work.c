// Work whose amounts are known: a client and a server, files, errors, calls, sleep.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char buffer[4096];

static void all(ssize_t (*move)(int, char *, size_t), int fd, size_t len) {
    for (size_t done = 0; done < len;) {
        ssize_t n = move(fd, buffer + done, len - done);
        if (n <= 0) exit(2);
        done += (size_t)n;
    }
}

static ssize_t in(int fd, char *at, size_t len) { return read(fd, at, len); }
static ssize_t out(int fd, char *at, size_t len) { return write(fd, at, len); }

int main(void) {
    static const char request[] = "GET /known HTTP/1.1\r\nHost: known.test\r\nAccept: */*\r\n\r\n";
    static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    if (bind(listener, (void *)&address, len) || listen(listener, 5)) return 2;
    getsockname(listener, (void *)&address, &len);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    memset(buffer, 'x', sizeof buffer);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_NAME, "known_server");
        int fd = accept(listener, NULL, NULL);
        all(in, fd, sizeof request - 1);
        memcpy(buffer, response, sizeof response - 1);
        all(out, fd, sizeof response - 1);
        for (int i = 0; i < 100; i++) {
            all(in, fd, 1000);
            all(out, fd, 2000);
        }
        // Takes his time to end.
        usleep(250000);
        exit(0);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&address, len)) return 2;
    memcpy(buffer, request, sizeof request - 1);
    all(out, fd, sizeof request - 1);
    all(in, fd, sizeof response - 1);
    for (int i = 0; i < 100; i++) {
        all(out, fd, 1000);
        all(in, fd, 2000);
    }
    int file = open("known.dat", O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 300; i++) all(out, file, 1000);
    lseek(file, 0, SEEK_SET);
    for (int i = 0; i < 200; i++) all(in, file, 1000);
    close(file);
    int log = open("known.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < 3; i++) if (write(log, "a line of the log\n", 18) != 18) return 2;
    close(log);
    for (int i = 0; i < 40; i++) if (open("/no/such/file", O_RDONLY) >= 0) return 2;
    for (int i = 0; i < 777; i++) syscall(SYS_getppid);
    struct timespec time = {0, 300000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    if (write(2, "to standard error\n", 18) != 18) return 2;
    waitpid(server, NULL, 0);
    return 0;
}
