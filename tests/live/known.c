/* Makes calls whose number, arguments and results the test knows; prints what it cannot know
 * beforehand (ids and ports) as NAME=VALUE lines on file descriptor 1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, WRITES = 250, CHILDREN = 3 };
static int null_fd;

static void *writer(void *which)
{
    char text[32];
    for (int i = 0; i < WRITES; i++) {
        int n = snprintf(text, sizeof text, "thread-%ld-%d", (long)which, i);
        if (write(null_fd, text, n) != n)
            abort();
    }
    return NULL;
}

static void ok(int good, const char *what)
{
    if (!good) {
        perror(what);
        exit(99);
    }
}

int main(void)
{
    char buffer[4096];
    null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ok(null_fd >= 0, "null");

    for (int i = 0; i < 1000; i++)
        syscall(SYS_getppid);

    /* Files. */
    int fd = openat(AT_FDCWD, "known-file", O_CREAT | O_EXCL | O_RDWR, 0640);
    ok(fd >= 0, "openat");
    ok(write(fd, "0123456789", 10) == 10, "write");
    for (int i = 0; i < 10; i++) {
        ok(lseek(fd, i, SEEK_SET) == i, "lseek");
        ok(read(fd, buffer, 3) == (i < 8 ? 3 : 10 - i), "read");
    }
    ok(pread(fd, buffer, 4, 2) == 4, "pread");
    ok(pwrite(fd, "ABCD", 4, 6) == 4, "pwrite");
    struct iovec parts[2] = {{"hello ", 6}, {"world", 5}};
    ok(writev(fd, parts, 2) == 11, "writev");
    ok(dup2(fd, 77) == 77, "dup2");
    ok(fcntl(77, F_SETFD, FD_CLOEXEC) == 0, "fcntl");
    ok(close(77) == 0, "close");
    ok(fchmod(fd, 0600) == 0, "fchmod");
    ok(ftruncate(fd, 5) == 0, "ftruncate");
    ok(close(fd) == 0, "close");
    ok(open("/nonexistent/file", O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
    ok(syscall(SYS_openat, AT_FDCWD, (char *)8, O_RDONLY) == -1 && errno == EFAULT, "EFAULT");
    ok(close(12345) == -1 && errno == EBADF, "EBADF");
    ok(mkdir("known-dir", 0755) == 0, "mkdir");
    ok(rename("known-dir", "known-dir2") == 0, "rename");
    ok(rmdir("known-dir2") == 0, "rmdir");
    ok(symlink("known-file", "known-link") == 0, "symlink");
    ok(link("known-file", "known-hard") == 0, "link");
    ok(unlink("known-link") == 0, "unlink");
    ok(unlinkat(AT_FDCWD, "known-hard", 0) == 0, "unlinkat");

    /* More data than the snaplen. */
    memset(buffer, 'x', sizeof buffer);
    ok(write(null_fd, buffer, sizeof buffer) == sizeof buffer, "large write");

    /* Memory. */
    void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ok(p != MAP_FAILED, "mmap");
    printf("mapped=%lu\n", (unsigned long)p);
    ok(mprotect(p, 4096, PROT_READ) == 0, "mprotect");
    ok(munmap(p, 8192) == 0, "munmap");

    /* Pipes and sockets. */
    int ends[2];
    ok(pipe2(ends, O_NONBLOCK) == 0, "pipe2");
    ok(read(ends[0], buffer, 10) == -1 && errno == EAGAIN, "EAGAIN");
    int pair[2];
    ok(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    ok(send(pair[0], "over the pair", 13, 0) == 13, "send");
    ok(recv(pair[1], buffer, 100, 0) == 13, "recv");
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    ok(bind(listener, (void *)&address, sizeof address) == 0, "bind");
    ok(listen(listener, 5) == 0, "listen");
    ok(getsockname(listener, (void *)&address, &len) == 0, "getsockname");
    printf("port=%d\n", ntohs(address.sin_port));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    ok(connect(client, (void *)&address, sizeof address) == 0, "connect");
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ok(server >= 0, "accept4");
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ok(sendmsg(client, &message, 0) == 11, "sendmsg");
    ok(recvfrom(server, buffer, 100, 0, NULL, NULL) == 11, "recvfrom");
    int one = 1;
    ok(setsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) == 0, "setsockopt");
    ok(shutdown(server, SHUT_RDWR) == 0, "shutdown");
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    ok(sendto(udp, "datagram", 8, 0, (void *)&address, sizeof address) == 8, "sendto");
    struct mmsghdr many[2] = {0};
    struct iovec bodies[2] = {{"first", 5}, {"second", 6}};
    for (int i = 0; i < 2; i++) {
        many[i].msg_hdr.msg_name = &address;
        many[i].msg_hdr.msg_namelen = sizeof address;
        many[i].msg_hdr.msg_iov = &bodies[i];
        many[i].msg_hdr.msg_iovlen = 1;
    }
    ok(sendmmsg(udp, many, 2, 0) == 2, "sendmmsg");
    int local = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "known.sock"};
    ok(bind(local, (void *)&name, sizeof name) == 0, "bind unix");
    int six = socket(AF_INET6, SOCK_STREAM, 0);
    if (six >= 0) {
        struct sockaddr_in6 six_address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                           .sin6_port = htons(1)};
        int connected = connect(six, (void *)&six_address, sizeof six_address);
        printf("six=%d\n", connected == 0 ? 0 : -errno);
    }

    /* Threads. */
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        ok(pthread_create(&threads[i], NULL, writer, (void *)i) == 0, "thread");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    /* Processes. */
    for (int i = 0; i < CHILDREN; i++) {
        pid_t child = fork();
        ok(child >= 0, "fork");
        if (child == 0) {
            for (int k = 0; k < 50; k++)
                syscall(SYS_getuid);
            _exit(40 + i);
        }
        int status;
        ok(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 40 + i, "waitpid");
        printf("child%d=%d\n", i, child);
    }
    pid_t victim = fork();
    if (victim == 0) {
        pause();
        _exit(0);
    }
    usleep(20000);
    ok(kill(victim, SIGTERM) == 0, "kill");
    waitpid(victim, NULL, 0);
    printf("victim=%d\n", victim);
    pid_t runner = fork();
    if (runner == 0) {
        char *argv[] = {"known-name", "first argument", "second", NULL};
        char *env[] = {"KNOWN=value", "OTHER=", NULL};
        execve("/nonexistent/program", argv, env);
        execve("/bin/true", argv, env);
        _exit(1);
    }
    waitpid(runner, NULL, 0);
    printf("runner=%d\n", runner);
    ok(prctl(PR_SET_NAME, "renamed") == 0, "prctl");
    printf("pid=%d\n", getpid());
    fflush(stdout);

#if defined(__x86_64__)
    /* A call through the 32-bit entry: number 20 is getpid there and writev here. */
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory");
    printf("compat=%ld\n", result);
#endif
    return 7;
}
