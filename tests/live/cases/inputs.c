// What calls are given in memory changes, or goes, before they return.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
static char *memory;
static int listener;
static void *change(void *how) {
    usleep(100000);
    if (how) munmap(memory, 4096);
    else strcpy(memory, "/tmp/inputs-fake");
    close(open("/tmp/inputs-real", O_WRONLY));
    return 0;
}
static void *change_address(void *unused) {
    usleep(100000);
    strcpy(((struct sockaddr_un *)memory)->sun_path, "/tmp/inputs-fake");
    accept(listener, 0, 0);
    return 0;
}
int main(void) {
    char byte;
    pthread_t thread;
    mkfifo("/tmp/inputs-real", 0600);
    for (long unmap = 0; unmap < 2; unmap++) {
        memory = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        strcpy(memory, "/tmp/inputs-real");
        pthread_create(&thread, 0, change, (void *)unmap);
        int fd = open(memory, O_RDONLY);
        read(fd, &byte, 1), close(fd);
        pthread_join(thread, 0);
    }
    unlink("/tmp/inputs-real");
    // A connection that waits until somebody accepts.
    memory = mmap(0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct sockaddr_un *address = (struct sockaddr_un *)memory;
    address->sun_family = AF_UNIX;
    strcpy(address->sun_path, "/tmp/inputs-socket");
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (void *)address, sizeof *address), listen(listener, 0);
    connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)address, sizeof *address);
    pthread_create(&thread, 0, change_address, 0);
    connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)address, sizeof *address);
    pthread_join(thread, 0);
    unlink("/tmp/inputs-socket");
    // The result over the path; offsets and times that the kernel moves on.
    strcpy(memory, "/etc/hosts");
    syscall(SYS_stat, memory, memory);
    int from = open("/etc/passwd", O_RDONLY), to = open("/dev/null", O_WRONLY);
    off_t offset = 7;
    sendfile(to, from, &offset, 10);
    struct timespec moment = {0, 1000000};
    nanosleep(&moment, &moment);
    // Longer than what is kept aside.
    char longer[1000] = "/";
    memset(longer + 1, '/', 900), strcpy(longer + 901, "etc/group");
    close(open(longer, O_RDONLY));
    return 0;
}
