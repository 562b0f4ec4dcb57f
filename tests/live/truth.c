// Does what shells cannot, one case per argument, and asks what /proc says of it: see truth/mod.rs.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fsuid.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

#include "truth.h"

// fds of every kind, copies of them, and what exec leaves.
static void fds(void) {
    CHECK(mkdir("dir", 0755));
    int dir = open("dir", O_RDONLY | O_DIRECTORY);
    CHECK(dir);
    CHECK(openat(dir, "in-dir", O_CREAT | O_RDWR, 0644));
    CHECK(openat(dir, "../up", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    CHECK(open("dir/../dir/./in-dir", O_PATH));
    CHECK(creat("created", 0600));
    CHECK(open("./removed", O_CREAT | O_RDWR | O_APPEND, 0600));
    CHECK(unlink("removed"));
    uint64_t how[3] = {O_RDONLY, 0, 0};
    CHECK(syscall(SYS_openat2, dir, "in-dir", how, sizeof how));
    ask("opened");
    int copy = dup(dir);
    CHECK(copy);
    CHECK(dup2(copy, 60));
    CHECK(dup2(60, 60));
    CHECK(dup3(copy, 61, O_CLOEXEC));
    CHECK(fcntl(copy, F_DUPFD, 62));
    CHECK(fcntl(copy, F_DUPFD_CLOEXEC, 62));
    CHECK(fcntl(60, F_SETFD, FD_CLOEXEC));
    CHECK(fcntl(61, F_SETFD, 0));
    CHECK(fchdir(copy));
    CHECK(open("in-dir", O_RDONLY));
    ask("copied");
    CHECK(eventfd(0, EFD_CLOEXEC));
    CHECK(epoll_create1(0));
    CHECK(epoll_create1(EPOLL_CLOEXEC));
    CHECK(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(signalfd(-1, &set, 0));
    CHECK(inotify_init1(IN_CLOEXEC));
    CHECK(inotify_init());
    CHECK(memfd_create("secret", MFD_CLOEXEC));
    CHECK(memfd_create("plain", 0));
    CHECK(syscall(SYS_pidfd_open, getpid(), 0));
    struct io_uring_params params = {0};
    if (syscall(SYS_io_uring_setup, 4, &params) < 0 && errno != ENOSYS && errno != EPERM)
        exit(1);
    union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    CHECK(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr));
    if (syscall(SYS_userfaultfd, O_CLOEXEC) < 0 && errno != ENOSYS && errno != EPERM)
        exit(1);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
    CHECK(pipe(pair));
    CHECK(pipe2(pair, O_CLOEXEC));
    CHECK(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
    CHECK(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ask("kinds");
    CHECK(syscall(SYS_close_range, 62, 63, 0));
    CHECK(syscall(SYS_close_range, 10, 12, 4 /* CLOSE_RANGE_CLOEXEC */));
    CHECK(close(60));
    ask("ranges-closed");
    CHECK(chdir(".."));
    execl("./truth", "truth", "executed", NULL);
    exit(1);
}

static int shared_child(void *unused) {
    (void)unused;
    CHECK(open("/etc/hostname", O_RDONLY));
    CHECK(chdir("/usr/lib"));
    CHECK(close(10));
    ask("sharing-child");
    return 0;
}

// Tables and directories shared and no longer shared.
static void sharing(void) {
    static char stack[65536] __attribute__((aligned(16)));
    CHECK(dup2(0, 10));
    pid_t child = clone(shared_child, stack + sizeof stack, CLONE_FILES | CLONE_FS | SIGCHLD, NULL);
    CHECK(child);
    join(child);
    ask("shared");
    CHECK(dup2(0, 10));
    child = clone(shared_child, stack + sizeof stack, SIGCHLD, NULL);
    CHECK(child);
    join(child);
    ask("not-shared");
    CHECK(syscall(SYS_close_range, 200, ~0u, 2 /* CLOSE_RANGE_UNSHARE */));
    ask("unshared");
}

static pthread_barrier_t barrier;

static void *other_thread(void *unused) {
    (void)unused;
    pthread_setname_np(pthread_self(), "worker");
    CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
    CHECK(chdir("/var"));
    ask("thread");
    CHECK(unshare(CLONE_FS));
    CHECK(chdir("/usr"));
    ask("thread-own-cwd");
    pid_t child = fork();
    if (child == 0) {
        ask("child-of-thread");
        _exit(0);
    }
    join(child);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    execl("/bin/bash", "bash", "-c", "ask exec-by-thread; :", NULL);
    exit(1);
}

static void threads(void) {
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, other_thread, NULL);
    pthread_barrier_wait(&barrier);
    ask("main-thread");
    pthread_barrier_wait(&barrier);
    pause();
}

static void *last_thread(void *main) {
    pthread_join(*(pthread_t *)main, NULL);
    ask("leader-is-gone");
    exit(0);
}

static void leader(void) {
    static pthread_t self, thread;
    self = pthread_self();
    pthread_create(&thread, NULL, last_thread, &self);
    pthread_exit(NULL);
}

// What a process may do changes.
static void owners(void) {
    prctl(PR_SET_NAME, "other name");
    ask("named");
    struct rlimit limit = {300, 400};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit));
    pid_t child = fork();
    if (child == 0) {
        ask("limited");
        pause();
    }
    usleep(200000);
    struct rlimit other = {100, 200};
    CHECK(prlimit(child, RLIMIT_NOFILE, &other, NULL));
    ask("others-limit");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK(setegid(5));
    ask("setegid");
    CHECK(setresgid(7, 8, 9));
    ask("setresgid");
    CHECK(seteuid(3));
    ask("seteuid");
    CHECK(seteuid(0));
    setfsuid(6);
    ask("setfsuid");
    setfsuid(0);
    CHECK(setreuid(0, 12));
    ask("setreuid");
    CHECK(seteuid(0));
    CHECK(prctl(PR_SET_KEEPCAPS, 1));
    CHECK(setresuid(1, 2, 3));
    ask("setresuid");
    uint32_t header[2] = {0x20080522, 0}, sets[6] = {0, 1 << 2 | 1 << 10, 0};
    CHECK(syscall(SYS_capset, header, sets));
    ask("capset");
    CHECK(setuid(1));
    ask("setuid");
}

// Orphans go to the nearest process that asked for them.
static void reaper(void) {
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1));
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            usleep(200000);
            ask("adopted");
            _exit(0);
        }
        _exit(0);
    }
    join(child);
    int status;
    CHECK(wait(&status));
    if (status != 0)
        exit(1);
}

