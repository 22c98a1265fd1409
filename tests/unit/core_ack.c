// SPDX-License-Identifier: MIT
// time: 60
/*
 * The desk over loopback: 127.0.0.2 and 127.0.0.3 are two forks, 127.0.0.66
 * somebody else. Crossed, replayed, forged, late and repeated datagrams: one
 * success for each fork, and that its own.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/ack.h"

#define FORKS	   2
#define STRANGER   2 /* its index among the sockets */
#define SERVE_US   2000000
#define NOTHING_US 20000
#define FLOOD	   100

struct fixture {
	struct ack_desk desk;
	struct letter letters[FORKS];
	struct timeline timelines[FORKS];
	struct net_port ports[FORKS];
	struct ack_case cases[FORKS];
	int fds[FORKS + 1];
	struct vf_err err;
};

static int guest_socket(struct fixture *fix, const char *text)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	addr.sin_addr.s_addr = inet_addr(text);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(fix->desk.port);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return fd;
}

static int setup(void **state)
{
	static const char *const guests[] = { "127.0.0.2", "127.0.0.3",
					      "127.0.0.66" };
	struct in6_addr addr =
		net_addr_map((struct in_addr){ htonl(INADDR_LOOPBACK) });
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix || ack_desk_open(&fix->desk, addr, FORKS, &fix->err) < 0)
		return -1;
	for (int i = 0; i <= FORKS; i++)
		fix->fds[i] = guest_socket(fix, guests[i]);
	for (int i = 0; i < FORKS; i++) {
		memset(fix->letters[i].restore_id, 0x10 + i, VMFORK_ID_LEN);
		memset(fix->letters[i].nonce, 0x20 + i, VMFORK_ID_LEN);
		timeline_init(&fix->timelines[i]);
		fix->ports[i].num_addr4 = 1;
		fix->ports[i].addr4[0].s_addr = inet_addr(guests[i]);
		fix->cases[i] = (struct ack_case){
			.letter = &fix->letters[i],
			.from = &fix->ports[i],
			.timeline = &fix->timelines[i],
			.waiting = true,
		};
	}
	*state = fix;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	for (int i = 0; i <= FORKS; i++)
		close(fix->fds[i]);
	ack_desk_close(&fix->desk);
	free(fix);
	return 0;
}

/* What fork @i says if all is well. */
static struct vmfork_ack honest(struct fixture *fix, int i)
{
	struct vmfork_ack a = { .kind = VMFORK_ACK_APPLIED, .gpa = 0x1000 };

	memcpy(a.restore_id, fix->letters[i].restore_id, VMFORK_ID_LEN);
	memcpy(a.nonce, fix->letters[i].nonce, VMFORK_ID_LEN);
	vmfork_ack_seal(&a);
	return a;
}

static int serve(struct fixture *fix, int64_t us)
{
	return ack_desk_serve(&fix->desk, fix->cases, FORKS, -1,
			      vf_now_us() + us);
}

static void send_from(struct fixture *fix, int i, const void *buf, size_t len)
{
	assert_int_equal(send(fix->fds[i], buf, len, 0), len);
	serve(fix, SERVE_US);
}

static bool is_answered(struct fixture *fix, int i, struct vmfork_ack *answer)
{
	return recv(fix->fds[i], answer, sizeof(*answer), MSG_DONTWAIT) ==
	       sizeof(*answer);
}

static void nothing_came(struct fixture *fix)
{
	struct vmfork_ack answer;

	for (int i = 0; i < FORKS; i++) {
		assert_false(fix->cases[i].acked);
		assert_false(fix->cases[i].settled);
		assert_false(fix->cases[i].failed);
	}
	for (int i = 0; i <= FORKS; i++)
		assert_false(is_answered(fix, i, &answer));
}

/* Each stage counts once, from the fork itself, and is not answered. */
static void stages(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), answer;
	struct ack_case *c = &fix->cases[0];
	int64_t first_us;

	a.kind = VMFORK_ACK_STAGE;
	a.stage = VMFORK_STAGE_MAIL;
	vmfork_ack_seal(&a);
	send_from(fix, 1, &a, sizeof(a));
	send_from(fix, STRANGER, &a, sizeof(a));
	assert_int_equal(c->stage_us[VMFORK_STAGE_MAIL], 0);
	send_from(fix, 0, &a, sizeof(a));
	first_us = c->stage_us[VMFORK_STAGE_MAIL];
	assert_true(first_us);
	send_from(fix, 0, &a, sizeof(a));
	assert_int_equal(c->stage_us[VMFORK_STAGE_MAIL], first_us);
	a.stage = VMFORK_STAGE_NUM;
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	a.stage = VMFORK_STAGE_ACKED;
	a.nonce[0] ^= 1;
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	assert_int_equal(c->stage_us[VMFORK_STAGE_ACKED], 0);
	assert_false(c->timeline->has_guest);
	assert_int_equal(c->ack.kind, VMFORK_ACK_NONE);
	nothing_came(fix);
	/* and it is heard all the same */
	a = honest(fix, 0);
	send_from(fix, 0, &a, sizeof(a));
	assert_true(c->acked);
	assert_true(is_answered(fix, 0, &answer));
}

