// SPDX-License-Identifier: MIT
/*
 * What a host asks through the page, and how a guest with nothing to freeze
 * answers: when, with what, and what it does when nobody asks on.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "log.h"
#include "monotonic.h"

#define HOLD_MS 100
#define LONG_MS 60000

static struct vmfork_mailbox page;
static struct agent agent;
static struct loop_timer stop_timer;

static void stop_cb(void *arg)
{
	loop_stop(arg);
}

static int setup(void **state)
{
	(void)state;
	log_init(LOG_ERROR);
	memset(&page, 0, sizeof(page));
	agent = (struct agent){
		.mailbox = { .page = &page, .page_fd = -1, .pagemap_fd = -1 },
		.random_fd = -1,
		.dir = { -1, -1 },
	};
	return hooks_init(&agent.hooks, &agent.loop) || requests_init(&agent) ||
	       loop_add_timer(&agent.loop, &stop_timer, stop_cb, &agent.loop);
}

static void ask(uint32_t op, uint32_t flags, uint32_t hold_ms)
{
	page.request.op = op;
	page.request.flags = flags;
	page.request.policy = VMFORK_POLICY_FAIL;
	page.request.timeout_ms = LONG_MS;
	page.request.hold_ms = hold_ms;
	page.request.counter++;
	requests_look(&agent);
}

/* The last request was answered, just now, with this. */
static void answered(int result)
{
	assert_int_equal(page.status.request_seen, page.request.counter);
	assert_int_equal(page.status.request_result, result);
	assert_in_range(monotonic_ns() - page.status.request_ns, 0,
			10 * NS_PER_S);
	assert_int_equal(page.status.seq % 2, 0);
}

static void loop_for(uint64_t ms)
{
	agent.loop.stopped = false;
	stop_timer.due_ns = monotonic_ns() + ms * NS_PER_MS;
	assert_int_equal(loop_run(&agent.loop), 0);
}

static void test_simple(void **state)
{
	(void)state;
	requests_look(&agent);
	assert_int_equal(page.status.seq, 0); /* nobody asked */
	ask(VMFORK_REQUEST_PROBE, 0, 0);
	answered(0);
	ask(99, 0, 0);
	answered(EOPNOTSUPP);
	ask(VMFORK_REQUEST_RELEASE, 0, 0);
	answered(0);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

static void test_out_of_range(void **state)
{
	(void)state;
	ask(VMFORK_REQUEST_PREPARE, 0x80, LONG_MS);
	answered(EINVAL);
	ask(VMFORK_REQUEST_PREPARE, 0, 0);
	answered(EINVAL);
	ask(VMFORK_REQUEST_PREPARE, 0, VMFORK_HOOKS_MS_MAX + 1);
	answered(EINVAL);
	page.request.timeout_ms = 0;
	page.request.hold_ms = LONG_MS;
	page.request.counter++;
	requests_look(&agent);
	answered(EINVAL);
	page.request.timeout_ms = LONG_MS;
	page.request.policy = VMFORK_POLICY_NUM;
	page.request.counter++;
	requests_look(&agent);
	answered(EINVAL);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

static void test_prepare_release(void **state)
{
	(void)state;
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	answered(0);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	ask(VMFORK_REQUEST_PROBE, 0, 0);
	answered(0);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	ask(VMFORK_REQUEST_RELEASE, 0, 0);
	answered(0);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
	assert_int_equal(agent.requests.timer.due_ns, 0);
}

/* Nobody releases it; asking again makes it longer. */
static void test_hold(void **state)
{
	(void)state;
	ask(VMFORK_REQUEST_PREPARE, 0, HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	answered(0);
	loop_for(2 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	ask(VMFORK_REQUEST_PREPARE, 0, HOLD_MS);
	loop_for(3 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
	answered(0);
}

/* A fork whose mail is there already goes on when its task comes, not before. */
static void test_fork(void **state)
{
	(void)state;
	ask(VMFORK_REQUEST_PREPARE, 0, HOLD_MS);
	page.mail.restore_id[0] = 1;
	loop_for(3 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	/* the source had been asked something more */
	page.request.op = VMFORK_REQUEST_PREPARE;
	page.request.counter++;
	assert_int_equal(requests_thaw(&agent), SETTLE_NOTHING);
	answered(ECANCELED);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
	assert_int_equal(agent.requests.timer.due_ns, 0);
}

/* The same between two turns of the loop, once its mail is taken. */
static void test_fork_at_work(void **state)
{
	(void)state;
	ask(VMFORK_REQUEST_PREPARE, 0, HOLD_MS);
	agent.settle.pending = SETTLE_BIT(VMFORK_TASK_THAW);
	loop_for(3 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	agent.settle.pending = 0;
	agent.mail_timer.due_ns = UINT64_MAX; /* its link is to come */
	loop_for(3 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	agent.mail_timer.due_ns = 0;
	loop_for(3 * HOLD_MS);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

/* Hooks of a restore run: it waits for them, or for its own time. */
static void test_waits(void **state)
{
	(void)state;
	agent.hooks.pid = INT_MAX; /* nobody's */
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	assert_int_equal(agent.requests.state, REQUESTS_WAITING);
	assert_int_equal(page.status.request_seen, 0);
	ask(VMFORK_REQUEST_PROBE, 0, 0); /* is answered all the same */
	answered(0);
	agent.hooks.pid = 0;
	requests_go_on(&agent);
	assert_int_equal(agent.requests.state, REQUESTS_HELD);
	assert_int_equal(page.status.request_seen, 1);

	agent.hooks.pid = INT_MAX;
	ask(VMFORK_REQUEST_RELEASE, 0, 0);
	answered(0);
	page.request.op = VMFORK_REQUEST_PREPARE;
	page.request.hold_ms = LONG_MS;
	page.request.timeout_ms = HOLD_MS;
	page.request.counter++;
	requests_look(&agent);
	loop_for(3 * HOLD_MS);
	answered(ETIMEDOUT);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
	agent.hooks.pid = 0;
}

/* A cgroup that is not there: refused, nothing held. */
static void test_no_cgroup(void **state)
{
	(void)state;
	assert_int_equal(freeze_init(&agent.requests.freeze, "no/such/cgroup"),
			 0);
	agent.requests.freeze.loop = &agent.loop;
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	answered(ENOENT);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_simple),
		TEST(test_out_of_range),
		TEST(test_prepare_release),
		TEST(test_hold),
		TEST(test_fork),
		TEST(test_fork_at_work),
		TEST(test_waits),
		TEST(test_no_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
