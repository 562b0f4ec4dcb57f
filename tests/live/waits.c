// Threads that wait, each in a call of its own, until standard input ends.
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *sleeps(void *unused) {
    struct timespec long_time = {.tv_sec = 1000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, NULL);
    return unused;
}

static void *locks(void *unused) {
    pthread_mutex_lock(&lock);
    return unused;
}

static void *polls(void *unused) {
    struct epoll_event event;
    epoll_wait(epoll_create1(0), &event, 1, -1);
    return unused;
}

static void *spins(void *unused) {
    for (volatile int i = 0;; i++) {}
    return unused;
}

int main(void) {
    pthread_t thread;
    char byte;
    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, sleeps, NULL);
    pthread_create(&thread, NULL, locks, NULL);
    pthread_create(&thread, NULL, polls, NULL);
    pthread_create(&thread, NULL, spins, NULL);
    puts("ready");
    fflush(stdout);
    return (int)read(0, &byte, 1);
}
