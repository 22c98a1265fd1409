// SPDX-License-Identifier: MIT
/* Requests to a guest: what is written, and what an answer is taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first */
#include <cmocka.h>
#include <inttypes.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "unit/fake_guest.h"

#define WAIT_MS 30

static int probe(struct fake_guest *guest, struct request_answer *answer)
{
	struct vf_err err;

	return request_probe(&guest->to, WAIT_MS, answer, &err);
}

/* An answer that comes after some looks, and when that was. */
static void answered(void **state)
{
	struct request_answer answer;
	struct fake_guest guest;
	int64_t before_us = vf_now_us();

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.page.request.counter = UINT32_MAX;
	guest.page.status.request_seen = UINT32_MAX;
	guest.looks = 5;
	guest.request_ns = 12345;
	assert_int_equal(probe(&guest, &answer), 0);
	assert_int_equal(answer.error, 0);
	assert_int_equal(answer.counter, 0);
	assert_int_equal(answer.guest_ns, 12345);
	assert_true(before_us <= answer.unseen_us);
	assert_true(answer.unseen_us <= answer.answered_us);
	assert_true(answer.answered_us <= vf_now_us());
	assert_int_equal(guest.num_seen, 1);
	assert_int_equal(guest.seen[0].op, VMFORK_REQUEST_PROBE);
}

/* All words of a request stand before its counter is raised. */
static void words(void **state)
{
	const struct vmfork_request ask = {
		.counter = 99, /* the guest's page says where it goes on */
		.op = VMFORK_REQUEST_PREPARE,
		.flags = VMFORK_PREPARE_QUIESCE,
		.policy = VMFORK_POLICY_FAIL,
		.timeout_ms = 1234,
		.hold_ms = 5678,
	};
	struct request_answer answer;
	struct fake_guest guest;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.page.request.counter = 41;
	assert_int_equal(request_post(&guest.to, &ask, &answer, &err), 0);
	assert_int_equal(guest.num_seen, 1);
	assert_int_equal(guest.seen[0].counter, 42);
	assert_int_equal(answer.counter, 42);
	assert_memory_equal(&guest.seen[0].op, &ask.op,
			    sizeof(ask) - offsetof(struct vmfork_request, op));
}

static void errors(void **state)
{
	static const struct {
		uint32_t told;
		int taken;
	} cases[] = {
		{ 0, 0 },
		{ ENOENT, ENOENT },
		{ 4095, 4095 },
		{ 4096, EPROTO },
		{ UINT32_MAX, EPROTO },
		{ 0x80000000, EPROTO },
		{ (uint32_t)-EIO, EPROTO },
	};
	struct request_answer answer;
	struct fake_guest guest;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		fake_init(&guest, VMFORK_CAP_REQUEST);
		guest.result = cases[i].told;
		assert_int_equal(probe(&guest, &answer), 0);
		assert_int_equal(answer.error, cases[i].taken);
	}
}

/* Whatever does not answer: an error, and not much later than it was to be. */
static void silence(void **state)
{
	struct request_answer answer;
	struct fake_guest guest;
	int64_t start_us = vf_now_us();

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.is_dead = true;
	assert_int_equal(probe(&guest, &answer), -ETIMEDOUT);
	assert_true(vf_now_us() - start_us >= WAIT_MS * 1000);
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.is_writing = true;
	assert_int_equal(probe(&guest, &answer), -ETIMEDOUT);
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.peek_error = ECANCELED;
	assert_int_equal(probe(&guest, &answer), -ECANCELED);
	assert_int_equal(guest.num_seen, 1);
}

/* Nothing is written into a page that is no mailbox, or whose agent is deaf. */
static void nobody(void **state)
{
	struct request_answer answer;
	struct fake_guest guest;

	(void)state;
	fake_init(&guest, VMFORK_CAP_FREEZE);
	assert_int_equal(probe(&guest, &answer), -EOPNOTSUPP);
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.page.header.crc32c ^= 1;
	assert_int_equal(probe(&guest, &answer), -ENOENT);
	guest.to.gpa = 0;
	assert_int_equal(probe(&guest, &answer), -ENOENT);
	guest.to.gpa = FAKE_GPA + 8;
	assert_int_equal(probe(&guest, &answer), -ENOENT);
	assert_int_equal(guest.num_seen, 0);
	assert_int_equal(guest.page.request.op, VMFORK_REQUEST_NONE);
}

/* Answered between 100 and 200 us; the guest stood from 1000 or 1500 us on. */
static void clock_forward(void **state)
{
	const struct request_answer answer = {
		.guest_ns = 5000000,
		.unseen_us = 100,
		.answered_us = 200,
	};
	uint64_t guest_ns;
	int64_t error_us;

	(void)state;
	assert_int_equal(
		request_clock(&answer, 1000, 1500, &guest_ns, &error_us), 0);
	/* 800 to 1400 us later */
	assert_int_equal(guest_ns, 5000000 + 1100 * 1000);
	assert_int_equal(error_us, 300);
}

static void clock_absurd(void **state)
{
	static const uint64_t told[] = { 0, INT64_MAX / 2 + 1ULL, INT64_MAX,
					 1ULL << 63, UINT64_MAX };
	struct request_answer answer = { .unseen_us = 100, .answered_us = 200 };
	uint64_t guest_ns = 1;
	int64_t error_us = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		answer.guest_ns = told[i];
		assert_int_equal(
			request_clock(&answer, 300, 400, &guest_ns, &error_us),
			-ERANGE);
	}
	/* no answer at all */
	answer = (struct request_answer){ 0 };
	assert_int_equal(request_clock(&answer, 300, 400, &guest_ns, &error_us),
			 -ERANGE);
	/* a moment before the answer, or that ends before it begins */
	answer = (struct request_answer){ .guest_ns = 1,
					  .unseen_us = 100,
					  .answered_us = 200 };
	assert_int_equal(request_clock(&answer, 10, 20, &guest_ns, &error_us),
			 -ERANGE);
	assert_int_equal(request_clock(&answer, 900, 300, &guest_ns, &error_us),
			 -ERANGE);
	assert_int_equal(guest_ns, 1);
	assert_int_equal(error_us, 1);
	answer.guest_ns = INT64_MAX / 2;
	assert_int_equal(request_clock(&answer, 300, 400, &guest_ns, &error_us),
			 0);
	assert_true(guest_ns <= INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answered),	cmocka_unit_test(words),
		cmocka_unit_test(errors),	cmocka_unit_test(silence),
		cmocka_unit_test(nobody),	cmocka_unit_test(clock_forward),
		cmocka_unit_test(clock_absurd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
