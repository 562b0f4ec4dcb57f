// What Falco's stock rules are about, done once each: `rules host DIR` and `rules container`.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char self[4096];

// Runs a step in a process of its own with this name.
#define STEP(name)                         \
    for (pid_t child = fork();; child = 1) \
        if (child > 0) {                   \
            if (child > 1)                 \
                waitpid(child, NULL, 0);   \
            break;                         \
        } else if (prctl(PR_SET_NAME, name), 1)

static void touch(const char *path, int flags) {
    int fd = open(path, flags, 0600);
    if (fd >= 0)
        close(fd);
}

// Replaces the process by a copy of this program, which ends at once.
static void become(const char *path, char *const argv[]) {
    int from = open(self, O_RDONLY), to = open(path, O_WRONLY | O_CREAT, 0700);
    struct stat size;
    fstat(from, &size);
    for (off_t left = size.st_size; left > 0;) {
        char buffer[65536];
        ssize_t count = read(from, buffer, sizeof buffer);
        if (count <= 0 || write(to, buffer, (size_t)count) != count)
            exit(1);
        left -= count;
    }
    close(from);
    close(to);
    execv(path, argv);
    exit(1);
}

static void host(const char *dir) {
    char path[4096];
    // Longer than what counts as new.
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_NAME, "nginx");
        usleep(5500000);
        touch("/etc/shadow", O_RDONLY);
        exit(0);
    }
    touch("/tmp/../tmp/../etc/passwd", O_RDONLY);
    STEP("stranger") {
        touch("/etc/shadow", O_RDONLY);
        exit(0);
    }
    STEP("nginx") {
        if (fork() == 0)
            execl("/bin/sh", "sh", "-c", "true", NULL);
        wait(NULL);
        exit(0);
    }
    STEP("sshd") {
        if (fork() == 0) {
            if (setgid(1) || setuid(1))
                exit(1);
            execl("/bin/true", "true", NULL);
        }
        wait(NULL);
        exit(0);
    }
    STEP("steps") { execlp("grep", "grep", "-q", "BEGIN RSA PRIVATE KEY", "/etc/hostname", NULL); }
    STEP("steps") { execlp("grep", "grep", "-q", "aws_access_key_id", "/etc/hostname", NULL); }
    touch("/var/log/scap-rules-test.log", O_WRONLY | O_CREAT | O_TRUNC);
    unlink("/var/log/scap-rules-test.log");
    STEP("steps") { execlp("shred", "shred", "--version", NULL); }
    snprintf(path, sizeof path, "%s/symlink", dir);
    (void)!symlink("/etc/shadow", path);
    snprintf(path, sizeof path, "%s/hardlink", dir);
    (void)!link("/etc/shadow", path);
    unlink(path);
    pid_t victim = fork();
    if (victim == 0)
        for (;;)
            pause();
    ptrace(PTRACE_ATTACH, victim, NULL, NULL);
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    STEP("steps") {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        exit(0);
    }
    STEP("steps") {
        char *argv[] = {"/dev/shm/scap-rules-test", NULL};
        become("/dev/shm/scap-rules-test", argv);
    }
    unlink("/dev/shm/scap-rules-test");
    STEP("steps") {
        int from = open(self, O_RDONLY), to = memfd_create("payload", 0);
        struct stat size;
        fstat(from, &size);
        void *bytes = mmap(NULL, (size_t)size.st_size, PROT_READ, MAP_PRIVATE, from, 0);
        if (write(to, bytes, (size_t)size.st_size) != size.st_size)
            exit(1);
        char *argv[] = {"payload", NULL}, *env[] = {NULL};
        fexecve(to, argv, env);
        exit(1);
    }
    waitpid(server, NULL, 0);
}

static void container(void) {
    STEP("steps") {
        char *argv[] = {"nc", "-e", "/bin/sh", NULL};
        become("/tmp/nc", argv);
    }
    STEP("steps") {
        socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
        exit(0);
    }
    STEP("steps") {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof address;
        int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
        bind(listener, (struct sockaddr *)&address, len);
        listen(listener, 1);
        getsockname(listener, (struct sockaddr *)&address, &len);
        connect(client, (struct sockaddr *)&address, len);
        dup2(client, 0);
        exit(0);
    }
    STEP("steps") {
        syscall(SYS_init_module, NULL, 0, "");
        exit(0);
    }
    touch("/tmp/release_agent", O_WRONLY | O_CREAT);
    STEP("steps") {
        char *argv[] = {"ssh", "away", NULL};
        become("/tmp/ssh", argv);
    }
}

int main(int argc, char **argv) {
    if (strcmp(argv[0], "ssh") == 0) {
        // An address for documentation: nobody answers, and nobody has to.
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(443)};
        inet_pton(AF_INET, "203.0.113.5", &address.sin_addr);
        connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&address, sizeof address);
        return 0;
    }
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        return 1;
    self[len] = 0;
    if (argc > 2 && strcmp(argv[1], "host") == 0)
        host(argv[2]);
    else if (argc > 1 && strcmp(argv[1], "container") == 0)
        container();
    return 0;
}
