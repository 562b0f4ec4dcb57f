/* Runs a program's `main` many times, each time in a new process with other arguments. Loading sysdig's hundred libraries
 * takes ten times longer than filtering a small capture, so the tests load it once: this library is preloaded.
 *
 * A request on standard input: length of the arguments (u32), the arguments, each with a NUL at its end.
 * The answer on standard output: exit status, length of the output, length of the messages (u32 each), output, messages. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int main_fn(int, char **, char **);
static main_fn *program;

static int get(int fd, void *to, size_t len) {
    for (char *at = to; len > 0;) {
        ssize_t n = read(fd, at, len);
        if (n <= 0)
            return 0;
        at += n, len -= n;
    }
    return 1;
}

static void put(int fd, const void *from, size_t len) {
    for (const char *at = from; len > 0;) {
        ssize_t n = write(fd, at, len);
        if (n <= 0)
            _exit(1);
        at += n, len -= n;
    }
}

static void copy(int to, int from, size_t len) {
    char buffer[65536];
    lseek(from, 0, SEEK_SET);
    while (len > 0) {
        size_t part = len < sizeof buffer ? len : sizeof buffer;
        if (!get(from, buffer, part))
            _exit(1);
        put(to, buffer, part);
        len -= part;
    }
}

static int serve(int argc, char **argv, char **envp) {
    (void)argc;
    int in = fcntl(0, F_DUPFD_CLOEXEC, 100), answers = fcntl(1, F_DUPFD_CLOEXEC, 100);
    dup2(open("/dev/null", O_RDWR), 0);
    for (uint32_t len; get(in, &len, sizeof len);) {
        char *words = malloc(len + 1), *args[64] = {argv[0]};
        if (!words || !get(in, words, len))
            return 1;
        int count = 1;
        for (char *at = words; at < words + len && count < 63; at += strlen(at) + 1)
            args[count++] = at;
        int out = memfd_create("out", 0), err = memfd_create("err", 0), status;
        pid_t child = fork();
        if (child == 0) {
            dup2(out, 1), dup2(err, 2);
            exit(program(count, args, envp));
        }
        waitpid(child, &status, 0);
        uint32_t head[3] = {status, lseek(out, 0, SEEK_END), lseek(err, 0, SEEK_END)};
        put(answers, head, sizeof head);
        copy(answers, out, head[1]), copy(answers, err, head[2]);
        close(out), close(err), free(words);
    }
    return 0;
}

int __libc_start_main(main_fn *main, int argc, char **argv, void *init, void *fini, void *rtld_fini, void *stack) {
    int (*real)(main_fn *, int, char **, void *, void *, void *, void *) = dlsym(RTLD_NEXT, "__libc_start_main");
    program = main;
    return real(serve, argc, argv, init, fini, rtld_fini, stack);
}
