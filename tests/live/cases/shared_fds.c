// Threads that share fds open, write, read and close files of their own: numbers change hands while calls return.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static const char *dir;
static void *work(void *k) {
    char path[512], byte[8];
    snprintf(path, sizeof path, "%s/file-%ld", dir, (long)k);
    for (int i = 0; i < 3000; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        write(fd, "hello", 5), pread(fd, byte, 5, 0), lseek(fd, 0, SEEK_SET), close(fd);
    }
    return 0;
}
int main(int argc, char **argv) {
    pthread_t t[4];
    dir = argv[1];
    for (long k = 0; k < 4; k++) pthread_create(&t[k], 0, work, (void *)k);
    for (int k = 0; k < 4; k++) pthread_join(t[k], 0);
}
