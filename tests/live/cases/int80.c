// A 64-bit program that makes calls through the 32-bit entry, whose numbers mean something else here.
#define _GNU_SOURCE
#include <sys/mman.h>
#include <string.h>
#include <unistd.h>
static int call(int nr, int a, int b, int c) {
    int result;
    asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
int main(void) {
    char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    strcpy(low, "/etc/hosts");
    int fd = call(5, (int)(long)low, 0, 0); // open
    call(3, fd, (int)(long)low, 9);         // read
    call(6, fd, 0, 0);                      // close
    return read(fd, low, 1) != -1;          // the 64-bit read of what is closed
}
