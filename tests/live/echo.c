/* A client that asks and a server that answers over loopback, as processes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 8)
        || getsockname(listener, (void *)&address, &len))
        return 1;
    if (fork() == 0) {
        for (int i = 0; i < 100; i++) {
            char request[256], body[512];
            int peer = accept(listener, NULL, NULL);
            ssize_t n = read(peer, request, sizeof request);
            int m = snprintf(body, sizeof body, "HTTP/1.0 200 OK\r\n\r\n%.*s", (int)n, request);
            if (write(peer, body, m) != m)
                _exit(2);
            close(peer);
        }
        _exit(0);
    }
    close(listener);
    for (int i = 0; i < 100; i++) {
        char text[512];
        int s = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(s, (void *)&address, sizeof address))
            return 3;
        int n = snprintf(text, sizeof text, "GET /page/%d HTTP/1.0\r\n\r\n", i);
        if (send(s, text, n, 0) != n)
            return 4;
        while (recv(s, text, sizeof text, 0) > 0)
            ;
        close(s);
    }
    int status;
    wait(&status);
    return status;
}
