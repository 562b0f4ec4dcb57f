// Paths that begin at a directory, at a root, or are the file of the fd itself.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/openat2.h>
#include <unistd.h>
int main(void) {
  mkdir("/tmp/paths-case", 0700);
  mkdir("/tmp/paths-case/jail", 0700);
  chdir("/tmp/paths-case");
  int d = open("/tmp/paths-case/jail", O_DIRECTORY|O_RDONLY);
  int f = openat(d, "file", O_CREAT|O_RDWR, 0600);
  struct open_how how = {.flags=O_RDONLY, .resolve=RESOLVE_IN_ROOT};
  close(syscall(SYS_openat2, d, "/file", &how, sizeof how));
  close(syscall(SYS_openat2, d, "../../file", &how, sizeof how));
  syscall(SYS_openat2, d, "/nothing", &how, sizeof how);
  linkat(d, "file", d, "hard", 0);
  linkat(f, "", d, "hard2", AT_EMPTY_PATH);
  symlinkat("file", d, "soft");
  renameat2(d, "hard", d, "hard3", 0);
  fchmodat(d, "file", 0640, 0);
  fchownat(d, "file", 0, 0, 0);
  fchownat(f, "", 0, 0, AT_EMPTY_PATH);
  fchownat(f, "", 0, 0, 0);
  struct stat st;
  fstatat(f, "", &st, AT_EMPTY_PATH);
  fstatat(d, "", &st, 0);
  mkdirat(d, "sub", 0700);
  mknodat(d, "node", S_IFREG|0600, 0);
  mknod("node2", S_IFREG|0600, 0);
  close(creat("made", 0600));
  unlinkat(d, "hard3", 0);
  unlinkat(d, "hard2", 0);
  unlinkat(d, "soft", 0);
  unlinkat(d, "node", 0);
  unlink("node2");
  unlink("made");
  unlinkat(d, "sub", AT_REMOVEDIR);
  chroot("jail");
  close(open("/file", O_RDONLY));
  close(open("jail/file", O_RDONLY));
  close(openat(d, "file", O_RDONLY));
  chmod("/file", 0600);
  chdir("/");
  close(open("file", O_RDONLY));
  unlink("file");
  return 0;
}
