/* SPDX-License-Identifier: MIT */
/* A peer that plays QEMU's part of QMP, well or badly: a thread at a socket. */
#ifndef TEST_QMP_PEER_H
#define TEST_QMP_PEER_H

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "unit/scratch.h"
#include "vmm/qmp.h"

#define SOCKET	   "qmp"
#define LONG_US	   20000000 /* a deadline that is not meant to pass */
#define SLACK_US   1000000
#define DRIP_US	   10000
#define LINE_BYTES 65536
#define GREETING                                                          \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0," \
	" \"major\": 10}}, \"capabilities\": []}}\n"

struct peer {
	struct scratch dir;
	int listen_fd;
	pthread_t thread;
	void (*play)(int fd); /* NULL: silent */
	struct qmp qmp;
	struct vf_err err;
};

/* --- what a peer can do --- */

/* Return: false once the other end has gone. */
static inline bool say(int fd, const char *text)
{
	size_t len = strlen(text);

	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool drip(int fd, const char *text)
{
	for (; *text; text++) {
		if (send(fd, text, 1, MSG_NOSIGNAL) != 1)
			return false;
		usleep(DRIP_US);
	}
	return true;
}

/* Read a request. Return: its id, -1 once the other end has gone. */
static inline int hear(int fd)
{
	static __thread char line[LINE_BYTES];
	size_t used = 0;
	int id = -1;

	while (used < sizeof(line) - 1 && recv(fd, line + used, 1, 0) == 1) {
		__json json_t *request = NULL;

		if (line[used++] != '\n')
			continue;
		request = json_loadb(line, used, 0, NULL);
		json_unpack(request, "{s:i}", "id", &id);
		break;
	}
	return id;
}

static inline bool reply(int fd, int id, const char *body)
{
	char text[LINE_BYTES];

	snprintf(text, sizeof(text), "{%s, \"id\": %d}\n", body, id);
	return say(fd, text);
}

static inline void greet(int fd)
{
	say(fd, GREETING);
	reply(fd, hear(fd), "\"return\": {}");
}

/* --- fixture --- */

static inline void *peer_main(void *arg)
{
	struct peer *peer = arg;
	int fd = accept(peer->listen_fd, NULL, NULL);

	if (fd < 0)
		return NULL;
	if (peer->play)
		peer->play(fd);
	/* until the client has gone, unless the part ended the connection */
	while (hear(fd) >= 0)
		;
	close(fd);
	return NULL;
}

static inline int setup(void **state)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (!peer)
		return -1;
	*state = peer;
	if (scratch_init(&peer->dir) < 0)
		return -1;
	peer->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/" SOCKET,
		 peer->dir.path);
	if (bind(peer->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return listen(peer->listen_fd, 1);
}

static inline int teardown(void **state)
{
	struct peer *peer = *state;

	qmp_close(&peer->qmp);
	pthread_join(peer->thread, NULL);
	close(peer->listen_fd);
	scratch_exit(&peer->dir);
	free(peer);
	return 0;
}

static inline int open_with(struct peer *peer, void (*play)(int fd), int64_t us)
{
	peer->play = play;
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_main, peer),
			 0);
	return qmp_open(&peer->qmp, peer->dir.dir_fd, SOCKET, -1,
			vf_now_us() + us, &peer->err);
}

static inline void open_ok(struct peer *peer, void (*play)(int fd))
{
	assert_int_equal(open_with(peer, play, LONG_US), 0);
}

/* Run a command. It has to end when it should. */
static inline int execute(struct peer *peer, json_t **result, int64_t us)
{
	int64_t end_us = vf_now_us() + us;
	int ret = qmp_execute(&peer->qmp, "query-status", NULL, result, end_us,
			      &peer->err);

	assert_true(vf_now_us() < end_us + SLACK_US);
	return ret;
}

#endif
