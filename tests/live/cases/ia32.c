// Calls of a real 32-bit program, through int 0x80.
// cc -m32 -nostdlib -static -O1 -fno-pie -no-pie -fno-stack-protector -fno-builtin -o ia32 ia32.c
typedef unsigned int u32;
static int call(int nr, int a, int b, int c, int d, int e) {
    int result;
    asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
    return result;
}
int sixth_argument;
static int call6(int nr, int a, int b, int c, int d, int e, int f) {
    int result;
    sixth_argument = f;
    asm volatile("push %%ebp; mov sixth_argument, %%ebp; int $0x80; pop %%ebp"
                 : "=a"(result)
                 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                 : "memory");
    return result;
}
#define C(nr, ...) call(nr, ##__VA_ARGS__)
struct vector { void *base; u32 len; };
struct message { void *name; u32 name_len; struct vector *vector; u32 vector_len; void *control; u32 control_len, flags; };
static int socketcall(int nr, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f) {
    u32 args[6] = {a, b, c, d, e, f};
    return call(102, nr, (int)args, 0, 0, 0);
}
static char buffer[256];
void _start(void) {
    static char *argv[] = {"inner", "first", "second", 0}, *env[] = {"KEY=VALUE", 0};
    static int pair[2];
    static u32 word[4];
    int fd = call(295, -100, (int)"/tmp/ia32-file", 0x42, 0600, 0); // openat
    call(4, fd, (int)"0123456789", 10, 0, 0);                       // write
    call(180, fd, (int)buffer, 4, 3, 0);                            // pread64 at 3
    call(180, fd, (int)buffer, 4, 3, 2);                            // pread64 behind 8 GiB
    call(140, fd, 1, 7, (int)word, 0);                              // _llseek to 4 GiB + 7
    call(19, fd, 8, 0, 0, 0);                                       // lseek
    call(19, fd, -3, 1, 0, 0);                                      // lseek backwards
    struct vector vectors[] = {{"ab", 2}, {"cde", 3}};
    call(146, fd, (int)vectors, 2, 0, 0);                           // writev
    call(63, fd, 20, 0, 0, 0);                                      // dup2
    call(6, fd, 0, 0, 0, 0);                                        // close
    call(221, 20, 1, 0, 0, 0);                                      // fcntl64(F_GETFD)
    call(38, (int)"/tmp/ia32-file", (int)"/tmp/ia32-moved", 0, 0, 0); // rename
    call(10, (int)"/tmp/ia32-moved", 0, 0, 0, 0);                   // unlink
    call(42, (int)pair, 0, 0, 0, 0);                                // pipe
    call(4, pair[1], (int)"pipe", 4, 0, 0);
    call(3, pair[0], (int)buffer, 4, 0, 0);
    socketcall(8, 1, 1, 0, (u32)pair, 0, 0);                        // socketpair
    socketcall(9, pair[0], (u32)"sent", 4, 0, 0, 0);                // send
    socketcall(10, pair[1], (u32)buffer, 100, 0, 0, 0);             // recv
    struct message message = {0, 0, vectors, 2, 0, 0, 0};
    socketcall(16, pair[0], (u32)&message, 0, 0, 0, 0);             // sendmsg
    struct vector into[] = {{buffer, 3}, {buffer + 100, 50}};
    struct message incoming = {0, 0, into, 2, 0, 0, 0};
    socketcall(17, pair[1], (u32)&incoming, 0, 0, 0, 0);            // recvmsg
    int udp = call(359, 2, 2, 0, 0, 0);                             // socket
    static char address[16] = {2, 0, 0x12, 0x34, 127, 0, 0, 1};
    call(361, udp, (int)address, 16, 0, 0);                         // bind
    call6(369, udp, (int)"datagram", 8, 0, (int)address, 16);       // sendto
    call6(371, udp, (int)buffer, 100, 0, 0, 0);                     // recvfrom
    u32 map[6] = {0, 8192, 3, 0x22, (u32)-1, 0};
    call(90, (int)map, 0, 0, 0, 0);                                 // mmap
    call6(192, 0, 4096, 1, 2, 20, 1);                               // mmap2 of page 1
    word[0] = 0, word[1] = 1000;
    call(162, (int)word, 0, 0, 0, 0);                               // nanosleep
    call(76, 7, (int)word, 0, 0, 0);                                // getrlimit
    call(12, (int)"/usr", 0, 0, 0, 0);                              // chdir
    call(5, (int)"share", 0x10000, 0, 0, 0);                        // open(O_DIRECTORY)
    call(208, -1, 1234, -1, 0, 0);                                  // setresuid32
    call(199, 0, 0, 0, 0, 0);                                       // getuid32
    call(70, 0xffff, 0, 0, 0, 0);                                   // setreuid, 16 bits
    call(22, (int)"/tmp/no-mount", 0, 0, 0, 0);                     // umount
    call(11, (int)"/tmp/no-such-program", (int)argv, (int)env, 0, 0); // execve
    call(11, (int)"/bin/true", (int)argv, (int)env, 0, 0);
    call(1, 1, 0, 0, 0, 0);
}