/* Those of a guest that floods are taken in turns, and the ack among them. */
static void stages_flood(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), acked = a;

	a.kind = VMFORK_ACK_STAGE;
	a.stage = VMFORK_STAGE_SIGNAL;
	vmfork_ack_seal(&a);
	for (int i = 0; i < FLOOD; i++)
		assert_int_equal(send(fix->fds[0], &a, sizeof(a), 0),
				 sizeof(a));
	assert_int_equal(send(fix->fds[0], &acked, sizeof(acked), 0),
			 sizeof(acked));
	for (int i = 0; i <= FLOOD && !fix->cases[0].acked; i++)
		assert_int_equal(serve(fix, SERVE_US), 0);
	assert_true(fix->cases[0].acked);
}

static void success(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), answer;

	send_from(fix, 0, &a, sizeof(a));
	assert_true(fix->cases[0].acked);
	assert_false(fix->cases[1].acked);
	assert_true(fix->timelines[0].at_us[TIMELINE_ACKED] > 0);
	assert_true(is_answered(fix, 0, &answer));
	assert_true(vmfork_ack_valid(&answer, sizeof(answer)));
	assert_int_equal(answer.kind, VMFORK_ACK_ANSWER);
	assert_int_equal(answer.answer, VMFORK_ACK_APPLIED);
	assert_memory_equal(answer.nonce, a.nonce, VMFORK_ID_LEN);
	assert_memory_equal(answer.restore_id, a.restore_id, VMFORK_ID_LEN);
}

/* The first one counts; each is answered, for an answer may be lost. */
static void repeated(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), answer;
	int64_t acked_us;

	send_from(fix, 0, &a, sizeof(a));
	acked_us = fix->timelines[0].at_us[TIMELINE_ACKED];
	for (uint32_t i = 1; i <= 5; i++) {
		a.attempt = i;
		a.gpa = 0x2000;
		vmfork_ack_seal(&a);
		send_from(fix, 0, &a, sizeof(a));
	}
	assert_int_equal(fix->timelines[0].at_us[TIMELINE_ACKED], acked_us);
	assert_int_equal(fix->cases[0].ack.gpa, 0x1000);
	for (int i = 0; i <= 5; i++)
		assert_true(is_answered(fix, 0, &answer));
	assert_false(is_answered(fix, 0, &answer));
}

/* A sibling's id under one's own nonce, and the other way round. */
static void crossed(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0);

	memcpy(a.restore_id, fix->letters[1].restore_id, VMFORK_ID_LEN);
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	send_from(fix, 1, &a, sizeof(a));
	a = honest(fix, 0);
	memcpy(a.nonce, fix->letters[1].nonce, VMFORK_ID_LEN);
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	send_from(fix, 1, &a, sizeof(a));
	nothing_came(fix);
}

/* All that is right but where it comes from. */
static void wrong_source(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0);

	send_from(fix, 1, &a, sizeof(a));
	send_from(fix, STRANGER, &a, sizeof(a));
	nothing_came(fix);
	send_from(fix, 0, &a, sizeof(a));
	assert_true(fix->cases[0].acked);
}

/* Each bit of the secret, and no secret at all. */
static void forged(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0);

	for (int bit = 0; bit < VMFORK_ID_LEN * 8; bit++) {
		a.nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
		vmfork_ack_seal(&a);
		send_from(fix, 0, &a, sizeof(a));
		a.nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memset(a.nonce, 0, sizeof(a.nonce));
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	/* a case that was never prepared has neither id nor secret */
	fix->letters[1] = (struct letter){ 0 };
	fix->cases[1].waiting = false;
	memset(a.restore_id, 0, sizeof(a.restore_id));
	vmfork_ack_seal(&a);
	send_from(fix, 1, &a, sizeof(a));
	nothing_came(fix);
}