static void chrooted(void) {
    CHECK(mkdir("root", 0755));
    CHECK(mkdir("root/sub", 0755));
    CHECK(creat("root/sub/file", 0644));
    CHECK(chroot("root"));
    CHECK(chdir("/sub"));
    CHECK(open("file", O_RDONLY));
    CHECK(open("/sub/file", O_RDONLY));
    CHECK(open("../../../sub/file", O_RDONLY));
    ask("chroot");
}

// Calls that fail change nothing.
static void failures(void) {
    int null = open("/dev/null", O_RDONLY);
    open("/nonexistent/x", O_RDONLY);
    if (chdir("/nonexistent") == 0 || close(77) == 0 || dup2(99, null) >= 0 || setsid() == 0)
        exit(1);
    execl("/nonexistent/program", "x", NULL);
    execl("/etc/passwd", "x", NULL);
    socket(AF_INET, 77, 0);
    ask("failed");
}

static void vforked(void) {
    pid_t child = vfork();
    if (child == 0) {
        ask("vforked");
        execl("/bin/bash", "bash", "-c", "ask vfork-exec; :", NULL);
        _exit(1);
    }
    join(child);
    ask("vforker");
}

// A program that is no file.
static void anonymous(void) {
    int program = open("/proc/self/exe", O_RDONLY), memory = memfd_create("payload", MFD_CLOEXEC);
    char buffer[65536];
    ssize_t len;
    while ((len = read(program, buffer, sizeof buffer)) > 0)
        if (write(memory, buffer, len) != len)
            exit(1);
    close(program);
    char *argv[] = {"kworker", "executed", NULL};
    fexecve(memory, argv, environ);
    exit(1);
}

// Two processes, one after the other, with the same id.
static void reuse(void) {
    prctl(PR_SET_NAME, "parent");
    pid_t first = fork();
    if (first == 0) {
        prctl(PR_SET_NAME, "first");
        CHECK(chdir("/usr"));
        CHECK(open("/etc/hostname", O_RDONLY));
        CHECK(setsid());
        CHECK(setuid(1));
        ask("first");
        _exit(0);
    }
    join(first);
    for (int attempt = 0; attempt < 100; attempt++) {
        FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
        if (!last)
            return;
        fprintf(last, "%d", first - 1);
        fclose(last);
        pid_t second = fork();
        if (second == 0) {
            if (getpid() == first)
                ask("second");
            _exit(0);
        }
        join(second);
        if (second == first)
            return;
    }
    exit(1);
}

