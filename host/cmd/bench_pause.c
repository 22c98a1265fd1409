// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "bench/pause.h"
#include "bench/plot.h"
#include "cmd/bench_guest.h"
#include "cmd/lists.h"

#define ITERATIONS 20
#define RATE_MIB   32
#define MEMORY_MIN 64

struct order {
	struct pause_plan plan;
	const char *csv;
	const char *plot;
};

/* The options as they were given. */
struct words {
	const char *modes;
	const char *sources;
	const char *works;
	const char *memory;
	const char *dirty;
	const char *accel;
};

static int parse_lists(struct cmd *cmd, const struct words *w,
		       struct pause_plan *plan, struct vf_err *err)
{
	int ret = lists_parse(cmd, "--mode", w->modes, pause_mode_names,
			      PAUSE_MODE_NUM, NULL, &plan->modes, err);

	if (!ret)
		ret = lists_parse(cmd, "--source", w->sources,
				  pause_source_names, PAUSE_SOURCE_NUM, NULL,
				  &plan->sources, err);
	if (!ret)
		ret = lists_parse(cmd, "--workload", w->works, pause_work_names,
				  PULSE_NUM, NULL, &plan->works, err);
	if (!ret)
		ret = lists_parse(cmd, "--memory", w->memory, NULL, 0, "MiB",
				  &plan->memory_mib, err);
	if (!ret)
		ret = lists_parse(cmd, "--dirty", w->dirty, NULL, 0, "MiB",
				  &plan->dirty_mib, err);
	return ret;
}

/* What cannot be is said before minutes are spent. */
static int check_plan(struct cmd *cmd, const struct words *w,
		      struct pause_plan *plan, struct vf_err *err)
{
	if (!plan->boot.kernel)
		return cmd_usage_error(cmd, err, "--kernel is needed");
	if (vmm_accel_parse(&plan->boot.config.accel, w->accel) < 0)
		return cmd_usage_error(cmd, err,
				       "--accel '%s': not auto, kvm or tcg",
				       w->accel);
	if (plan->iterations < 1)
		return cmd_usage_error(cmd, err, "--iterations: at least 1");
	for (unsigned int i = 0; i < plan->memory_mib.num; i++) {
		unsigned int mib = plan->memory_mib.item[i];

		if (mib < MEMORY_MIN || !pause_fill_mib(plan, mib))
			return cmd_usage_error(cmd, err,
					       "--memory %u: too small for "
					       "what is to be filled and "
					       "written",
					       mib);
	}
	return 0;
}

static void print_report(const json_t *report)
{
	static const struct column columns[] = {
		{ .title = "SOURCE", .key = "source" },
		{ .title = "MEMORY/MIB", .key = "memory_mib" },
		{ .title = "DIRTY/MIB", .key = "dirty_mib" },
		{ .title = "WORKLOAD", .key = "workload" },
		{ .title = "MODE", .key = "mode" },
		{ .title = "TAKEN", .key = "taken" },
		{ .title = "N", .key = "pause_us.n" },
		{ .title = "PAUSE/MS", .key = "pause_us.mean", .is_us = true },
		{ .title = "MIN", .key = "pause_us.min", .is_us = true },
		{ .title = "P50", .key = "pause_us.p50", .is_us = true },
		{ .title = "P90", .key = "pause_us.p90", .is_us = true },
		{ .title = "P99", .key = "pause_us.p99", .is_us = true },
		{ .title = "MAX", .key = "pause_us.max", .is_us = true },
		{ .title = "GAP/P50", .key = "gap_us.p50", .is_us = true },
		{ .title = "TRIP", .key = "round_trip_us.p50", .is_us = true },
		{ .title = "READY", .key = "ready_us.p50", .is_us = true },
	};

	cmd_print_table(json_object_get(report, "variants"), columns,
			ARRAY_SIZE(columns));
	printf("\nThe first sample of each variant is left out. Times in "
	       "ms.\n");
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	__json json_t *report = NULL;
	struct pause_table table;
	int ret = pause_run(&table, state, &order->plan, err);

	/* first what took minutes, then what a bad file name may prevent */
	if (!ret) {
		report = pause_report(&table);
		if (cmd->json)
			ret = cmd_print_json(report, err);
		else
			print_report(report);
	}
	if (!ret && order->csv)
		ret = pause_csv(&table, order->csv, err);
	if (!ret && order->plot)
		ret = pause_plot(&table, order->plot, err);
	pause_table_exit(&table);
	return ret < 0 ? ret : CMD_EXIT_DONE;
}

