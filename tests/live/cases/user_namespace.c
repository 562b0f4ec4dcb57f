// An ordinary user becomes root, and another user, in a user namespace of its own. Runs as root, and stops being it.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void put(const char *path, int pid, const char *text) {
    char name[64];
    sprintf(name, path, pid);
    int fd = open(name, O_WRONLY);
    write(fd, text, strlen(text)), close(fd);
}
int main(void) {
    int ready[2], mapped[2];
    char byte = 0;
    pipe(ready), pipe(mapped);
    int pid = fork();
    if (!pid) {
        setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
        unshare(CLONE_NEWUSER);
        write(ready[1], &byte, 1), read(mapped[0], &byte, 1);
        setresuid(0, 0, 0);
        syscall(SYS_geteuid);
        setresgid(0, -1, 0);
        char path[64];
        int fd = dup2(memfd_create("owned", 0), 20);
        sprintf(path, "/proc/self/fd/%d", fd);
        fchown(fd, 34, -1), chown(path, 35, 0), fchownat(AT_FDCWD, path, 0, -1, 0);
        lchown("/nowhere", 4000000, 1); // mapped neither: refused
        setfsuid(36), setfsuid(-1), setfsgid(1);
        setreuid(-1, 33);
        uid_t ids[3];
        getresuid(ids, ids + 1, ids + 2);
        setresuid(4000000, 0, 0); // not mapped: refused
        setuid(4000000);
        _exit(0);
    }
    read(ready[0], &byte, 1);
    put("/proc/%d/setgroups", pid, "deny");
    put("/proc/%d/uid_map", pid, "0 1000 1\n1 100000 65536\n");
    put("/proc/%d/gid_map", pid, "0 1000 1\n");
    write(mapped[1], &byte, 1);
    wait(0);
    return 0;
}
