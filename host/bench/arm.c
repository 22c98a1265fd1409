// SPDX-License-Identifier: MIT
/*
 * What a snapshot costs the source's agent that spins for it, against one that
 * does not; and what the agent costs while it waits. By the guest's own clock, to
 * which a processor that its host withholds is one in use: on a busy machine the
 * figures are too high, not too low. The source is a fork.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/bench.h"
#include "bench/pause_take.h"
#include "bench/shell.h"
#include "core/fork.h"
#include "core/reap.h"

#define PREFIX	      "bench-arm"
#define SNAPSHOT_NAME "bench-arm.cost"
#define STEP_MS	      30000
#define IDLE_S	      3
#define TRIES	      10   /* until one is armed */
#define ALLOWED_US    5000 /* for a snapshot */
#define IDLE_US	      1000 /* in a second: 0.1 % */

enum { SERIES_ARMED, SERIES_PLAIN, SERIES_ADDED, SERIES_IDLE, SERIES_NUM };

static const char *const series[SERIES_NUM] = {
	[SERIES_ARMED] = "agent, an armed snapshot",
	[SERIES_PLAIN] = "agent, one that is not",
	[SERIES_ADDED] = "what arming adds",
	[SERIES_IDLE] = "agent, a second of waiting",
};

static const struct bench_limit limits[] = {
	{ "6. what arming adds to a snapshot, p99", SERIES_ADDED, 99,
	  ALLOWED_US },
	{ "6. an agent that waits, of a second, p99", SERIES_IDLE, 99,
	  IDLE_US },
};

/* Of a processor, since it was started. */
static int agent_us(const struct vm *vm, int64_t *us, struct vf_err *err)
{
	uint64_t ns;
	int ret = shell_ask(vm,
			    "cut -d ' ' -f 1 "
			    "/proc/$(pidof vmfork-agent)/schedstat",
			    &ns, STEP_MS, err);

	*us = ret < 0 ? 0 : (int64_t)(ns / 1000);
	return ret < 0 ? vf_err_wrap(err, "the guest's agent") : 0;
}

/* Return: 0, -errno, -EAGAIN if it was to be armed and was not */
static int sample_snapshot(struct bench *bench, const struct bench_setup *setup,
			   const struct vm *vm, bool arm, int64_t *us,
			   struct vf_err *err)
{
	const struct snapshot_request request = {
		.name = SNAPSHOT_NAME,
		.mode = SNAPSHOT_MODE_DIFF,
		.hold.arm = arm,
		.cancel_fd = setup->cancel_fd,
	};
	struct snapshot s = { .dir_fd = -1 };
	int64_t from_us, to_us;
	bool armed;
	int ret = agent_us(vm, &from_us, err);

	if (ret < 0)
		return ret;
	ret = snapshot_take(&s, setup->state, vm, &request, err);
	armed = s.armed;
	snapshot_close(&s);
	if (ret < 0)
		return ret;
	ret = agent_us(vm, &to_us, err);
	pause_forget(setup->state, SNAPSHOT_NAME);
	if (ret < 0)
		return ret;
	*us = to_us - from_us;
	if (arm && !armed) {
		bench->retaken++;
		return vf_err_set(err, EAGAIN, "no snapshot is armed in time");
	}
	bench_add(bench, arm ? SERIES_ARMED : SERIES_PLAIN, *us);
	return 0;
}

static int sample_idle(struct bench *bench, const struct bench_setup *setup,
		       const struct vm *vm, struct vf_err *err)
{
	int64_t from_us, to_us;
	int ret = agent_us(vm, &from_us, err);

	if (ret < 0)
		return ret;
	if (vf_wait_readable(setup->cancel_fd, -1,
			     vf_now_us() + IDLE_S * 1000000) != -ETIMEDOUT)
		return vf_err_set(err, ECANCELED, "interrupted");
	ret = agent_us(vm, &to_us, err);
	if (ret < 0)
		return ret;
	bench_add(bench, SERIES_IDLE, (to_us - from_us) / IDLE_S);
	return 0;
}

static int sample(struct bench *bench, const struct bench_setup *setup,
		  const struct vm *vm, struct vf_err *err)
{
	int64_t armed_us, plain_us;
	int ret, tries = TRIES;

	do
		ret = sample_snapshot(bench, setup, vm, true, &armed_us, err);
	while (ret == -EAGAIN && --tries);
	if (!ret)
		ret = sample_snapshot(bench, setup, vm, false, &plain_us, err);
	if (ret < 0)
		return ret;
	bench_add(bench, SERIES_ADDED, armed_us - plain_us);
	return sample_idle(bench, setup, vm, err);
}

static int run(struct bench *bench, const struct bench_setup *setup,
	       struct vf_err *err)
{
	const struct fork_request request = {
		.prefix = PREFIX,
		.num = 1,
		.post = true,
		.wait = FORK_WAIT_SETTLED,
		.timeout_ms = STEP_MS,
		.cancel_fd = setup->cancel_fd,
	};
	struct fork_result result = { 0 };
	struct vf_err ignored;
	int ret = fork_snapshot(&result, setup->state, setup->snapshot,
				&request, err);

	if (!ret && result.jobs[0].outcome != FORK_ACKED) {
		*err = result.jobs[0].err;
		ret = -err->num;
	}
	for (unsigned int i = 0; !ret && i < setup->iterations; i++)
		ret = sample(bench, setup, &result.jobs[0].vm, err);
	if (result.num && result.jobs[0].vm.run_fd >= 0)
		reap_vm(setup->state, result.jobs[0].vm.name, &ignored);
	fork_result_exit(&result);
	return ret;
}

const struct bench_kind bench_arm = {
	.name = "arm",
	.summary = "what spinning for a snapshot costs its source",
	.series = series,
	.num_series = SERIES_NUM,
	.limits = limits,
	.num_limits = ARRAY_SIZE(limits),
	.run = run,
};
