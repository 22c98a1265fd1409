// SPDX-License-Identifier: MIT
/* Holding a guest for a snapshot: when, with what words, and letting it go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants those first */
#include <cmocka.h>
#include <limits.h>

#include "base/cleanup.h"
#include "core/hold.h"
#include "unit/fake_guest.h"

static const struct hold_wish quiesce = {
	.quiesce = true,
	.policy = VMFORK_POLICY_FAIL,
	.timeout_ms = 3000,
};
static const struct hold_wish no_wish = { .timeout_ms = 3000 };

static void check_seen(const struct fake_guest *guest, unsigned int num,
		       uint32_t op)
{
	assert_int_equal(guest->num_seen, num);
	assert_int_equal(guest->seen[num - 1].op, op);
}

/* Neither the user nor the guest wants anything: nothing is asked. */
static void not_wanted(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	hold_init(&hold, &guest.to, &no_wish);
	assert_null(hold.wish);
	assert_int_equal(hold_begin(&hold, &err), 0);
	assert_int_equal(hold_check(&hold, INT64_MAX, &err), 0);
	assert_int_equal(hold_end(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 0);
	assert_int_equal(hold.prepare_us, 0);
	assert_int_equal(hold.release_us, 0);
	/* wanted, but nobody knows whom to ask */
	guest.to.gpa = 0;
	hold_init(&hold, &guest.to, &quiesce);
	assert_null(hold.wish);
}

static void held(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	hold_init(&hold, &guest.to, &quiesce);
	assert_int_equal(hold_begin(&hold, &err), 0);
	check_seen(&guest, 1, VMFORK_REQUEST_PREPARE);
	assert_int_equal(guest.seen[0].flags, VMFORK_PREPARE_QUIESCE);
	assert_int_equal(guest.seen[0].policy, VMFORK_POLICY_FAIL);
	assert_int_equal(guest.seen[0].timeout_ms, 3000);
	assert_int_equal(guest.seen[0].hold_ms, HOLD_MS);
	assert_true(hold.prepare_us > 0);
	assert_int_equal(hold_check(&hold, vf_now_us(), &err), 0);
	assert_int_equal(hold_check(&hold, vf_now_us() + HOLD_MS * 1000, &err),
			 -ETIMEDOUT);
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 2, VMFORK_REQUEST_RELEASE);
	assert_true(hold.release_us > 0);
	assert_int_equal(hold_end(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 2);
}

/* A workload to freeze is reason enough, but none for hooks. */
static void frozen(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_FREEZE);
	hold_init(&hold, &guest.to, &no_wish);
	assert_int_equal(hold_begin(&hold, &err), 0);
	check_seen(&guest, 1, VMFORK_REQUEST_PREPARE);
	assert_int_equal(guest.seen[0].flags, 0);
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 2, VMFORK_REQUEST_RELEASE);
}

/* A guest that could not has undone it: it is not asked to again. */
static void refused(void **state)
{
	static const uint32_t results[] = { EIO, ETIMEDOUT, EOPNOTSUPP,
					    UINT32_MAX };
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(results); i++) {
		fake_init(&guest, VMFORK_CAP_REQUEST);
		guest.result = results[i];
		err = (struct vf_err){ 0 };
		hold_init(&hold, &guest.to, &quiesce);
		assert_int_equal(hold_begin(&hold, &err), -EREMOTEIO);
		assert_string_not_equal(err.hint, "");
		assert_int_equal(hold_end(&hold, &err), 0);
		assert_int_equal(guest.num_seen, 1);
		assert_int_equal(hold.prepare_us, 0);
		assert_int_equal(hold.release_us, 0);
	}
}

/* A guest that is just restored forgets what it is asked, but not for ever. */
static void forgotten(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.result = ECANCELED;
	guest.forgets = 1;
	hold_init(&hold, &guest.to, &quiesce);
	assert_int_equal(hold_begin(&hold, &err), 0);
	check_seen(&guest, 2, VMFORK_REQUEST_PREPARE);
	guest.result = ECANCELED;
	guest.forgets = UINT_MAX;
	hold_init(&hold, &guest.to, &quiesce);
	assert_int_equal(hold_begin(&hold, &err), -EREMOTEIO);
	check_seen(&guest, 5, VMFORK_REQUEST_PREPARE);
}

/* The user gives up while the guest gets ready: it is released all the same. */
static void interrupted(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	guest.peek_error = ECANCELED;
	hold_init(&hold, &guest.to, &quiesce);
	assert_int_equal(hold_begin(&hold, &err), -ECANCELED);
	assert_true(hold.is_asked);
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 2, VMFORK_REQUEST_RELEASE);
	assert_false(hold.is_asked);
}

/* Releasing fails: said so, and the guard keeps trying. */
static void not_released(void **state)
{
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	hold_init(&hold, &guest.to, &quiesce);
	assert_int_equal(hold_begin(&hold, &err), 0);
	guest.result = EIO;
	assert_int_equal(hold_end(&hold, &err), -EREMOTEIO);
	assert_true(hold.is_asked);
	assert_int_equal(hold.release_us, 0);
	guest.result = 0;
	assert_int_equal(hold_drop(&guest.to, &err), 0);
	check_seen(&guest, 3, VMFORK_REQUEST_RELEASE);
}

