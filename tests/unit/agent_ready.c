// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "ready.h"

/* A manager that listens at an address of the given name. */
static int listen_at(const char *name, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(addr.sun_path, name, len);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	return fd;
}

static void is_told(int fd)
{
	struct ready ready;
	char buf[64];

	ready_init(&ready);
	assert_null(getenv("NOTIFY_SOCKET"));
	ready_tell(&ready);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 7);
	assert_memory_equal(buf, "READY=1", 7);
	/* once */
	ready_tell(&ready);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	close(fd);
}

static void a_path(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "/tmp/vmfork-unit.%d", getpid());
	fd = listen_at(name, strlen(name));
	setenv("NOTIFY_SOCKET", name, 1);
	is_told(fd);
	unlink(name);
}

static void an_abstract_name(void **state)
{
	char name[64];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@vmfork-unit.%d", getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = listen_at(name, 1 + strlen(name + 1));
	is_told(fd);
}

/* Of the pipe's writing end. */
static void ready_to_fd(struct ready *ready, int fds[2])
{
	char name[16];

	assert_int_equal(pipe(fds), 0);
	snprintf(name, sizeof(name), "%d", fds[1]);
	setenv("NOTIFY_FD", name, 1);
	ready_init(ready);
	assert_null(getenv("NOTIFY_FD"));
}

/* It is written to once, and closed: a script that waits for its end goes on. */
static void a_descriptor(void **state)
{
	struct ready ready;
	char buf[4];
	int fds[2];

	(void)state;
	ready_to_fd(&ready, fds);
	assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
	ready_tell(&ready);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 1);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 0);
	/* what is opened later has that number, and is somebody else's */
	assert_int_equal(dup2(fds[0], fds[1]), fds[1]);
	ready_tell(&ready);
	assert_int_not_equal(fcntl(fds[1], F_GETFD), -1);
	close(fds[0]);
	close(fds[1]);
}

static void its_reader_is_gone(void **state)
{
	struct ready ready;
	int fds[2];

	(void)state;
	ready_to_fd(&ready, fds);
	close(fds[0]);
	signal(SIGPIPE, SIG_IGN);
	ready_tell(&ready);
	signal(SIGPIPE, SIG_DFL);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
}

/* None, one that is not open yet, one that is everybody's. */
static void no_descriptor(void **state)
{
	static const char *const numbers[] = { "",  "3x", "777",
					       "1", "-1", "4294967299" };
	struct ready ready;

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		setenv("NOTIFY_FD", numbers[i], 1);
		ready_init(&ready);
		assert_int_equal(ready.fd, 0);
		assert_null(getenv("NOTIFY_FD"));
	}
	/* what has the number by then is not what was meant */
	setenv("NOTIFY_FD", "777", 1);
	ready_init(&ready);
	assert_int_equal(dup2(STDERR_FILENO, 777), 777);
	ready_tell(&ready);
	assert_int_not_equal(fcntl(777, F_GETFD), -1);
	close(777);
	assert_int_not_equal(fcntl(STDOUT_FILENO, F_GETFD), -1);
}

static void nobody_is_no_failure(void **state)
{
	struct ready ready;
	char name[200];

	(void)state;
	ready_init(&ready);
	ready_tell(&ready);
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	ready_init(&ready);
	ready_tell(&ready);
	assert_null(getenv("NOTIFY_SOCKET"));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	ready_init(&ready);
	assert_int_equal(ready.addr_len, 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	ready_tell(&ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path),
		cmocka_unit_test(an_abstract_name),
		cmocka_unit_test(a_descriptor),
		cmocka_unit_test(its_reader_is_gone),
		cmocka_unit_test(no_descriptor),
		cmocka_unit_test(nobody_is_no_failure),
	};

	return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
