// Calls with more than is kept of paths, lists, messages, data, arguments and environments, and some with exactly as much.
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char data[100000];
static char path[6000];

// Executes a program in a child.
static void run(const char *program, char **args, char **env)
{
	if (vfork() == 0) {
		execve(program, args, env);
		_exit(0);
	}
	wait(NULL);
}

int main(int count, char **given)
{
	(void)count;
	if (strcmp(given[0], "again") == 0)
		return 0;
	memset(data, 'p', sizeof data);
	memset(path, 'd', sizeof path);
	for (int at = 0; at < 5000; at += 100)
		path[at] = '/';
	path[5000] = 0;
	rename("/tmp/none", path);
	symlink(path, "/tmp/none/none");
	path[4095] = 0;
	mkdir(path, 0700);
	path[4095] = 'd';

	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char room[300];
	memset(room, 'u', sizeof room);
	memcpy(room, &name, sizeof name.sun_family);
	int local = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(local, (struct sockaddr *)room, sizeof room);

	struct pollfd fds[600];
	for (int nth = 0; nth < 600; nth++)
		fds[nth] = (struct pollfd){ .fd = local, .events = POLLIN };
	poll(fds, 600, 0);
	poll(fds, 512, 0);

	int null = open("/dev/null", O_WRONLY);
	write(null, data, 80);
	write(null, data, 81);
	struct iovec vector[1000];
	for (int nth = 0; nth < 1000; nth++)
		vector[nth] = (struct iovec){ data, 1 };
	writev(null, vector, 80);
	writev(null, vector, 1000);

	int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof address;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bind(datagrams, (struct sockaddr *)&address, length);
	getsockname(datagrams, (struct sockaddr *)&address, &length);
	connect(datagrams, (struct sockaddr *)&address, length);
	struct mmsghdr messages[200] = { 0 };
	for (int nth = 0; nth < 200; nth++)
		messages[nth].msg_hdr = (struct msghdr){ .msg_iov = vector, .msg_iovlen = 1 };
	sendmmsg(datagrams, messages, 200, 0);

	char *none[] = { NULL };
	char *few[] = { "again", "few", NULL };
	char *large[] = { "again", data, "hidden", NULL };
	char *many[3001] = { "again" };
	for (int nth = 1; nth < 3000; nth++)
		many[nth] = "argument";
	// The last string that is kept is empty.
	char *hollow[3001] = { "again", data + sizeof data - 4080 };
	for (int nth = 2; nth < 3000; nth++)
		hollow[nth] = "";
	data[sizeof data - 1] = 0;
	run("/proc/self/exe", few, none);
	run("/proc/self/exe", large, none);
	run("/proc/self/exe", many, none);
	run("/proc/self/exe", hollow, none);
	run("/proc/self/exe", few, large);
	char *longer[] = { "again", data + sizeof data - 1100, "after", NULL };
	run("/proc/none", longer, none);
	run("/proc/none", many, many);
	return 0;
}
