// SPDX-License-Identifier: MIT
/* Repeating until the right answer comes, and only that one ends it. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ack.h"
#include "monotonic.h"

static struct vmfork_mail mail;

static void setup(struct ack *ack)
{
	struct vmfork_identity id = { .ack_port = 9,
				      .ack_addr = { 127, 0, 0, 1 } };

	assert_int_equal(ack_open(ack, false), 0);
	memset(mail.restore_id, 1, VMFORK_ID_LEN);
	memset(mail.nonce, 2, VMFORK_ID_LEN);
	ack_set_peer(ack, &mail, &id);
	ack_begin(ack, VMFORK_ACK_APPLIED);
}

static struct vmfork_ack answer(void)
{
	struct vmfork_ack msg = { .kind = VMFORK_ACK_ANSWER,
				  .answer = VMFORK_ACK_APPLIED };

	memset(msg.restore_id, 1, VMFORK_ID_LEN);
	memset(msg.nonce, 2, VMFORK_ID_LEN);
	vmfork_ack_seal(&msg);
	return msg;
}

static void test_answer(void **state)
{
	struct vmfork_ack msg = answer();
	struct ack ack;

	(void)state;
	setup(&ack);
	assert_true(ack_is_answer(&ack, &msg, sizeof(msg)));
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg) - 1));
	msg.nonce[15] ^= 1;
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	vmfork_ack_seal(&msg);
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	msg = answer();
	msg.restore_id[0] = 0; /* an older restore's */
	vmfork_ack_seal(&msg);
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	msg = answer();
	msg.answer = VMFORK_ACK_SETTLED;
	vmfork_ack_seal(&msg);
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	msg = answer();
	msg.kind = VMFORK_ACK_APPLIED; /* our own, sent back */
	vmfork_ack_seal(&msg);
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	msg = answer();
	ack.kind = VMFORK_ACK_NONE;
	assert_false(ack_is_answer(&ack, &msg, sizeof(msg)));
	ack_close(&ack);
}

/* 20, 40, 80 ... ms, never above 2 s, and not for ever. */
static void test_pauses(void **state)
{
	struct vmfork_status status = { 0 };
	uint64_t pause_ns = 20 * NS_PER_MS, due, now;
	struct ack ack;

	(void)state;
	setup(&ack);
	for (int i = 0; i < 12; i++) {
		now = monotonic_ns();
		due = ack_send(&ack, &status, 0, 0);
		assert_true(due >= now + pause_ns);
		assert_true(due < now + pause_ns + NS_PER_S);
		assert_int_equal(ack.attempt, i + 1);
		pause_ns *= 2;
		if (pause_ns > 2 * NS_PER_S)
			pause_ns = 2 * NS_PER_S;
	}
	ack.give_up_ns = monotonic_ns();
	assert_int_equal(ack_send(&ack, &status, 0, 0), 0);
	assert_int_equal(ack.kind, VMFORK_ACK_NONE);
	ack_close(&ack);
}

/* Only where the mail asks; each once, up to the stage that is reached. */
static void test_stages(void **state)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vmfork_status status = { .stage = VMFORK_STAGE_APPLIED };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	struct vmfork_ack msg;
	struct ack ack;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	setup(&ack);
	ack.peer.in.sin_port = addr.sin_port;
	ack_tell_stages(&ack, &status, VMFORK_STAGE_SIGNAL);
	assert_int_equal(recv(fd, &msg, sizeof(msg), MSG_DONTWAIT), -1);
	ack.tells_stages = true;
	ack_tell_stages(&ack, &status, VMFORK_STAGE_SIGNAL);
	for (uint32_t i = VMFORK_STAGE_SIGNAL; i <= VMFORK_STAGE_APPLIED; i++) {
		assert_int_equal(recv(fd, &msg, sizeof(msg), 0), sizeof(msg));
		assert_true(vmfork_ack_valid(&msg, sizeof(msg)));
		assert_int_equal(msg.kind, VMFORK_ACK_STAGE);
		assert_int_equal(msg.stage, i);
		assert_memory_equal(msg.nonce, ack.nonce, VMFORK_ID_LEN);
	}
	assert_int_equal(recv(fd, &msg, sizeof(msg), MSG_DONTWAIT), -1);
	/* what is being repeated still is */
	assert_int_equal(ack.kind, VMFORK_ACK_APPLIED);
	assert_int_equal(ack.attempt, 0);
	close(fd);
	ack_close(&ack);
}

static void send_to(const struct ack *ack, const void *buf, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(ack->port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
		sendto(fd, buf, len, 0, (struct sockaddr *)&to, sizeof(to)),
		len);
	close(fd);
}

static void test_receive(void **state)
{
	struct vmfork_ack msg = answer();
	struct ack ack;

	(void)state;
	setup(&ack);
	send_to(&ack, "hint", 4);
	assert_int_equal(ack_receive(&ack), VMFORK_ACK_NONE);
	send_to(&ack, "hint", 4);
	send_to(&ack, &msg, sizeof(msg));
	send_to(&ack, &msg, sizeof(msg));
	assert_int_equal(ack_receive(&ack), VMFORK_ACK_APPLIED);
	assert_int_equal(ack_receive(&ack), VMFORK_ACK_NONE);
	ack_close(&ack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_receive),
		cmocka_unit_test(test_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
