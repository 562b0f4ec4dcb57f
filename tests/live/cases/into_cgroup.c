// Children that begin in other cgroups, as runc and systemd start them. Argument: a directory of cgroup v2.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void *in_thread(void *unused) {
    access("/mark/thread", F_OK);
    return unused;
}
int main(int count, char **args) {
    struct clone_args clone = {
        .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = open(args[1], O_RDONLY | O_DIRECTORY)};
    if (!syscall(SYS_clone3, &clone, sizeof clone)) {
        pthread_t thread;
        access("/mark/child", F_OK);
        pthread_create(&thread, 0, in_thread, 0), pthread_join(thread, 0);
        if (!fork()) {
            access("/mark/grandchild", F_OK);
            _exit(0);
        }
        wait(0);
        _exit(0);
    }
    wait(0);
    // One that stays where its parent is.
    if (!fork()) {
        access("/mark/outside", F_OK);
        _exit(0);
    }
    wait(0);
    return 0;
}
