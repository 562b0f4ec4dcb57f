// Threads and processes with fds and directories of their own, or shared, before the recording begins.
// Argument: a directory; `ready` appears there when everything is set up, and `go` starts the calls.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static volatile int *set_up, *step;
static char byte;
static void wait_for(int number) {
    ++*set_up;
    while (*step != number) usleep(1000);
}
static void open_as(const char *path, int fd) {
    int got = open(path, O_RDONLY);
    if (got != fd) dup2(got, fd), close(got);
}
static void *of_other(void *_) {  // Shares the table of a thread that has its own.
    wait_for(4);
    read(30, &byte, 1);
    open_as("/etc/shells", 30);
    *step = 5;
    return _;
}
static void *other(void *_) {  // Its own table, another file under the number.
    pthread_t thread;
    unshare(CLONE_FILES);
    open_as("/etc/group", 30);
    pthread_create(&thread, 0, of_other, 0);
    // A process that shares this table.
    if (syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0) == 0) {
        wait_for(6);
        read(30, &byte, 1);
        *step = 7;
        _exit(0);
    }
    wait_for(3);
    read(30, &byte, 1);
    *step = 4;
    while (*step != 5) usleep(1000);
    read(30, &byte, 1);
    *step = 6;
    pause();
    return _;
}
static void *equal(void *_) {  // Its own table, the same files.
    unshare(CLONE_FILES);
    wait_for(2);
    read(30, &byte, 1);
    *step = 3;
    pause();
    return _;
}
static void *empty(void *_) {
    unshare(CLONE_FILES);
    close_range(0, ~0u, 0);
    wait_for(7);
    read(30, &byte, 1);
    read(open("/etc/hostname", O_RDONLY), &byte, 1);
    *step = 8;
    pause();
    return _;
}
static void *elsewhere(void *_) {
    unshare(CLONE_FS);
    chdir("/usr");
    wait_for(8);
    close(open("share", O_RDONLY));
    *step = 9;
    pause();
    return _;
}
static void *jailed(void *jail) {
    unshare(CLONE_FS);
    chroot(jail), chdir("/");
    wait_for(9);
    close(open("inside", O_RDONLY));
    *step = 10;
    pause();
    return jail;
}
int main(int count, char **args) {
    void *(*threads[])(void *) = {other, equal, empty, elsewhere, jailed};
    pthread_t thread;
    if (count < 2 || chdir(args[1])) return 1;
    set_up = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    step = set_up + 1;
    mkdir("inside", 0700);
    open_as("/etc/hosts", 30);
    for (int i = 0; i < 5; i++) pthread_create(&thread, 0, threads[i], args[1]);
    // A process that shares fds and directories.
    if (syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0) == 0) {
        wait_for(1);
        read(30, &byte, 1);
        chdir("/etc");
        *step = 2;
        _exit(0);
    }
    while (*set_up < 8) usleep(1000);
    close(open("ready", O_CREAT, 0600));
    while (access("go", F_OK)) usleep(1000);
    close(30);
    *step = 1;
    while (*step != 10) usleep(1000);
    close(open("hosts", O_RDONLY));
    return 0;
}