/* An earlier restore of the same VM, recorded and sent again. */
static void replayed(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack old = honest(fix, 0), a;

	memset(fix->letters[0].restore_id, 0x31, VMFORK_ID_LEN);
	memset(fix->letters[0].nonce, 0x32, VMFORK_ID_LEN);
	send_from(fix, 0, &old, sizeof(old));
	nothing_came(fix);
	a = honest(fix, 0);
	send_from(fix, 0, &a, sizeof(a));
	assert_true(fix->cases[0].acked);
}

static void malformed(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0);
	uint8_t longer[sizeof(a) + 1] = { 0 };

	for (size_t len = 0; len < sizeof(a); len++)
		send_from(fix, 0, &a, len);
	memcpy(longer, &a, sizeof(a));
	send_from(fix, 0, longer, sizeof(longer));
	for (size_t at = 0; at < sizeof(a); at++) {
		((uint8_t *)&a)[at] ^= 0x10;
		send_from(fix, 0, &a, sizeof(a));
		((uint8_t *)&a)[at] ^= 0x10;
	}
	/* well-formed, and nothing that a guest may say */
	a.kind = VMFORK_ACK_ANSWER;
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	a.kind = VMFORK_ACK_NONE;
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	nothing_came(fix);
}

static void failure(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 1);

	a.kind = VMFORK_ACK_FAILED;
	a.error = EINVAL;
	a.step = VMFORK_STEP_ROUTE;
	vmfork_ack_seal(&a);
	send_from(fix, 1, &a, sizeof(a));
	assert_true(fix->cases[1].failed);
	assert_false(fix->cases[1].acked);
	assert_int_equal(fix->cases[1].ack.step, VMFORK_STEP_ROUTE);
	assert_false(fix->cases[0].failed);
}

static void settled(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), answer;
	int64_t settled_us;

	send_from(fix, 0, &a, sizeof(a));
	a.kind = VMFORK_ACK_SETTLED;
	vmfork_ack_seal(&a);
	send_from(fix, 0, &a, sizeof(a));
	assert_true(fix->cases[0].acked && fix->cases[0].settled);
	settled_us = fix->timelines[0].at_us[TIMELINE_SETTLED];
	assert_true(settled_us >= fix->timelines[0].at_us[TIMELINE_ACKED]);
	send_from(fix, 0, &a, sizeof(a));
	assert_int_equal(fix->timelines[0].at_us[TIMELINE_SETTLED], settled_us);
	assert_true(is_answered(fix, 0, &answer));
	assert_true(is_answered(fix, 0, &answer));
	assert_int_equal(answer.answer, VMFORK_ACK_SETTLED);
}

/* The real one gets through a flood of the stranger's. */
static void flood(void **state)
{
	struct fixture *fix = *state;
	struct vmfork_ack a = honest(fix, 0), forgery = a;
	int64_t end_us;

	memset(forgery.nonce, 0xee, sizeof(forgery.nonce));
	vmfork_ack_seal(&forgery);
	for (int i = 0; i < 200; i++)
		send(fix->fds[STRANGER], &forgery, sizeof(forgery), 0);
	assert_int_equal(send(fix->fds[0], &a, sizeof(a), 0), sizeof(a));
	end_us = vf_now_us() + SERVE_US;
	while (!fix->cases[0].acked && vf_now_us() < end_us)
		serve(fix, NOTHING_US);
	assert_true(fix->cases[0].acked);
	assert_int_equal(fix->desk.dropped, 0);
}

static void waits(void **state)
{
	struct fixture *fix = *state;
	__close int wake_fd = eventfd(1, EFD_CLOEXEC);
	int64_t start_us = vf_now_us();

	assert_int_equal(serve(fix, NOTHING_US), -ETIMEDOUT);
	assert_true(vf_now_us() - start_us >= NOTHING_US);
	assert_int_equal(ack_desk_serve(&fix->desk, fix->cases, FORKS, wake_fd,
					vf_now_us() + SERVE_US),
			 -ECANCELED);
}

/* Zero would be no error at all, and the sign bit no number of one. */
static void guests_errno(void **state)
{
	(void)state;
	assert_int_equal(guest_errno(EINVAL), EINVAL);
	assert_int_equal(guest_errno(4095), 4095);
	assert_int_equal(guest_errno(0), EPROTO);
	assert_int_equal(guest_errno(4096), EPROTO);
	assert_int_equal(guest_errno(0x80000000), EPROTO);
}

#define ack_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ack_test(success),   ack_test(repeated),
		ack_test(crossed),   ack_test(wrong_source),
		ack_test(forged),    ack_test(replayed),
		ack_test(malformed), ack_test(failure),
		ack_test(settled),   ack_test(flood),
		ack_test(stages),    ack_test(stages_flood),
		ack_test(waits),     cmocka_unit_test(guests_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
