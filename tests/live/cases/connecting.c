// Connections that are made while the program does something else. After each, SO_RCVLOWAT is set to 1 if the socket is
// connected then, and to 2 if it is not.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct sockaddr_in server;

static int attempt(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  connect(fd, (struct sockaddr *)&server, sizeof server);
  usleep(20000);
  return fd;
}

static void mark(int fd, int value) {
  setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
  close(fd);
}

// What the program does that shows how the attempt ended.
static void look(int fd, int how) {
  char data[8] = "x";
  struct iovec part = {data, sizeof data};
  struct pollfd ready = {fd, POLLIN | POLLOUT, 0};
  struct sockaddr_storage peer;
  socklen_t len = sizeof peer;
  int error, file;
  switch (how) {
  case 0: (void)!write(fd, data, 1); break;
  case 1: (void)!read(fd, data, sizeof data); break;
  case 2: (void)!readv(fd, &part, 1); break;
  case 3: (void)!writev(fd, &part, 1); break;
  case 4: send(fd, data, 1, MSG_NOSIGNAL); break;
  case 5: recv(fd, data, sizeof data, 0); break;
  case 6: poll(&ready, 1, 100); break;
  case 7: len = sizeof error; getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len); break;
  case 8: connect(fd, (struct sockaddr *)&server, sizeof server); break;
  case 9:
    file = open("/etc/passwd", O_RDONLY);
    sendfile(fd, file, NULL, 5);
    close(file);
    break;
  case 10: getpeername(fd, (struct sockaddr *)&peer, &len); break;
  }
}

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  socklen_t len = sizeof server;
  server.sin_family = AF_INET;
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bind(listener, (struct sockaddr *)&server, len);
  getsockname(listener, (struct sockaddr *)&server, &len);
  listen(listener, 16);
  for (int how = 0; how <= 10; how++) {
    int fd = attempt();
    int other = accept(listener, NULL, NULL);
    send(other, "hello", 5, 0);
    usleep(20000);
    look(fd, how);
    mark(fd, 1);
    close(other);
  }
  // Nobody listens any more. getpeername() cannot tell a failure from an attempt that goes on.
  close(listener);
  for (int how = 0; how < 10; how++) {
    int fd = attempt();
    look(fd, how);
    mark(fd, 2);
  }
  // A connection that the peer resets.
  struct linger now = {1, 0};
  listener = socket(AF_INET, SOCK_STREAM, 0);
  server.sin_port = 0;
  bind(listener, (struct sockaddr *)&server, len);
  getsockname(listener, (struct sockaddr *)&server, &len);
  listen(listener, 16);
  int fd = attempt(), other = accept(listener, NULL, NULL);
  setsockopt(other, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  look(fd, 0);
  close(other);
  usleep(20000);
  look(fd, 10);
  mark(fd, 2);
  return 0;
}
