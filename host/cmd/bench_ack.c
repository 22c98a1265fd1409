// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench/ack_kind.h"
#include "bench/plot.h"
#include "cmd/bench_guest.h"
#include "cmd/lists.h"
#include "cmd/targets.h"

#define ITERATIONS 20
#define MEMORY_MIB 256
#define MEMORY_MIN 64

struct order {
	struct ack_plan plan;
	const char *csv;
	const char *plot;
};

/* The options as they were given. */
struct words {
	const char *signals;
	const char *arms;
	const char *prefetch;
	const char *compare;
	const char *accel;
	unsigned int memory_mib;
};

/* Some of the kinds are signals: those are looked for by their names alone. */
static int parse_kinds(struct cmd *cmd, const char *option, const char *text,
		       bool is_signal, struct ack_plan *plan,
		       struct vf_err *err)
{
	const char *names[ACK_KINDS_MAX] = { 0 };
	unsigned int index[ACK_KINDS_MAX] = { 0 }, num = 0;
	struct bench_list chosen = { 0 };
	int ret;

	for (unsigned int i = 0; i < ack_kinds_num; i++)
		if ((ack_kinds[i].role == ACK_ROLE_SIGNAL) == is_signal) {
			names[num] = ack_kinds[i].name;
			index[num++] = i;
		}
	ret = lists_parse(cmd, option, text, names, num, NULL, &chosen, err);
	for (unsigned int i = 0; !ret && i < chosen.num; i++)
		plan->kinds[plan->num_kinds++] = index[chosen.item[i]];
	return ret;
}

/* What is given more than once counts once, as in other lists. */
static int add_prefetch(struct cmd *cmd, struct ack_plan *plan,
			const char *word, struct vf_err *err)
{
	struct ack_prefetch *p = &plan->prefetches[plan->num_prefetches];

	for (unsigned int i = 0; i < plan->num_prefetches; i++)
		if (!strcmp(plan->prefetches[i].name, word))
			return 0;
	if (plan->num_prefetches == BENCH_LIST_MAX)
		return cmd_usage_error(cmd, err,
				       "--prefetch: more than %d of them",
				       BENCH_LIST_MAX);
	snprintf(p->name, sizeof(p->name), "%s", word);
	plan->num_prefetches++;
	return cmd_parse_prefetch(cmd, &p->wish, word, err);
}

static int parse_prefetches(struct cmd *cmd, const char *text,
			    struct ack_plan *plan, struct vf_err *err)
{
	char word[sizeof(plan->prefetches[0].name)];
	size_t len;
	int ret = 0;

	for (const char *p = text; !ret; p += len + 1) {
		len = strcspn(p, ",");
		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		ret = add_prefetch(cmd, plan, word, err);
		if (!p[len])
			break;
	}
	return ret;
}

static int check_own(struct cmd *cmd, const struct words *w,
		     struct ack_plan *plan, struct vf_err *err)
{
	static const char *const arm_names[] = { "off", "on" };
	int ret;

	if (!plan->boot.kernel)
		return cmd_usage_error(cmd, err, "--kernel is needed");
	if (vmm_accel_parse(&plan->boot.config.accel, w->accel) < 0)
		return cmd_usage_error(cmd, err,
				       "--accel '%s': not auto, kvm or tcg",
				       w->accel);
	if (w->memory_mib < MEMORY_MIN)
		return cmd_usage_error(cmd, err, "--memory: at least %d",
				       MEMORY_MIN);
	plan->boot.config.memory_bytes = (uint64_t)w->memory_mib << 20;
	plan->arms.num = 0;
	ret = lists_parse(cmd, "--arm", w->arms ? w->arms : "on", arm_names,
			  ARRAY_SIZE(arm_names), NULL, &plan->arms, err);
	if (ret < 0)
		return ret;
	ret = parse_kinds(cmd, "--signal",
			  w->signals ? w->signals
				     : "mailbox,vmclock,vmclock-spin,"
				       "vmgenid,auto",
			  true, plan, err);
	if (!ret && w->compare)
		ret = parse_kinds(cmd, "--compare", w->compare, false, plan,
				  err);
	return ret;
}

