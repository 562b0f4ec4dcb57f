// Flags without a place in sysdig's schema, and an fd that neither reads nor writes.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    open("/etc/shadow", O_PATH);
    open("/etc/passwd", O_RDONLY | O_NOATIME);
    open("/etc/passwd", O_WRONLY | O_NOFOLLOW | O_NOCTTY);
    open("/etc/passwd", O_RDONLY | O_ASYNC | O_DSYNC | O_DIRECT);
    open("/etc/passwd", O_RDONLY | 0x4000000); // a bit that has no name yet
    struct open_how how = {.flags = O_PATH | O_NOFOLLOW, .resolve = 0x20 | RESOLVE_NO_SYMLINKS};
    syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof how);
    mmap((void *)0x7000000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 0x100000 | MAP_STACK, -1, 0);
    int pidfd;
    struct clone_args args = {.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .pidfd = (unsigned long)&pidfd, .exit_signal = SIGCHLD};
    if (!syscall(SYS_clone3, &args, sizeof args)) {
        mount("none", "/tmp/no-such", "tmpfs", MS_NOSUID | 256, "size=1m");
        unshare(0x80); // CLONE_NEWTIME
        _exit(0);
    }
    wait(0);
    int memfd = syscall(SYS_memfd_create, "sealed", 2);
    fcntl(memfd, F_ADD_SEALS, F_SEAL_WRITE), fcntl(memfd, F_GET_SEALS);
    return 0;
}
