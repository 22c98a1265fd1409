// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/burst.h"
#include "bench/plot.h"
#include "cmd/lists.h"
#include "cmd/targets.h"

#define ITERATIONS 5

struct order {
	struct burst_plan plan;
	const char *csv;
	const char *plot;
};

/* The options as they were given. */
struct words {
	const char *nums;
	const char *waits;
	const char *compare;
	bool at_once;
	bool pool;
};

static const char *const wait_names[] = { "none", "network", "settled" };

enum { WAIT_NONE, WAIT_NETWORK, WAIT_SETTLED };

static int choose_variants(struct cmd *cmd, const struct words *w,
			   struct burst_plan *plan, struct vf_err *err)
{
	struct bench_list waits = { 0 };
	bool answers, settled;
	int ret = lists_parse(cmd, "--wait", w->waits, wait_names,
			      ARRAY_SIZE(wait_names), NULL, &waits, err);

	if (ret < 0)
		return ret;
	settled = bench_list_has(&waits, WAIT_SETTLED);
	answers = settled || bench_list_has(&waits, WAIT_NETWORK);
	if (settled && bench_list_has(&waits, WAIT_NETWORK))
		return cmd_usage_error(cmd, err,
				       "--wait: network or settled, not both");
	if (w->at_once && !answers)
		return cmd_usage_error(cmd, err,
				       "--at-once: nobody waits for answers");
	if (w->compare && strcmp(w->compare, "floor") != 0)
		return cmd_usage_error(cmd, err, "--compare '%.64s': not floor",
				       w->compare);
	plan->answer = wait_names[settled ? WAIT_SETTLED : WAIT_NETWORK];
	plan->variants[BURST_FLOOR] = w->compare;
	plan->variants[BURST_NONE] = bench_list_has(&waits, WAIT_NONE);
	plan->variants[BURST_FORK] = answers;
	plan->variants[BURST_AT_ONCE] = w->at_once;
	plan->variants[BURST_POOL_NONE] = w->pool && plan->variants[BURST_NONE];
	plan->variants[BURST_POOL] = w->pool && answers;
	return 0;
}

static int check_plan(struct cmd *cmd, const struct words *w,
		      struct burst_plan *plan, struct vf_err *err)
{
	int ret = lists_parse(cmd, "--number", w->nums, NULL, 0, "a number",
			      &plan->nums, err);

	for (unsigned int i = 0; !ret && i < plan->nums.num; i++)
		if (plan->nums.item[i] < 1 || plan->nums.item[i] > FORK_MAX)
			return cmd_usage_error(cmd, err,
					       "--number %u: not 1 to %d",
					       plan->nums.item[i], FORK_MAX);
	if (!ret && plan->iterations < 1)
		return cmd_usage_error(cmd, err, "--iterations: at least 1");
	return ret < 0 ? ret : choose_variants(cmd, w, plan, err);
}

static void print_report(const json_t *report)
{
	static const struct column columns[] = {
		{ .title = "FORKS", .key = "n" },
		{ .title = "VARIANT", .key = "variant" },
		{ .title = "N", .key = "wall_us.n" },
		{ .title = "WALL/MS", .key = "wall_us.p50", .is_us = true },
		{ .title = "RESUMED/P50",
		  .key = "resumed_p50_us.p50",
		  .is_us = true },
		{ .title = "P90", .key = "resumed_p90_us.p50", .is_us = true },
		{ .title = "LAST", .key = "resumed_max_us.p50", .is_us = true },
		{ .title = "ACKED/P50",
		  .key = "acked_p50_us.p50",
		  .is_us = true },
		{ .title = "P90", .key = "acked_p90_us.p50", .is_us = true },
		{ .title = "LAST", .key = "acked_max_us.p50", .is_us = true },
		{ .title = "IDEAL", .key = "ideal_us", .is_us = true },
		{ .title = "CPU/MS",
		  .key = "cpu_engines_us.p50",
		  .is_us = true },
		{ .title = "OURS", .key = "cpu_command_us.p50", .is_us = true },
		{ .title = "PRIVATE/MIB",
		  .key = "private_bytes.p50",
		  .is_bytes = true },
		{ .title = "FAULTS", .key = "faults_minor.p50" },
		{ .title = "ENDED/MS", .key = "end_us.p50", .is_us = true },
	};

	cmd_print_table(json_object_get(report, "variants"), columns,
			ARRAY_SIZE(columns));
	targets_print(json_object_get(report, "targets"));
	printf("\nMedians of bursts, the first iteration left out. Times in "
	       "ms, since the request;\nCPU of all engines, and of the "
	       "command; "
	       "memory and faults of one fork.\n");
}

