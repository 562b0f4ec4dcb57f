// random_fds FIRST COUNT LOG: COUNT programs, each a random sequence of calls that make, move and close fds. Between them lseek(2) is called on
// fds, and LOG gets a line with what /proc says that they are at that moment: "PID FD LINK".
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
enum { LOG = 200, RING = 201, TOP = 24 };
static const char *const FILES[] = {"/etc/passwd", "/etc/group", "/etc/hosts", "/usr", "/usr/bin", "/dev/null", "/dev/zero", "/etc"};
static unsigned state;
static unsigned draw(unsigned below) {
    state = state * 1103515245 + 12345;
    return (state >> 16) % below;
}
static const char *file(void) { return FILES[draw(8)]; }
static int any(void) { return 3 + draw(TOP - 3); }

static struct io_uring_params params;
static char *sq, *cq;
static struct io_uring_sqe *entries;
static void ring_start(void) {
    int ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0) return;
    dup3(ring, RING, O_CLOEXEC), close(ring);
    sq = mmap(0, params.sq_off.array + params.sq_entries * 4, 3, MAP_SHARED, RING, IORING_OFF_SQ_RING);
    cq = mmap(0, params.cq_off.cqes + params.cq_entries * 16, 3, MAP_SHARED, RING, IORING_OFF_CQ_RING);
    entries = mmap(0, params.sq_entries * 64, 3, MAP_SHARED, RING, IORING_OFF_SQES);
}
static void submit(struct io_uring_sqe entry) {
    if (!entries) return;
    unsigned *tail = (unsigned *)(sq + params.sq_off.tail), *mask = (unsigned *)(sq + params.sq_off.ring_mask);
    unsigned *array = (unsigned *)(sq + params.sq_off.array), at = *tail & *mask;
    entries[at] = entry;
    array[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    syscall(SYS_io_uring_enter, RING, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
    unsigned *head = (unsigned *)(cq + params.cq_off.head);
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
}
static int ia32(int nr, int a, int b, int c) {
    int result;
    asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
static char *low;
static void pass(int fd) {
    int pair[2];
    char byte = 0, control[CMSG_SPACE(sizeof fd)] = "";
    struct iovec vector = {&byte, 1};
    struct msghdr message = {0, 0, &vector, 1, control, sizeof control, 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    if (sendmsg(pair[0], &message, 0) == 1) recvmsg(pair[1], &message, draw(2) ? MSG_CMSG_CLOEXEC : 0);
    close(pair[0]), close(pair[1]);
}
static void look(int fd) {
    char link[32], target[256], line[400];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int len = readlink(link, target, sizeof target - 1);
    target[len < 0 ? 0 : len] = 0;
    lseek(fd, 0, SEEK_CUR);
    int size = snprintf(line, sizeof line, "%d %d %s\n", getpid(), fd, target);
    write(LOG, line, size);
}
static void step(void);
static void *in_thread(void *unused) {
    step(), look(any()), step();
    return 0;
}
static void step(void) {
    pthread_t thread;
    int pair[2];
    switch (draw(20)) {
    case 0: case 1: open(file(), O_RDONLY | (draw(2) ? O_CLOEXEC : 0)); break;
    case 2: openat(AT_FDCWD, file(), O_PATH); break;
    case 3: case 4: close(any()); break;
    case 5: dup(any()); break;
    case 6: dup2(any(), any()); break;
    case 7: dup3(any(), any(), draw(2) ? O_CLOEXEC : 0); break;
    case 8: fcntl(any(), F_DUPFD, any()); break;
    case 9: { int first = any(); syscall(SYS_close_range, first, first + draw(3), draw(2) ? 4 : 0); } break;
    case 10: pipe(pair); break;
    case 11: ioctl(any(), draw(2) ? FIOCLEX : FIONCLEX); break;
    case 12: fcntl(any(), F_SETFD, draw(2)); break;
    case 13: pass(any()); break;
    case 14: strcpy(low, file()), ia32(5, (int)(long)low, 0, 0); break;
    case 15: ia32(draw(2) ? 6 : 41, any(), 0, 0); break;
    case 16: submit((struct io_uring_sqe){.opcode = IORING_OP_CLOSE, .fd = any()}); break;
    case 17: submit((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)file()}); break;
    case 18: memfd_create("made", 0); break;
    case 19: if (!pthread_create(&thread, 0, in_thread, 0)) pthread_join(thread, 0); break;
    }
}
static void go(int steps) {
    char left[16], seed[16];
    low = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (state % 3 == 0) ring_start();
    while (steps-- > 0) {
        step(), look(any());
        if (draw(24) == 0) {
            snprintf(left, sizeof left, "%d", steps), snprintf(seed, sizeof seed, "%u", state);
            execl("/proc/self/exe", "random_fds", "-", seed, left, (char *)0);
        }
    }
    _exit(0);
}
int main(int argc, char **argv) {
    if (argv[1][0] == '-') state = strtoul(argv[2], 0, 10), go(atoi(argv[3]));
    int first = atoi(argv[1]), count = atoi(argv[2]), log = open(argv[3], O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(log, LOG), close(log);
    for (int nth = 0; nth < count; nth++) {
        if (!fork()) state = first + nth, go(30);
        wait(0);
    }
    return 0;
}