/* What cannot be is said before minutes are spent. */
static int check_plan(struct cmd *cmd, const struct words *w,
		      struct ack_plan *plan, struct vf_err *err)
{
	int ret = parse_prefetches(cmd, w->prefetch, plan, err);

	if (ret < 0)
		return ret;
	if (plan->iterations < 1)
		return cmd_usage_error(cmd, err, "--iterations: at least 1");
	if (!plan->snapshot)
		return check_own(cmd, w, plan, err);
	if (w->signals || w->arms || w->compare)
		return cmd_usage_error(cmd, err, "--%s: a snapshot has its own",
				       w->signals ? "signal"
				       : w->arms  ? "arm"
						  : "compare");
	return 0;
}

static void print_missing(const json_t *missing)
{
	json_t *m;
	size_t i;

	json_array_foreach(missing, i, m)
		printf("%s: not here: %s\n",
		       json_string_value(json_object_get(m, "name")),
		       json_string_value(json_object_get(m, "why")));
}

static void print_report(const json_t *report)
{
	static const struct column columns[] = {
		{ .title = "VARIANT", .key = "name" },
		{ .title = "N", .key = "n" },
		{ .title = "FAILED", .key = "failed" },
		{ .title = "TOTAL/P50", .key = "total_us.p50", .is_us = true },
		{ .title = "ACKED/MEAN",
		  .key = "reconfigure_us.mean",
		  .is_us = true },
		{ .title = "P50", .key = "reconfigure_us.p50", .is_us = true },
		{ .title = "P90", .key = "reconfigure_us.p90", .is_us = true },
		{ .title = "P99", .key = "reconfigure_us.p99", .is_us = true },
		{ .title = "MAX", .key = "reconfigure_us.max", .is_us = true },
		{ .title = "FIRST",
		  .key = "first.reconfigure_us",
		  .is_us = true },
		{ .title = "SIGNAL/P50",
		  .key = "signal_us.p50",
		  .is_us = true },
		{ .title = "MAIL", .key = "mail_us.p50", .is_us = true },
		{ .title = "APPLY", .key = "apply_us.p50", .is_us = true },
		{ .title = "ACK", .key = "ack_us.p50", .is_us = true },
		{ .title = "CPU", .key = "cpu_acked_us.p50", .is_us = true },
		{ .title = "SEEN", .key = "seen_us.p50", .is_us = true },
		{ .title = "CLOCK+-",
		  .key = "clock_error_us.max",
		  .is_us = true },
		{ .title = "BLIND", .key = "blind_us.max", .is_us = true },
	};

	cmd_print_table(json_object_get(report, "variants"), columns,
			ARRAY_SIZE(columns));
	print_missing(json_object_get(report, "missing"));
	targets_print(json_object_get(report, "targets"));
	printf("\nTimes in ms, since the resumption but for TOTAL, which is "
	       "since the request. SIGNAL,\nMAIL and APPLY are the guest's, "
	       "off by CLOCK+- at most; the rest is the host's. SEEN is\nwhen "
	       "its network, in the fork's memory, was applied (floor-code: "
	       "when it ran), too\nlate by BLIND at most. The first fork of "
	       "each variant is shown apart.\n");
}

/* First on standard output, then what a bad file name may prevent. */
static int tell(struct cmd *cmd, const struct ack_table *table,
		const json_t *report, const struct order *order,
		struct vf_err *err)
{
	int ret = 0;

	if (cmd->json)
		ret = cmd_print_json(report, err);
	else
		print_report(report);
	if (!ret && order->csv)
		ret = ack_csv(table, order->csv, err);
	if (!ret && order->plot)
		ret = ack_plot(table, order->plot, err);
	return ret;
}

