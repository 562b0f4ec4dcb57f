// A ring opens and closes fds of the process, unseen by its calls. Prints nothing; exits with 3 where there is no io_uring.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static struct io_uring_params params;
static char *sq, *cq, byte;
static struct io_uring_sqe *entries;
static int ring;
static int submit(struct io_uring_sqe entry) {
    unsigned *tail = (unsigned *)(sq + params.sq_off.tail), *mask = (unsigned *)(sq + params.sq_off.ring_mask);
    unsigned *array = (unsigned *)(sq + params.sq_off.array), at = *tail & *mask;
    entries[at] = entry;
    array[at] = at;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
    unsigned *head = (unsigned *)(cq + params.cq_off.head), *cmask = (unsigned *)(cq + params.cq_off.ring_mask);
    int res = ((struct io_uring_cqe *)(cq + params.cq_off.cqes))[*head & *cmask].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    return res;
}
static int ring_open(const char *path) {
    struct io_uring_sqe entry = {.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)path};
    return submit(entry);
}
static void ring_close(int fd) {
    struct io_uring_sqe entry = {.opcode = IORING_OP_CLOSE, .fd = fd};
    submit(entry);
}
static void *replace(void *fd) {
    ring_close((long)fd);
    ring_open("/etc/shells");
    return 0;
}
int main(void) {
    struct stat facts;
    pthread_t thread;
    ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0) return 3;
    sq = mmap(0, params.sq_off.array + params.sq_entries * 4, 3, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    cq = mmap(0, params.cq_off.cqes + params.cq_entries * 16, 3, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    entries = mmap(0, params.sq_entries * 64, 3, MAP_SHARED, ring, IORING_OFF_SQES);
    // Closed and opened again under the same number.
    int fd = open("/etc/passwd", O_RDONLY);
    ring_close(fd);
    int other = ring_open("/etc/group");
    read(other, &byte, 1);
    // Closed only.
    ring_close(other);
    read(other, &byte, 1);
    // By another thread; several calls that use an fd.
    fd = open("/etc/hosts", O_RDONLY);
    pthread_create(&thread, 0, replace, (void *)(long)fd);
    pthread_join(thread, 0);
    fstat(fd, &facts), lseek(fd, 0, SEEK_SET), dup2(fd, 40), read(40, &byte, 1), close(fd);
    return other != fd;
}