/* First on standard output, then what a bad file name may prevent. */
static int tell(struct cmd *cmd, const struct burst_table *table,
		const json_t *report, const struct order *order,
		struct vf_err *err)
{
	int ret = 0;

	if (cmd->json)
		ret = cmd_print_json(report, err);
	else
		print_report(report);
	if (!ret && order->csv)
		ret = burst_csv(table, order->csv, err);
	if (!ret && order->plot)
		ret = burst_plot(table, order->plot, err);
	return ret;
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	__json json_t *report = NULL;
	struct burst_table table;
	int ret = burst_run(&table, state, &order->plan, err);
	struct vf_err why = { 0 };
	int told = 0;

	/* what took minutes is told, also if the last burst failed */
	if (!ret || table.num) {
		report = burst_report(&table);
		told = tell(cmd, &table, report, order, &why);
	}
	if (!ret && told < 0) {
		*err = why;
		ret = told;
	}
	burst_table_exit(&table);
	if (ret < 0)
		return ret;
	return targets_are_met(json_object_get(report, "targets"))
		       ? CMD_EXIT_DONE
		       : CMD_EXIT_PARTLY;
}

static int parse_and_run(struct cmd *cmd, int argc, char **argv,
			 struct order *order, const struct words *w,
			 const struct opt *opts, struct vf_err *err)
{
	const struct usage usage = {
		"burst SNAPSHOT",
		"Measure what it takes to fork a snapshot many times at once, "
		"each time by a command\nof its own, whose forks are ended "
		"again. Exits with 3 if a target is not met.",
		opts,
		2,
		2,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	order->plan.snapshot = argv[1];
	order->plan.state_path = cmd->state_path;
	ret = check_plan(cmd, w, &order->plan, err);
	if (!ret && order->plot)
		ret = plot_check(err);
	return ret < 0 ? ret : cmd_change(cmd, GC_MAKES, run, order, err);
}

int cmd_bench_burst(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct words w = { .nums = "1,10,25,100", .waits = "network,none" };
	struct order order = { .plan.iterations = ITERATIONS,
			       .plan.cancel_fd = cmd->cancel_fd };
	const struct opt opts[] = {
		{ "number", 'n', OPT_STRING, &w.nums, "N,...",
		  "forks in a burst (1,10,25,100)" },
		{ "wait", 0, OPT_STRING, &w.waits, "WHAT,...",
		  "none; network or settled (network,none)" },
		{ "at-once", 0, OPT_FLAG, &w.at_once, NULL,
		  "also without waves: all that answer resumed together" },
		{ "pool", 0, OPT_FLAG, &w.pool, NULL,
		  "also of engines started ahead" },
		{ "compare", 0, OPT_STRING, &w.compare, "WHAT",
		  "floor: also the same engines in a bare loop" },
		{ "iterations", 0, OPT_UINT, &order.plan.iterations, "N",
		  "samples of each, beside the first (5)" },
		{ "csv", 0, OPT_STRING, &order.csv, "FILE",
		  "write the raw rows" },
		{ "plot", 0, OPT_STRING, &order.plot, "FILE",
		  "draw them (SVG; needs gnuplot)" },
		{ 0 },
	};

	return parse_and_run(cmd, argc, argv, &order, &w, opts, err);
}
