// SPDX-License-Identifier: MIT
#include <setjmp.h>
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
	char buf[64];

	ready_tell();
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), 7);
	assert_memory_equal(buf, "READY=1", 7);
	assert_null(getenv("NOTIFY_SOCKET"));
	/* once */
	ready_tell();
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

/* It is written to once, and closed: a script that waits for its end goes on. */
static void a_descriptor(void **state)
{
	char name[16], buf[4];
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	snprintf(name, sizeof(name), "%d", fds[1]);
	setenv("NOTIFY_FD", name, 1);
	ready_tell();
	assert_null(getenv("NOTIFY_FD"));
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 1);
	assert_int_equal(read(fds[0], buf, sizeof(buf)), 0);
	close(fds[0]);
	/* none, one that is not open, one that is everybody's */
	setenv("NOTIFY_FD", "3x", 1);
	ready_tell();
	setenv("NOTIFY_FD", name, 1);
	ready_tell();
	setenv("NOTIFY_FD", "1", 1);
	ready_tell();
	assert_int_equal(write(STDOUT_FILENO, "", 0), 0);
}

static void nobody_is_no_failure(void **state)
{
	char name[200];

	(void)state;
	ready_tell();
	setenv("NOTIFY_SOCKET", "/nowhere", 1);
	ready_tell();
	assert_null(getenv("NOTIFY_SOCKET"));
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	ready_tell();
	assert_null(getenv("NOTIFY_SOCKET"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path),
		cmocka_unit_test(an_abstract_name),
		cmocka_unit_test(a_descriptor),
		cmocka_unit_test(nobody_is_no_failure),
	};

	return cmocka_run_group_tests_name("ready", tests, NULL, NULL);
}