// An fd that comes through a socket, and one taken from another process.
static void passing(void) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int file = open("/etc/passwd", O_RDONLY);
    struct iovec data = {"x", 1};
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &file, sizeof file);
    pid_t child = fork();
    if (child == 0) {
        close(file);
        // Whatever had the number before must not be taken for what comes.
        int before = open("/etc/hostname", O_RDONLY);
        close(before);
        struct iovec room = {&byte, 1};
        message.msg_iov = &room;
        CHECK(recvmsg(pair[1], &message, 0));
        int received;
        memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof received);
        if (read(received, &byte, 1) != 1)
            exit(1);
        ask("received");
        _exit(0);
    }
    CHECK(sendmsg(pair[0], &message, 0));
    int pidfd = syscall(SYS_pidfd_open, child, 0);
    CHECK(pidfd);
    join(child);
    pid_t owner = fork();
    if (owner == 0) {
        CHECK(dup2(open("/etc/group", O_RDONLY), 50));
        pause();
    }
    usleep(200000);
    pidfd = syscall(SYS_pidfd_open, owner, 0);
    CHECK(syscall(SYS_pidfd_getfd, pidfd, 50, 0));
    kill(owner, SIGKILL);
    waitpid(owner, NULL, 0);
    ask("taken");
}

static void *waiting_thread(void *unused) {
    (void)unused;
    pthread_setname_np(pthread_self(), "truth-thread");
    pthread_barrier_wait(&barrier);
    ask("before-thread");
    pthread_barrier_wait(&barrier);
    return NULL;
}

static int loopback(int type, struct sockaddr_in *at) {
    socklen_t len = sizeof *at;
    int fd = socket(AF_INET, type, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(bind(fd, (struct sockaddr *)at, sizeof *at));
    CHECK(getsockname(fd, (struct sockaddr *)at, &len));
    return fd;
}

// Everything there is before the recording begins, which fd 7 tells.
static void before(void) {
    struct sockaddr_in at, other;
    int listener = loopback(SOCK_STREAM, &at), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(listen(listener, 5));
    CHECK(connect(client, (struct sockaddr *)&at, sizeof at));
    int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    CHECK(server);
    int datagrams = loopback(SOCK_DGRAM, &at), partner = loopback(SOCK_DGRAM | SOCK_CLOEXEC, &other);
    CHECK(connect(datagrams, (struct sockaddr *)&other, sizeof other));
    CHECK(partner);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHECK(pipe2(pair, O_CLOEXEC));
    CHECK(eventfd(0, EFD_CLOEXEC));
    CHECK(epoll_create1(0));
    CHECK(timerfd_create(CLOCK_MONOTONIC, 0));
    CHECK(memfd_create("old", 0));
    CHECK(inotify_init());
    CHECK(syscall(SYS_pidfd_open, getpid(), 0));
    CHECK(mkdir("somewhere", 0755));
    CHECK(chdir("somewhere"));
    CHECK(open("old-file", O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    CHECK(open(".", O_RDONLY | O_DIRECTORY));
    CHECK(unlink("old-file"));
    CHECK(prctl(PR_SET_NAME, "truth-main"));
    CHECK(setresgid(2, 3, 4));
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, waiting_thread, NULL);
    char byte;
    if (read(7, &byte, 1) != 1)
        exit(1);
    ask("before");
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    pid_t child = fork();
    if (child == 0) {
        ask("child-of-before");
        _exit(0);
    }
    join(child);
    CHECK(chdir(".."));
    execl("./truth", "truth", "executed", NULL);
    exit(1);
}

static const struct {
    const char *name;
    void (*run)(void);
} CASES[] = {
    {"fds", fds}, {"sharing", sharing}, {"threads", threads}, {"leader", leader}, {"owners", owners},
    {"reaper", reaper}, {"chroot", chrooted}, {"failures", failures}, {"vfork", vforked},
    {"anonymous", anonymous}, {"reuse", reuse}, {"passing", passing},
    {"before", before},
};

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    if (strcmp(argv[1], "executed") == 0) {
        ask("executed");
        return 0;
    }
    for (unsigned i = 0; i < sizeof CASES / sizeof *CASES; i++)
        if (strcmp(argv[1], CASES[i].name) == 0) {
            CASES[i].run();
            return 0;
        }
    return 2;
}