static const struct hold_wish armed_wish = { .timeout_ms = 3000, .arm = true };

/* Asked for a bounded time, anew for another pause; a release ends it, unanswered. */
static void armed(void **state)
{
	struct request_answer answer = { 0 };
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	guest.request_ns = 12345;
	hold_init(&hold, &guest.to, &armed_wish);
	assert_null(hold.wish);
	assert_int_equal(hold_begin(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 0);
	hold_arm(&hold, &answer);
	check_seen(&guest, 1, VMFORK_REQUEST_ARM);
	assert_in_range(guest.seen[0].spin_us, 1, VMFORK_ARM_US_MAX);
	assert_int_equal(answer.guest_ns, 12345);
	assert_int_equal(hold.armed_us, answer.unseen_us);
	hold_arm(&hold, &answer);
	check_seen(&guest, 2, VMFORK_REQUEST_ARM);
	guest.is_dead = true;
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 3, VMFORK_REQUEST_RELEASE);
	assert_int_equal(hold.release_us, 0);
	assert_int_equal(hold_end(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 3);
}

/* Nobody waits for the answer, and nobody writes to the guest afterwards. */
static void armed_unheard(void **state)
{
	int64_t start_us = vf_now_us();
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	guest.is_dead = true;
	hold_init(&hold, &guest.to, &armed_wish);
	hold_arm_unheard(&hold);
	check_seen(&guest, 1, VMFORK_REQUEST_ARM);
	assert_true(hold.armed_us >= start_us);
	assert_int_equal(hold_end(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 1);
	/* its page is not armed any more: nothing was asked */
	memset(&guest.page.header, 0, sizeof(guest.page.header));
	hold_arm_unheard(&hold);
	assert_int_equal(hold.armed_us, 0);
	assert_int_equal(guest.num_seen, 1);
}

/* One that does not answer holds up the pause for a tenth of a second. */
static void armed_silent(void **state)
{
	struct request_answer answer = { 0 };
	int64_t start_us = vf_now_us();
	struct fake_guest guest;
	struct hold hold;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	guest.is_dead = true;
	hold_init(&hold, &guest.to, &armed_wish);
	hold_arm(&hold, &answer);
	assert_in_range(vf_now_us() - start_us, 100000, 1000000);
	assert_int_equal(answer.answered_us, 0);
}

/* With a hold it is one release for both, and that one is awaited. */
static void armed_and_held(void **state)
{
	struct request_answer answer = { 0 };
	struct hold_wish wish = quiesce;
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	wish.arm = true;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	hold_init(&hold, &guest.to, &wish);
	assert_int_equal(hold_begin(&hold, &err), 0);
	hold_arm(&hold, &answer);
	check_seen(&guest, 2, VMFORK_REQUEST_ARM);
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 3, VMFORK_REQUEST_RELEASE);
	assert_true(hold.release_us > 0);
}

/* An agent that does not know how is not asked, nor is one that shall not. */
static void not_armed(void **state)
{
	struct request_answer answer = { 0 };
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST);
	hold_init(&hold, &guest.to, &armed_wish);
	hold_arm(&hold, &answer);
	hold_arm_unheard(&hold);
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	hold_init(&hold, &guest.to, &no_wish);
	hold_arm(&hold, &answer);
	hold_arm_unheard(&hold);
	assert_int_equal(hold_end(&hold, &err), 0);
	assert_int_equal(guest.num_seen, 0);
	assert_int_equal(answer.answered_us, 0);
}

/* One that is at work refuses, one that is stuck is silent: no harm is done. */
static void unwilling(void **state)
{
	struct request_answer answer = { 0 };
	struct fake_guest guest;
	struct hold hold;
	struct vf_err err;

	(void)state;
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	guest.result = EBUSY;
	hold_init(&hold, &guest.to, &armed_wish);
	hold_arm(&hold, &answer);
	assert_int_equal(answer.error, EBUSY);
	assert_int_equal(hold_end(&hold, &err), 0);
	fake_init(&guest, VMFORK_CAP_REQUEST | VMFORK_CAP_ARM);
	guest.peek_error = ECANCELED;
	answer = (struct request_answer){ 0 };
	hold_init(&hold, &guest.to, &armed_wish);
	hold_arm(&hold, &answer);
	assert_int_equal(answer.answered_us, 0);
	/* it may have heard it */
	assert_int_equal(hold_end(&hold, &err), 0);
	check_seen(&guest, 2, VMFORK_REQUEST_RELEASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_wanted),
		cmocka_unit_test(held),
		cmocka_unit_test(frozen),
		cmocka_unit_test(refused),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(not_released),
		cmocka_unit_test(armed),
		cmocka_unit_test(armed_and_held),
		cmocka_unit_test(not_armed),
		cmocka_unit_test(unwilling),
		cmocka_unit_test(armed_unheard),
		cmocka_unit_test(armed_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
