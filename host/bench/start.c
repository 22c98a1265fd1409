// SPDX-License-Identifier: MIT
/*
 * The host's share of a fork, from the command's start until the guest runs,
 * held against the least that could be: floor.h.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/bench.h"
#include "bench/floor.h"
#include "core/fork.h"
#include "core/reap.h"

#define FORK_PREFIX "bench-fork"

enum { SERIES_FLOOR, SERIES_FORK, SERIES_NUM };

static const char *const series[SERIES_NUM] = {
	[SERIES_FLOOR] = "floor: QEMU by hand",
	[SERIES_FORK] = "fork: start to resumed",
};

static const struct bench_ratio ratios[] = {
	{ "host share of a fork over the floor", SERIES_FORK, SERIES_FLOOR,
	  1.3 },
};

/* A layer is not written into the floor's memory: it has what the base has. */
static int sample_floor(struct bench *bench, const struct bench_setup *setup,
			const struct floor_model *model, struct vf_err *err)
{
	struct floor_run run;
	int ret = floor_begin(&run, model, 1, setup->cancel_fd, err);

	if (!ret)
		bench_add(bench, SERIES_FLOOR, run.resumed_us[0]);
	floor_end(&run);
	return ret;
}

/* From the very beginning, as the command does it. */
static int fork_once(struct fork_result *result,
		     const struct bench_setup *setup, struct vf_err *err)
{
	struct fork_request request = {
		.prefix = FORK_PREFIX,
		.num = 1,
		.post = true,
		.timeout_ms = 30000,
		.start_us = vf_now_us(),
		.cancel_fd = setup->cancel_fd,
	};
	struct snapshot snapshot;
	int ret = snapshot_open(&snapshot, setup->state, setup->snapshot->name,
				err);

	if (!ret)
		ret = fork_snapshot(result, setup->state, &snapshot, &request,
				    err);
	snapshot_close(&snapshot);
	if (!ret && result->jobs[0].outcome == FORK_FAILED) {
		*err = result->jobs[0].err;
		ret = -err->num;
	}
	return ret;
}

/* @bench: where the sample goes; @model: NULL, or out: how it was started */
static int sample_fork(struct bench *bench, const struct bench_setup *setup,
		       struct floor_model *model, struct vf_err *err)
{
	struct fork_result result = { 0 };
	struct vf_err why;
	int ret = fork_once(&result, setup, err);

	if (!ret && bench)
		bench_add(bench, SERIES_FORK,
			  result.jobs[0].timeline.at_us[TIMELINE_RESUMED] -
				  result.start_us);
	if (!ret && model)
		ret = floor_model_init(model, setup->snapshot,
				       result.jobs[0].pid, err);
	if (result.num && result.jobs[0].outcome != FORK_FAILED &&
	    reap_vm(setup->state, result.jobs[0].vm.name, &why) < 0 && !ret) {
		*err = why;
		ret = -err->num;
	}
	fork_result_exit(&result);
	return ret;
}

static int sample(struct bench *bench, const struct bench_setup *setup,
		  const struct floor_model *model, bool floor_first,
		  struct vf_err *err)
{
	int ret = floor_first ? sample_floor(bench, setup, model, err)
			      : sample_fork(bench, setup, NULL, err);

	if (ret < 0)
		return ret;
	return floor_first ? sample_fork(bench, setup, NULL, err)
			   : sample_floor(bench, setup, model, err);
}

static int run(struct bench *bench, const struct bench_setup *setup,
	       struct vf_err *err)
{
	struct floor_model model = { .log_fd = -1 };
	int ret = sample_fork(NULL, setup, &model, err);

	/* each is first in every other pair */
	for (unsigned int i = 0; !ret && i < setup->iterations; i++)
		ret = sample(bench, setup, &model, i % 2, err);
	floor_model_exit(&model);
	return ret;
}

const struct bench_kind bench_start = {
	.name = "start",
	.summary = "host's share of a fork against QEMU started by hand",
	.series = series,
	.num_series = SERIES_NUM,
	.ratios = ratios,
	.num_ratios = ARRAY_SIZE(ratios),
	.run = run,
};
