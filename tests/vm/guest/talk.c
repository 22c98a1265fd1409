// SPDX-License-Identifier: MIT
/*
 * Many TCP connections on which both sides talk. FILE always holds the last
 * word: "ALIVE LOST BYTES", connections and bytes that were received.
 *
 *	talk connect FILE ADDR PORT NUM		a byte on each, each 100 ms
 *	talk serve FILE ADDR PORT		what comes is sent back
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 512
#define TICK_MS	  100

struct talk {
	const char *path;
	struct pollfd fds[PEERS_MAX]; /* the first: who listens, or -1 */
	unsigned int num;
	unsigned int lost;
	unsigned long bytes;
	int echoes;
};

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void tell(const struct talk *talk)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s.new", talk->path);
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%u %u %lu\n", talk->num - 1 - talk->lost, talk->lost,
		talk->bytes);
	if (!fclose(file))
		rename(path, talk->path);
}

static void add(struct talk *talk, int fd)
{
	if (fd < 0 || talk->num == PEERS_MAX)
		exit(1);
	talk->fds[talk->num++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void lose(struct talk *talk, struct pollfd *peer)
{
	close(peer->fd);
	peer->fd = -1;
	talk->lost++;
}

static void hear(struct talk *talk, struct pollfd *peer)
{
	char buf[256];
	ssize_t len = recv(peer->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		lose(talk, peer);
		return;
	}
	talk->bytes += (unsigned long)len;
	if (talk->echoes &&
	    send(peer->fd, buf, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		lose(talk, peer);
}

static void speak(struct talk *talk)
{
	for (unsigned int i = 1; i < talk->num; i++) {
		struct pollfd *peer = &talk->fds[i];

		if (peer->fd >= 0 &&
		    send(peer->fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
		    errno != EAGAIN)
			lose(talk, peer);
	}
}

static void serve(struct talk *talk)
{
	long tick = now_ms();

	for (;;) {
		long left = tick + TICK_MS - now_ms();

		if (left <= 0) {
			tick = now_ms();
			if (!talk->echoes)
				speak(talk);
			tell(talk);
			continue;
		}
		if (poll(talk->fds, talk->num, (int)left) < 0)
			exit(1);
		if (talk->fds[0].revents)
			add(talk,
			    accept4(talk->fds[0].fd, NULL, NULL, SOCK_CLOEXEC));
		for (unsigned int i = 1; i < talk->num; i++) {
			if (talk->fds[i].fd >= 0 && talk->fds[i].revents)
				hear(talk, &talk->fds[i]);
		}
	}
}

int main(int argc, char **argv)
{
	static struct talk talk = { .num = 1, .fds[0].fd = -1 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	int one = 1, fd;

	if (argc < 5 || inet_pton(AF_INET, argv[3], &in.sin_addr) != 1)
		return 2;
	talk.path = argv[2];
	in.sin_port = htons((uint16_t)atoi(argv[4]));
	talk.echoes = !strcmp(argv[1], "serve");
	if (talk.echoes) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, (void *)&in, sizeof(in)) < 0 ||
		    listen(fd, PEERS_MAX) < 0)
			return 1;
		talk.fds[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	for (int i = 0; argc == 6 && i < atoi(argv[5]); i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (void *)&in, sizeof(in)) < 0)
			return 1;
		add(&talk, fd);
	}
	serve(&talk);
}
