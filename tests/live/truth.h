// What the programs of truth/mod.rs have in common.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(call)                                                                    \
    do {                                                                               \
        if ((long)(call) < 0) {                                                        \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #call, strerror(errno));    \
            exit(1);                                                                   \
        }                                                                              \
    } while (0)

static void ask(const char *label) {
    char line[96], answer;
    int len = snprintf(line, sizeof line, "truth %s %ld\n", label, syscall(SYS_gettid));
    if (write(8, line, len) != len || read(9, &answer, 1) != 1)
        exit(3);
}

static void join(pid_t child) {
    int status;
    CHECK(waitpid(child, &status, 0));
    if (status != 0) {
        fprintf(stderr, "a child ended with %x\n", status);
        exit(1);
    }
}