static unsigned int failures(const struct ack_table *table)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < table->num_variants; i++)
		num += ack_failures(table, i);
	return num;
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	__json json_t *report = NULL;
	struct ack_table table;
	int ret = ack_run(&table, state, &order->plan, err);
	struct vf_err why = { 0 };
	bool has_failures;
	int told = 0;

	/* what took minutes is told, also if it was cut short */
	if (!ret || table.num) {
		report = ack_report(&table);
		told = tell(cmd, &table, report, order, &why);
	}
	if (!ret && told < 0) {
		*err = why;
		ret = told;
	}
	has_failures = failures(&table) > 0;
	ack_table_exit(&table);
	if (ret < 0)
		return ret;
	return !has_failures && targets_are_met(
					json_object_get(report, "targets"))
		       ? CMD_EXIT_DONE
		       : CMD_EXIT_PARTLY;
}

static void plan_init(struct order *order, struct words *w, int cancel_fd)
{
	*w = (struct words){
		.prefetch = "auto",
		.accel = "auto",
		.memory_mib = MEMORY_MIB,
	};
	*order = (struct order){ .plan.iterations = ITERATIONS,
				 .plan.arms.num = 1,
				 .plan.cancel_fd = cancel_fd };
	bench_guest_init(&order->plan.boot, cancel_fd);
}

static int parse_and_run(struct cmd *cmd, int argc, char **argv,
			 struct order *order, const struct words *w,
			 const struct opt *opts, struct vf_err *err)
{
	const struct usage usage = {
		"ack [SNAPSHOT]",
		"Measure the handoff of forks, from their resumption to their "
		"acknowledgement, one\nby one. Boots a guest of its own for "
		"each signal, which needs a root shell on its\nconsole; with "
		"a SNAPSHOT, measures forks of that alone. Exits with 3 if a "
		"target is not met,\nor a fork failed.",
		opts,
		1,
		2,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	order->plan.snapshot = argc > 1 ? argv[1] : NULL;
	ret = check_plan(cmd, w, &order->plan, err);
	if (!ret && order->plot)
		ret = plot_check(err);
	return ret < 0 ? ret : cmd_change(cmd, GC_MAKES, run, order, err);
}

int cmd_bench_ack(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order;
	struct opt guest[BENCH_GUEST_OPTS];
	struct words w;
	struct ack_plan *plan = &order.plan;
	const struct opt opts[] = {
		{ "signal", 0, OPT_STRING, &w.signals, "SIGNAL,...",
		  "mailbox, vmclock, vmclock-spin, vmgenid, auto (all)" },
		{ "arm", 0, OPT_STRING, &w.arms, "on,off",
		  "whether sources are armed for their snapshots (on)" },
		{ "prefetch", 0, OPT_STRING, &w.prefetch, "WHAT,...",
		  "auto, off, list, or a size around the mailbox (auto)" },
		{ "compare", 0, OPT_STRING, &w.compare, "KIND,...",
		  "floor-code, floor-request, floor-vmgenid, ip, dhcp, shell" },
		{ "cold", 0, OPT_FLAG, &plan->cold, NULL,
		  "each also with its image read from the disk" },
		{ "iterations", 'n', OPT_UINT, &plan->iterations, "N",
		  "samples of each variant, beside the first (20)" },
		{ "csv", 0, OPT_STRING, &order.csv, "FILE",
		  "write the raw rows" },
		{ "plot", 0, OPT_STRING, &order.plot, "FILE",
		  "draw them (SVG; needs gnuplot)" },
		{ "memory", 'm', OPT_UINT, &w.memory_mib, "MIB",
		  "of the guest (256)" },
		{ "", 0, OPT_TABLE, guest, NULL, NULL },
		{ 0 },
	};

	plan_init(&order, &w, cmd->cancel_fd);
	bench_guest_opts(guest, &plan->boot, &w.accel);
	return parse_and_run(cmd, argc, argv, &order, &w, opts, err);
}
