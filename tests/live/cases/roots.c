// The same path in other roots and mount namespaces, in which it is another file. Argument: a directory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char byte;
static void look(const char *path) {
    int fd = open(path, O_RDONLY);
    read(fd, &byte, 1), close(fd);
}
static int child(void (*what)(void), unsigned long flags) {
    int pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (!pid) what(), _exit(0);
    return waitpid(pid, 0, 0);
}
static void jailed(void) {
    chroot("jail");
    look("/etc/name");
    look("etc/name"); // the working directory is still outside
    chdir("/etc");
    look("name"), look("../../../etc/name");
    mkdir("/inner", 0700), chroot("/inner"); // a root in a root
    look("/none");
}
static void by_fd(void) {
    int outside = open(".", O_RDONLY | O_DIRECTORY);
    chroot("jail"), chdir("/");
    fchdir(outside), chroot("."); // out of the jail
    look("/etc/name");
}
static void covered(void) {
    mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
    mount("cover", "/etc", "tmpfs", 0, 0);
    close(open("/etc/hostname", O_CREAT | O_WRONLY, 0600));
    look("/etc/hostname");
}
static void unshared(void) {
    unshare(CLONE_NEWNS);
    covered();
}
static void pivoted(void) {
    mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
    mount("jail", "jail", 0, MS_BIND, 0);
    chdir("jail");
    syscall(SYS_pivot_root, ".", "old");
    look("/etc/name"), look("etc/name"), look("/old/etc/hostname");
}
static int host;
static void entered(void) {
    unshare(CLONE_NEWNS);
    look("/etc/hostname");
    setns(host, CLONE_NEWNS);
    look("/etc/hostname");
}
int main(int count, char **args) {
    if (count < 2 || chdir(args[1])) return 1;
    mkdir("jail", 0700), mkdir("jail/etc", 0700), mkdir("jail/old", 0700);
    close(open("jail/etc/name", O_CREAT, 0600));
    host = open("/proc/self/ns/mnt", O_RDONLY);
    child(jailed, 0), child(by_fd, 0), child(unshared, 0);
    child(covered, CLONE_NEWNS), child(pivoted, CLONE_NEWNS), child(entered, 0);
    look("/etc/hostname");
    return 0;
}
