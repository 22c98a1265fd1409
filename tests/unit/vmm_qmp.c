// SPDX-License-Identifier: MIT
// time: 60
/*
 * QMP with a peer that misbehaves. The peer is a thread behind a real socket
 * that plays a part; whatever it does, each call has to end with the right errno
 * within its deadline.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "unit/qmp_peer.h"
#include "vmm/qmp.h"

#define SHORT_US 200000 /* a deadline that is meant to pass */
#define FLOOD	 1000

/* --- parts --- */

static void play_drip(int fd)
{
	drip(fd, GREETING);
}

static void play_drip_answer(int fd)
{
	greet(fd);
	if (hear(fd) >= 0)
		drip(fd, "{\"return\": {\"status\": \"running\"}}\n");
}

static void play_cut(int fd)
{
	greet(fd);
	hear(fd);
	say(fd, "{\"return\": {\"sta");
	shutdown(fd, SHUT_RDWR);
}

static void play_endless(int fd)
{
	greet(fd);
	hear(fd);
	while (say(fd, "\"never a newline, never an end"))
		;
}

/* An object, brackets within, and back: @depth levels in all. */
static void play_nested(int fd, int depth)
{
	char body[256] = "\"return\": {\"x\": ";

	greet(fd);
	for (int i = 0; i < depth - 2; i++)
		strcat(body, "[");
	for (int i = 0; i < depth - 2; i++)
		strcat(body, "]");
	strcat(body, "}");
	reply(fd, hear(fd), body);
}

static void play_deep(int fd)
{
	play_nested(fd, 32);
}

static void play_too_deep(int fd)
{
	play_nested(fd, 33);
}

/* The first command is answered only when the second one has come. */
static void play_late(int fd)
{
	int first, second;

	greet(fd);
	first = hear(fd);
	second = hear(fd);
	reply(fd, first, "\"return\": {\"status\": \"first\"}");
	reply(fd, second, "\"return\": {\"status\": \"second\"}");
}

static bool say_event(int fd, int number)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "{\"event\": \"E%d\", \"data\": {}, \"timestamp\":"
		 " {\"seconds\": 1, \"microseconds\": 0}}\n",
		 number);
	return say(fd, text);
}

static void play_flood(int fd)
{
	int id;

	greet(fd);
	id = hear(fd);
	for (int i = 0; i < FLOOD; i++)
		say_event(fd, i);
	reply(fd, id, "\"return\": {}");
}

/* Many in one go: faster than anybody parses them, so there is always one. */
static void play_endless_flood(int fd)
{
	static const char event[] = "{\"event\": \"E\", \"data\": {}}\n";
	char text[LINE_BYTES];
	size_t len = 0;

	while (len + sizeof(event) < sizeof(text)) {
		memcpy(text + len, event, sizeof(event));
		len += sizeof(event) - 1;
	}
	greet(fd);
	hear(fd);
	while (say(fd, text))
		;
}

static void play_error(int fd)
{
	greet(fd);
	reply(fd, hear(fd),
	      "\"error\": {\"class\": \"GenericError\","
	      " \"desc\": \"the disk is full\"}");
	/* one that gives no reason is no answer */
	reply(fd, hear(fd), "\"error\": 7");
}

static void play_garbage(int fd)
{
	greet(fd);
	hear(fd);
	say(fd, "QEMU is not amused\n");
	hear(fd);
	say(fd, "[]\n");
	hear(fd);
	say(fd, "\n");
}

/* --- tests --- */

static void silent(void **state)
{
	struct peer *peer = *state;
	int64_t start_us = vf_now_us();

	/* QEMU serves somebody else */
	assert_int_equal(open_with(peer, NULL, SHORT_US), -EBUSY);
	assert_true(vf_now_us() - start_us >= SHORT_US);
	assert_true(vf_now_us() - start_us < SHORT_US + SLACK_US);
}

/* The deadline is for the whole, not for each byte. */
static void slow_greeting(void **state)
{
	assert_int_equal(open_with(*state, play_drip, SHORT_US), -EBUSY);
}

static void slow_answer(void **state)
{
	struct peer *peer = *state;

	open_ok(peer, play_drip_answer);
	assert_int_equal(execute(peer, NULL, SHORT_US), -ETIMEDOUT);
}

static void slow_answer_in_time(void **state)
{
	__json json_t *result = NULL;
	struct peer *peer = *state;

	open_ok(peer, play_drip_answer);
	assert_int_equal(execute(peer, &result, LONG_US), 0);
	assert_string_equal(
		json_string_value(json_object_get(result, "status")),
		"running");
}

static void cut(void **state)
{
	open_ok(*state, play_cut);
	assert_int_equal(execute(*state, NULL, LONG_US), -ECONNRESET);
}

static void endless_line(void **state)
{
	open_ok(*state, play_endless);
	assert_int_equal(execute(*state, NULL, LONG_US), -EMSGSIZE);
}

static void deep(void **state)
{
	open_ok(*state, play_deep);
	assert_int_equal(execute(*state, NULL, LONG_US), 0);
}

static void too_deep(void **state)
{
	open_ok(*state, play_too_deep);
	assert_int_equal(execute(*state, NULL, LONG_US), -EBADMSG);
}