static void plan_init(struct order *order, struct words *w, int cancel_fd)
{
	*w = (struct words){
		.modes = "full,diff,live-sync,live-async,auto",
		.sources = "booted,fork",
		.works = "idle",
		.memory = "256",
		.dirty = "1,10,50",
		.accel = "auto",
	};
	*order = (struct order){ .plan.iterations = ITERATIONS,
				 .plan.rate_mib = RATE_MIB,
				 .plan.cancel_fd = cancel_fd };
	bench_guest_init(&order->plan.boot, cancel_fd);
	order->plan.boot.wait = true;
}

static int parse_and_run(struct cmd *cmd, int argc, char **argv,
			 struct order *order, const struct words *w,
			 const struct opt *sweep, const struct opt *rest,
			 struct vf_err *err)
{
	const struct opt opts[] = {
		{ "", 0, OPT_TABLE, (void *)sweep, NULL, NULL },
		{ "", 0, OPT_TABLE, (void *)rest, NULL, NULL },
		{ 0 },
	};
	const struct usage usage = {
		"pause",
		"Measure what a branch costs the VM that is branched. Boots "
		"VMs of its own,\nwhose guest needs a root shell on its "
		"console "
		"and the program pulse. A booted\nVM's changed memory is all "
		"that is filled, a fork's what it wrote since.",
		opts,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = parse_lists(cmd, w, &order->plan, err);
	if (!ret)
		ret = check_plan(cmd, w, &order->plan, err);
	if (!ret && order->plot)
		ret = plot_check(err);
	return ret < 0 ? ret : cmd_change(cmd, GC_MAKES, run, order, err);
}

int cmd_bench_pause(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order;
	struct opt guest[BENCH_GUEST_OPTS];
	struct words w;
	struct pause_plan *plan = &order.plan;
	const struct opt sweep[] = {
		{ "mode", 0, OPT_STRING, &w.modes, "MODE,...",
		  "full, diff, live-sync, live-async, auto (all)" },
		{ "source", 0, OPT_STRING, &w.sources, "SOURCE,...",
		  "booted, fork (both)" },
		{ "memory", 'm', OPT_STRING, &w.memory, "MIB,...",
		  "of the guest (256)" },
		{ "fill", 0, OPT_UINT, &plan->fill_mib, "MIB",
		  "that the guest fills (three quarters)" },
		{ "dirty", 0, OPT_STRING, &w.dirty, "MIB,...",
		  "that a fork writes (1,10,50)" },
		{ "workload", 0, OPT_STRING, &w.works, "WORK,...",
		  "idle, steady, burst (idle)" },
		{ "rate", 0, OPT_UINT, &plan->rate_mib, "MIB",
		  "that steady writes in a second (32)" },
		{ "iterations", 'n', OPT_UINT, &plan->iterations, "N",
		  "samples of each variant, beside the first (20)" },
		{ "fork", 0, OPT_FLAG, &plan->forks, NULL,
		  "fork each snapshot, and time that" },
		{ 0 },
	};
	const struct opt rest[] = {
		{ "csv", 0, OPT_STRING, &order.csv, "FILE",
		  "write the raw rows" },
		{ "plot", 0, OPT_STRING, &order.plot, "FILE",
		  "draw them (SVG; needs gnuplot)" },
		{ "", 0, OPT_TABLE, guest, NULL, NULL },
		{ 0 },
	};

	plan_init(&order, &w, cmd->cancel_fd);
	bench_guest_opts(guest, &plan->boot, &w.accel);
	return parse_and_run(cmd, argc, argv, &order, &w, sweep, rest, err);
}
