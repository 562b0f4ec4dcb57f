// Close-on-exec, by every way there is. Executes itself and reads what is left.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char byte;
    if (argc > 1) {
        for (int fd = 20; fd < 26; fd++) read(fd, &byte, 1);
        return 0;
    }
    int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
    dup3(fd, 20, O_CLOEXEC), ioctl(20, FIONCLEX);        // stays
    dup2(fd, 21), ioctl(21, FIOCLEX);                    // goes
    dup2(fd, 22), fcntl(22, F_SETFD, FD_CLOEXEC);        // goes
    dup3(fd, 23, O_CLOEXEC), fcntl(23, F_SETFD, 0);      // stays
    dup2(fd, 24), syscall(SYS_close_range, 24, 24, 4);   // goes (CLOSE_RANGE_CLOEXEC)
    dup2(fd, 25), ioctl(25, FIOCLEX), ioctl(25, FIONCLEX); // stays
    execl("/proc/self/exe", "after", "x", (char *)0);
    return 1;
}