static void late_answer(void **state)
{
	__json json_t *result = NULL;
	struct peer *peer = *state;

	open_ok(peer, play_late);
	assert_int_equal(execute(peer, NULL, SHORT_US), -ETIMEDOUT);
	assert_int_equal(execute(peer, &result, LONG_US), 0);
	assert_string_equal(
		json_string_value(json_object_get(result, "status")), "second");
}

static void flood(void **state)
{
	struct peer *peer = *state;
	int64_t soon_us;

	open_ok(peer, play_flood);
	assert_int_equal(execute(peer, NULL, LONG_US), 0);
	assert_int_equal(json_array_size(peer->qmp.events), 256);
	soon_us = vf_now_us() + SHORT_US;
	/* the newest were kept; each is taken once */
	assert_int_equal(
		qmp_wait_event(&peer->qmp, "E999", NULL, soon_us, &peer->err),
		0);
	assert_int_equal(
		qmp_wait_event(&peer->qmp, "E999", NULL, soon_us, &peer->err),
		-ETIMEDOUT);
	assert_int_equal(qmp_wait_event(&peer->qmp, "E0", NULL,
					vf_now_us() + SHORT_US, &peer->err),
			 -ETIMEDOUT);
}

static void endless_flood(void **state)
{
	struct peer *peer = *state;
	int64_t end_us;

	open_ok(peer, play_endless_flood);
	assert_int_equal(execute(peer, NULL, SHORT_US), -ETIMEDOUT);
	end_us = vf_now_us() + SHORT_US;
	assert_int_equal(
		qmp_wait_event(&peer->qmp, "STOP", NULL, end_us, &peer->err),
		-ETIMEDOUT);
	assert_true(vf_now_us() < end_us + SLACK_US);
}

/* Three are sent together; the second is refused, and the others are not. */
static void play_three(int fd)
{
	int ids[3];

	greet(fd);
	for (int i = 0; i < 3; i++)
		ids[i] = hear(fd);
	reply(fd, ids[0], "\"return\": {}");
	say(fd, "{\"event\": \"PING\"}\n");
	reply(fd, ids[1],
	      "\"error\": {\"class\": \"GenericError\","
	      " \"desc\": \"not today\"}");
	reply(fd, ids[2], "\"return\": {}");
	reply(fd, hear(fd), "\"return\": {}");
}

static void together(void **state)
{
	struct peer *peer = *state;
	const struct qmp_command commands[] = {
		{ "one", json_object() },
		{ "two", NULL },
		{ "three", NULL },
	};

	open_ok(peer, play_three);
	assert_int_equal(qmp_execute_all(&peer->qmp, commands,
					 ARRAY_SIZE(commands),
					 vf_now_us() + LONG_US, &peer->err),
			 -EREMOTEIO);
	assert_non_null(strstr(peer->err.msg, "two: not today"));
	/* the answer to the third is not taken for that to this one */
	assert_int_equal(execute(peer, NULL, LONG_US), 0);
}

static void error_reply(void **state)
{
	struct peer *peer = *state;

	open_ok(peer, play_error);
	assert_int_equal(execute(peer, NULL, LONG_US), -EREMOTEIO);
	assert_non_null(strstr(peer->err.msg, "the disk is full"));
	assert_int_equal(execute(peer, NULL, SHORT_US), -ETIMEDOUT);
}

static void garbage(void **state)
{
	open_ok(*state, play_garbage);
	for (int i = 0; i < 3; i++)
		assert_int_equal(execute(*state, NULL, LONG_US), -EBADMSG);
}

static void cancelled(void **state)
{
	struct peer *peer = *state;
	__close int fd = eventfd(1, EFD_CLOEXEC);

	open_ok(peer, greet);
	peer->qmp.cancel_fd = fd;
	assert_int_equal(execute(peer, NULL, LONG_US), -ECANCELED);
}

static void nobody(void **state)
{
	struct peer *peer = *state;

	/* the peer that teardown waits for is served by the second call */
	assert_int_equal(qmp_open(&peer->qmp, peer->dir.dir_fd, "elsewhere", -1,
				  vf_now_us() + LONG_US, &peer->err),
			 -ENOENT);
	qmp_close(&peer->qmp);
	open_ok(peer, greet);
}

/* QEMU's wall-clock stamp, on the clock that we measure with. */
static void event_time(void **state)
{
	struct timespec wall;
	__json json_t *event = NULL;
	int64_t now_us, event_us;

	(void)state;
	clock_gettime(CLOCK_REALTIME, &wall);
	now_us = vf_now_us();
	event = json_pack("{s:{s:I,s:I}}", "timestamp", "seconds",
			  (json_int_t)wall.tv_sec - 3, "microseconds",
			  (json_int_t)wall.tv_nsec / 1000);
	event_us = qmp_event_us(event);
	assert_in_range(now_us - event_us, 2900000, 3100000);
	json_object_clear(event);
	assert_int_equal(qmp_event_us(event), 0);
}

#define peer_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		peer_test(silent),
		peer_test(slow_greeting),
		peer_test(slow_answer),
		peer_test(slow_answer_in_time),
		peer_test(cut),
		peer_test(endless_line),
		peer_test(deep),
		peer_test(too_deep),
		peer_test(late_answer),
		peer_test(flood),
		peer_test(endless_flood),
		peer_test(error_reply),
		peer_test(garbage),
		peer_test(cancelled),
		peer_test(nobody),
		peer_test(together),
		cmocka_unit_test(event_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
