// Fds that are made otherwise than by calls which say what they are.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char byte;
static void send_fds(int socket, int *fds, int count) {
    char control[CMSG_SPACE(64 * sizeof(int))] = "";
    struct iovec vector = {&byte, 1};
    struct msghdr message = {0, 0, &vector, 1, control, CMSG_SPACE(count * sizeof(int)), 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    sendmsg(socket, &message, 0);
}
static void receive_fds(int socket, int *fds, int count, int flags, int many) {
    char control[CMSG_SPACE(64 * sizeof(int))];
    struct iovec vector = {&byte, 1};
    struct mmsghdr messages[1] = {{{0, 0, &vector, 1, control, sizeof control, 0}, 0}};
    if (many) recvmmsg(socket, messages, 1, flags, 0);
    else recvmsg(socket, &messages[0].msg_hdr, flags);
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&messages[0].msg_hdr)), count * sizeof(int));
}
int main(void) {
    int pair[2], got[64], master, slave, own = -1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    // Files, a directory, a pipe, a connection, several at once.
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001), .sin_port = htons(19999)};
    int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bind(listener, (void *)&address, sizeof address), listen(listener, 1);
    connect(client, (void *)&address, sizeof address);
    int out[4] = {open("/etc/group", O_RDONLY), open("/usr", O_DIRECTORY), client, listener};
    send_fds(pair[0], out, 4);
    receive_fds(pair[1], got, 4, 0, 0);
    read(got[0], &byte, 1), fchdir(got[1]), write(got[2], "x", 1), close(accept(got[3], 0, 0));
    // In place of another file, with close-on-exec.
    close(got[0]);
    send_fds(pair[0], (int[]){open("/etc/hostname", O_RDONLY)}, 1);
    receive_fds(pair[1], got, 1, MSG_CMSG_CLOEXEC, 1);
    read(got[0], &byte, 1);
    // A terminal, a queue, secret memory, a process, a handle.
    openpty(&master, &slave, 0, 0, 0);
    write(slave, "t", 1);
    mqd_t queue = mq_open("/made-by-test", O_CREAT | O_RDWR, 0600, 0);
    mq_unlink("/made-by-test");
    read(queue, &byte, 1);
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (unsigned long)&own, .exit_signal = SIGCHLD};
    if (!syscall(SYS_clone3, &args, sizeof args)) _exit(0);
    read(own, &byte, 1);
    wait(0);
    int self = syscall(SYS_pidfd_open, getpid(), 0), copy = syscall(SYS_pidfd_getfd, self, out[0], 0);
    read(copy, &byte, 1);
    struct {
        struct file_handle head;
        char bytes[128];
    } handle = {.head.handle_bytes = 128};
    int mount;
    if (!name_to_handle_at(AT_FDCWD, "/etc/shells", &handle.head, &mount, 0)) {
        int root = open("/etc", O_RDONLY), by_handle = open_by_handle_at(root, &handle.head, O_RDONLY);
        read(by_handle, &byte, 1);
    }
    // A process, as an option of a socket. The number was that of a file before.
    int peer = open("/etc/hosts", O_RDONLY);
    socklen_t len = sizeof peer;
    close(peer);
    getsockopt(pair[0], SOL_SOCKET, 77 /* SO_PEERPIDFD */, &peer, &len);
    read(peer, &byte, 1);
    return 0;
}
