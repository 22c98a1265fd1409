// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "cmd/cmd.h"
#include "core/gc.h"

#define ITERATIONS 20

static const struct bench_kind *const kinds[] = {
	&bench_start,
	&bench_apply,
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
		report = bench_report(&bench, kind->ratios, kind->num_ratios);
		if (cmd->json)
			ret = cmd_print_json(report, err);
		else
			print_report(report);
	}
	bench_exit(&bench);
	return ret;
}

int cmd_bench(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct snapshot snapshot = { .dir_fd = -1 };
	unsigned int iterations = ITERATIONS;
	const char *csv = NULL;
	const struct opt opts[] = {
		{ "iterations", 'n', OPT_UINT, &iterations, "N",
		  "samples of each variant (20)" },
		{ "csv", 0, OPT_STRING, &csv, "FILE", "write the raw rows" },
		{ 0 },
	};
	const struct usage usage = {
		"start|apply SNAPSHOT",
		"Measure. start: the host's share of a fork against QEMU "
		"started by hand;\napply: the guest's reconfiguration against "
		"busybox ip commands, for which\nthe guest needs a root shell "
		"on its console.",
		opts,
		2,
		2,
	};
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (!find_kind(argv[0]))
		return cmd_usage_error(cmd, err, "'%s': not start or apply",
				       argv[0]);
	if (iterations < 1)
		return cmd_usage_error(cmd, err, "--iterations: at least 1");
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = snapshot_open(&snapshot, &state, argv[1], err);
	if (!ret)
		ret = gc_command_begin(&state, err);
	if (!ret) {
		const struct bench_setup setup = {
			.state = &state,
			.snapshot = &snapshot,
			.iterations = iterations,
			.cancel_fd = cmd->cancel_fd,
		};

		ret = measure(cmd, find_kind(argv[0]), &setup, csv, err);
		gc_command_end(&state);
	}
	snapshot_close(&snapshot);
	state_close(&state);
	return ret;
}
