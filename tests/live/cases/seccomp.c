// Calls that seccomp stops. A call that is stopped never runs: whatever stands for its result is not its result.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
static void on_sigsys(int sig, siginfo_t *info, void *context) {
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = 77;
}
static int filter(int nr, unsigned action, unsigned flags) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
int main(void) {
    char byte, shadow[] = "/etc/shadow", never[] = "/tmp/never";
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &action, 0);
    if (!fork()) {
        filter(SYS_openat, SECCOMP_RET_TRAP, 0);
        filter(SYS_mkdir, SECCOMP_RET_TRAP, 0);
        filter(SYS_close, SECCOMP_RET_TRAP, 0);
        filter(SYS_dup2, SECCOMP_RET_TRAP, 0);
        filter(SYS_rmdir, SECCOMP_RET_ERRNO | EXDEV, 0);
        filter(SYS_chdir, SECCOMP_RET_TRACE, 0); // no tracer: ENOSYS
        int fd = syscall(SYS_open, "/etc/hosts", O_RDONLY);
        syscall(SYS_openat, AT_FDCWD, shadow, O_RDONLY); // 257
        syscall(SYS_dup2, fd, 33);                       // 33
        read(257, &byte, 1), read(77, &byte, 1), read(33, &byte, 1);
        syscall(SYS_mkdir, never, 0700);
        syscall(SYS_close, fd);
        read(fd, &byte, 1); // still open
        syscall(SYS_rmdir, never);
        syscall(SYS_chdir, "/tmp");
        _exit(0);
    }
    wait(0);
    if (!fork()) {
        filter(SYS_unlink, SECCOMP_RET_KILL_PROCESS, 0);
        syscall(SYS_unlink, never);
        _exit(0);
    }
    wait(0);
    // A supervisor answers for the kernel: it says that 50 was opened.
    int listener = -1, group = open("/etc/group", O_RDONLY);
    dup2(open("/etc/hosts", O_RDONLY), 60);
    if ((listener = filter(SYS_openat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER)) >= 0) {
        int pid = fork();
        if (!pid) {
            syscall(SYS_openat, AT_FDCWD, shadow, O_RDONLY);
            read(50, &byte, 1);
            read(60, &byte, 1), read(61, &byte, 1);
            _exit(0);
        }
        struct seccomp_notif request = {0};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request);
        // It also gives the program fds, one instead of another.
        for (int fd = 60; fd < 62; fd++) {
            struct seccomp_notif_addfd add = {
                .id = request.id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = group, .newfd = fd};
            ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        }
        struct seccomp_notif_resp response = {.id = request.id, .val = 50};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
        wait(0);
    }
    return 0;
}
