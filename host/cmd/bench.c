// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "cmd/cmd.h"
#include "cmd/targets.h"

#define ITERATIONS 20

static const struct bench_kind *const kinds[] = {
	&bench_start,
	&bench_apply,
	&bench_arm,
};

static const struct bench_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

static void print_report(const json_t *report)
{
	static const struct column columns[] = {
		{ .title = "VARIANT", .key = "name" },
		{ .title = "N", .key = "n" },
		{ .title = "MEAN/MS", .key = "mean_us", .is_us = true },
		{ .title = "MIN/MS", .key = "min_us", .is_us = true },
		{ .title = "P50/MS", .key = "p50_us", .is_us = true },
		{ .title = "P90/MS", .key = "p90_us", .is_us = true },
		{ .title = "P99/MS", .key = "p99_us", .is_us = true },
		{ .title = "MAX/MS", .key = "max_us", .is_us = true },
	};
	size_t i;
	json_t *ratio;

	cmd_print_table(json_object_get(report, "variants"), columns,
			ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(report, "ratios"), i, ratio)
		printf("%s: %.3f (at most %.3f)\n",
		       json_string_value(json_object_get(ratio, "name")),
		       json_real_value(json_object_get(ratio, "p50")),
		       json_real_value(json_object_get(ratio, "allowed")));
	if (json_array_size(json_object_get(report, "targets")))
		targets_print(json_object_get(report, "targets"));
	if (json_integer_value(json_object_get(report, "retaken")))
		printf("taken again: %" JSON_INTEGER_FORMAT "\n",
		       json_integer_value(json_object_get(report, "retaken")));
}

struct order {
	const struct bench_kind *kind;
	const char *snapshot;
	unsigned int iterations;
	const char *csv;
};

/* Is all as small as it should be? */
static bool is_met(const json_t *report)
{
	size_t i;
	json_t *ratio;

	json_array_foreach(json_object_get(report, "ratios"), i, ratio)
		if (json_real_value(json_object_get(ratio, "p50")) >
		    json_real_value(json_object_get(ratio, "allowed")))
			return false;
	return targets_are_met(json_object_get(report, "targets"));
}

static int measure(struct cmd *cmd, const struct bench_kind *kind,
		   const struct bench_setup *setup, const char *csv,
		   struct vf_err *err)
{
	__json json_t *report = NULL;
	struct bench bench;
	int ret;

	bench_init(&bench, kind->series, kind->num_series);
	ret = kind->run(&bench, setup, err);
	if (!ret && csv)
		ret = bench_csv(&bench, csv, err);
	if (!ret) {
		report = bench_report(&bench, kind);
		if (cmd->json)
			ret = cmd_print_json(report, err);
		else
			print_report(report);
	}
	bench_exit(&bench);
	if (ret < 0)
		return ret;
	return is_met(report) ? CMD_EXIT_DONE : CMD_EXIT_PARTLY;
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	struct snapshot snapshot;
	int ret = snapshot_open(&snapshot, state, order->snapshot, err);
	const struct bench_setup setup = {
		.state = state,
		.snapshot = &snapshot,
		.iterations = order->iterations,
		.cancel_fd = cmd->cancel_fd,
	};

	if (!ret)
		ret = measure(cmd, order->kind, &setup, order->csv, err);
	snapshot_close(&snapshot);
	return ret;
}

int cmd_bench(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order = { .iterations = ITERATIONS };
	const struct opt opts[] = {
		{ "iterations", 'n', OPT_UINT, &order.iterations, "N",
		  "samples of each variant (20)" },
		{ "csv", 0, OPT_STRING, &order.csv, "FILE",
		  "write the raw rows" },
		{ 0 },
	};
	const struct usage usage = {
		"start|apply|arm SNAPSHOT | burst SNAPSHOT | pause | ack "
		"[SNAPSHOT]",
		"Measure. start: the host's share of a fork against QEMU "
		"started by hand;\napply: the guest's reconfiguration against "
		"busybox ip commands, for which\nthe guest needs a root shell "
		"on its console, and so for arm: what an armed snapshot "
		"costs the agent,\nand what waiting does; burst: many forks at "
		"once; pause: what a branch costs\nits source; ack: the "
		"handoff "
		"of each signal (these three: 'vmfork bench ack\n--help'). The "
		"first sample of each variant is left out.\n"
		"Exits with 3 if one is above what is allowed.",
		opts,
		2,
		2,
	};
	int ret;

	/* these have options of their own */
	if (argc > 1 && !strcmp(argv[1], "pause"))
		return cmd_bench_pause(cmd, argc, argv, err);
	if (argc > 1 && !strcmp(argv[1], "ack"))
		return cmd_bench_ack(cmd, argc, argv, err);
	if (argc > 1 && !strcmp(argv[1], "burst"))
		return cmd_bench_burst(cmd, argc, argv, err);
	ret = cmd_parse(cmd, &usage, &argc, &argv, err);
	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	order.kind = find_kind(argv[0]);
	if (!order.kind)
		return cmd_usage_error(
			cmd, err, "'%s': not start, apply or arm", argv[0]);
	if (order.iterations < 1)
		return cmd_usage_error(cmd, err, "--iterations: at least 1");
	order.snapshot = argv[1];
	return cmd_change(cmd, GC_MAKES, run, &order, err);
}
