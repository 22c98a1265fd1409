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
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent.h"
#include "armed.h"
#include "log.h"
#include "monotonic.h"

#define HOLD_MS 100
#define LONG_MS 60000
#define TRIES	100

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

/* Somebody else writes into the page while the agent looks at it. */
struct writer {
	uint64_t after_ns;
	uint32_t op;
	bool mail;
	_Atomic bool is_late; /* nobody looks any more */
};

static void *write_page(void *arg)
{
	const struct writer *writer = arg;
	struct timespec pause = { .tv_nsec = (long)writer->after_ns };

	while (!__atomic_load_n(&page.status.spinning, __ATOMIC_ACQUIRE) &&
	       !writer->is_late)
		sched_yield();
	nanosleep(&pause, NULL);
	page.mail.restore_id[0] = writer->mail;
	page.request.op = writer->op;
	__atomic_add_fetch(&page.request.counter, !writer->mail,
			   __ATOMIC_RELEASE);
	return NULL;
}

/* Return: how long it took, until nothing is looked at any more, in ns */
static uint64_t spin(uint32_t spin_us)
{
	uint64_t from_ns = monotonic_ns();

	page.request.spin_us = spin_us;
	ask(VMFORK_REQUEST_ARM, 0, 0);
	return monotonic_ns() - from_ns;
}

static void test_arm_out_of_range(void **state)
{
	(void)state;
	agent.is_armed = true;
	spin(0);
	answered(EINVAL);
	spin(VMFORK_ARM_US_MAX + 1);
	answered(EINVAL);
	assert_int_equal(page.status.spinning, 0);
}

/* Nobody says a word: not for longer than was said, and not much less. */
static void test_arm_bound(void **state)
{
	struct rusage from, to;
	uint64_t ns, cpu_us;

	(void)state;
	agent.is_armed = true;
	getrusage(RUSAGE_THREAD, &from);
	ns = spin(VMFORK_ARM_US_MAX);
	getrusage(RUSAGE_THREAD, &to);
	cpu_us = (uint64_t)((to.ru_utime.tv_sec - from.ru_utime.tv_sec) *
				    1000000 +
			    to.ru_utime.tv_usec - from.ru_utime.tv_usec +
			    (to.ru_stime.tv_sec - from.ru_stime.tv_sec) *
				    1000000 +
			    to.ru_stime.tv_usec - from.ru_stime.tv_usec);
	answered(0);
	assert_true(ns >= VMFORK_ARM_US_MAX * 1000ULL);
	assert_in_range(cpu_us, 0, VMFORK_ARM_US_MAX + 500);
	assert_int_equal(page.status.spinning, 0);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

/* The source goes on: it is over at once, and what is asked is answered. */
static void test_arm_released(void **state)
{
	const uint64_t soon_ns = VMFORK_ARM_US_MAX * 500ULL;
	uint64_t ns = soon_ns;

	(void)state;
	agent.is_armed = true;
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	/* on a busy machine the other thread may come too late */
	for (int i = 0; i < TRIES && ns >= soon_ns; i++) {
		struct writer writer = { .op = VMFORK_REQUEST_RELEASE };
		pthread_t thread;

		assert_int_equal(
			pthread_create(&thread, NULL, write_page, &writer), 0);
		ns = spin(VMFORK_ARM_US_MAX);
		assert_int_equal(page.status.spinning, 0);
		writer.is_late = true;
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_in_range(ns, 0, soon_ns - 1);
	assert_true(agent.check_timer.due_ns);
	requests_look(&agent);
	answered(0);
	assert_int_equal(agent.requests.state, REQUESTS_IDLE);
}

/* What looks at the page alone: which comes first, and which of two. */
static void test_spin(void **state)
{
	struct writer writer = { .after_ns = 100000, .mail = true };
	uint64_t end_ns = monotonic_ns() + 10 * NS_PER_S;
	pthread_t thread;

	(void)state;
	assert_int_equal(armed_spin(&agent.mailbox, monotonic_ns()),
			 ARMED_OVER);
	page.status.spinning = 1;
	assert_int_equal(pthread_create(&thread, NULL, write_page, &writer), 0);
	assert_int_equal(armed_spin(&agent.mailbox, end_ns), ARMED_MAIL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	page.request.counter++;
	assert_int_equal(armed_spin(&agent.mailbox, end_ns), ARMED_MAIL);
	page.mail.restore_id[0] = 0;
	assert_int_equal(armed_spin(&agent.mailbox, end_ns), ARMED_ASKED);
	assert_true(monotonic_ns() < end_ns);
}

/* One whose page cannot take mail, or that is at work, refuses. */
static void test_arm_busy(void **state)
{
	(void)state;
	spin(VMFORK_ARM_US_MAX);
	answered(EBUSY);
	agent.is_armed = true;
	agent.mail_timer.due_ns = UINT64_MAX;
	spin(VMFORK_ARM_US_MAX);
	answered(EBUSY);
	agent.mail_timer.due_ns = 0;
	agent.hooks.pid = INT_MAX; /* nobody's */
	ask(VMFORK_REQUEST_PREPARE, 0, LONG_MS);
	spin(VMFORK_ARM_US_MAX);
	answered(EBUSY);
	agent.hooks.pid = 0;
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
		TEST(test_arm_out_of_range),
		TEST(test_arm_bound),
		TEST(test_arm_released),
		TEST(test_arm_busy),
		TEST(test_spin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
