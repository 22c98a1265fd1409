// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/usage.h"
#include "cmd/cmd.h"
#include "cmd/links.h"
#include "cmd/vminfo.h"
#include "core/ready.h"
#include "core/refill.h"

#define NOT_SAID UINT_MAX /* more than an option can be */

struct order {
	struct refill refill;
	unsigned int number;
	struct opt_order links;
	bool all;
	int argc;
	char **argv;
};

static json_t *job_describe(const struct fork_job *job)
{
	bool runs = job->outcome != FORK_FAILED;

	return json_pack("{s:s,s:s?,s:o}", "name", job->vm.name, "error",
			 runs ? NULL : job->err.msg, "pid",
			 runs ? json_integer(job->pid) : json_null());
}

static int report(struct cmd *cmd, const struct fork_result *result,
		  const char *snapshot, struct vf_err *err)
{
	__json json_t *names = json_array(), *entries = json_array();
	__json json_t *json = NULL;
	unsigned int failed = 0;
	int ret;

	for (unsigned int i = 0; i < result->num; i++) {
		const struct fork_job *job = &result->jobs[i];

		json_array_append_new(entries, job_describe(job));
		if (job->outcome != FORK_FAILED) {
			json_array_append_new(names, json_string(job->vm.name));
			continue;
		}
		failed++;
		vf_log(VF_LOG_ERROR, "pool: %s", job->err.msg);
	}
	json = json_pack("{s:s,s:i,s:i,s:I,s:O}", "snapshot", snapshot,
			 "requested", (int)result->num, "failed", (int)failed,
			 "wall_us", (json_int_t)result->wall_us, "entries",
			 entries);
	ret = cmd->json ? cmd_print_json(json, err)
			: cmd_print_lines(cmd, names, err);
	if (ret < 0 || !failed)
		return ret;
	return failed == result->num ? CMD_EXIT_FAILED : CMD_EXIT_PARTLY;
}

static int fill(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	struct order *order = ctx;
	struct snapshot snapshot = { .dir_fd = -1 };
	struct fork_result result = { 0 };
	int ret = snapshot_open(&snapshot, state, order->refill.snapshot, err);

	if (!ret)
		ret = links_check_num(cmd, order->refill.num_links, &snapshot,
				      err);
	if (!ret)
		ret = refill_now(&result, state, &snapshot, &order->refill,
				 cmd->cancel_fd, err);
	if (!ret)
		ret = report(cmd, &result, order->refill.snapshot, err);
	fork_result_exit(&result);
	snapshot_close(&snapshot);
	return ret;
}

/* What an entry costs while it waits, and since when. */
static json_t *entry_describe(const struct vf_state *pool, const char *name)
{
	static const struct {
		const char *vm, *entry;
	} states[] = {
		{ "creating", "filling" },
		{ "running", "ready" },
	};
	json_t *json = vminfo_describe(pool, name, false);
	pid_t pid = (pid_t)json_integer_value(json_object_get(json, "pid"));
	const char *is = json_string_value(json_object_get(json, "state"));
	int64_t age_s, cpu_us;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (strcmp(is, states[i].vm) != 0)
			continue;
		json_object_set_new(json, "state",
				    json_string(states[i].entry));
		break;
	}
	age_s = ready_age_s(pool, name);
	json_object_set_new(json, "age_s",
			    age_s < 0 ? json_null() : json_integer(age_s));
	json_object_set_new(json, "cpu_us",
			    pid && usage_cpu_us(pid, &cpu_us) == 0
				    ? json_integer(cpu_us)
				    : json_null());
	return json;
}

static int list(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "ENTRY", .key = "name" },
		{ .title = "SNAPSHOT", .key = "snapshot" },
		{ .title = "STATE", .key = "state" },
		{ .title = "PID", .key = "pid" },
		{ .title = "MAC", .key = "mac" },
		{ .title = "IPV4", .key = "ipv4" },
		{ .title = "AGE/S", .key = "age_s" },
		{ .title = "CPU/MS", .key = "cpu_us", .is_us = true },
		{ .title = "PRIVATE/MIB",
		  .key = "private_bytes",
		  .is_bytes = true },
		{ .title = "SHARED/MIB",
		  .key = "shared_bytes",
		  .is_bytes = true },
	};
	const struct vf_state pool = state_pool(state);
	__json json_t *names = NULL, *rows = json_array();
	json_t *name;
	size_t i;
	int ret = vm_list(&pool, &names, err);

	(void)ctx;
	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name)
		json_array_append_new(
			rows, entry_describe(&pool, json_string_value(name)));
	return cmd_print_rows(cmd, rows, columns, ARRAY_SIZE(columns), err);
}

static int drain(struct cmd *cmd, const struct vf_state *state, void *ctx,
		 struct vf_err *err)
{
	const struct vf_state pool = state_pool(state);
	const struct order *order = ctx;
	__json json_t *removed = json_array();
	struct vf_err why;
	int ret = ready_drain(&pool, order->all ? NULL : order->argv[1],
			      removed, err);
	int printed = cmd_print_lines(cmd, removed, &why);

	if (ret < 0)
		return ret;
	if (printed < 0)
		*err = why;
	return printed;
}

/* An entry has a network; whatever else a fork is told comes with the fork. */
static int check_links(struct cmd *cmd, const struct refill *refill,
		       struct vf_err *err)
{
	for (unsigned int k = 0; k < refill->num_links; k++) {
		const struct vm_link *link = &refill->links[k];

		if (net_wish_is_personal(&link->wish) || link->mtu ||
		    link->num_routes || link->rates.in_bits ||
		    link->rates.out_bits)
			return cmd_usage_error(
				cmd, err,
				"pool fill: takes --net, --no-ipv4 and "
				"--no-ipv6: the rest is the fork's");
	}
	return 0;
}

static int run_fill(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	struct refill *refill = &order->refill;
	int ret;

	refill->num = order->number == NOT_SAID ? 1 : order->number;
	if (refill->num < 1 || refill->num > FORK_MAX)
		return cmd_usage_error(cmd, err, "--number: not 1 to %d",
				       FORK_MAX);
	ret = links_parse(cmd, refill->links, &refill->num_links, &order->links,
			  err);
	if (!ret)
		ret = check_links(cmd, refill, err);
	if (ret < 0)
		return ret;
	refill->snapshot = order->argv[1];
	return cmd_change(cmd, GC_MAKES, fill, order, err);
}

/* A verb of its own: fill SNAPSHOT, ls, drain SNAPSHOT. */
static int dispatch(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	int argc = order->argc;
	const char *verb = order->argv[0];

	if (!strcmp(verb, "fill") && argc == 2 && !order->all)
		return run_fill(cmd, order, err);
	if (order->links.num || order->number != NOT_SAID)
		return cmd_usage_error(cmd, err, "--%s: only with pool fill",
				       order->links.num
					       ? order->links.item[0].opt->name
					       : "number");
	if (!strcmp(verb, "ls") && argc == 1 && !order->all)
		return cmd_read(cmd, list, NULL, err);
	if (!strcmp(verb, "drain") && argc == (order->all ? 1 : 2))
		return cmd_change(cmd, GC_FREES, drain, order, err);
	return cmd_usage_error(cmd, err,
			       "'%.64s': needs fill SNAPSHOT, ls, or drain "
			       "with a SNAPSHOT or --all",
			       verb);
}

int cmd_pool(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order = { .number = NOT_SAID };
	struct opt links[LINKS_OPTS];
	const struct opt opts[] = {
		{ "number", 'n', OPT_UINT, &order.number, "N",
		  "fill: how many entries more (1)" },
		{ "all", 0, OPT_FLAG, &order.all, NULL,
		  "drain: those of all snapshots" },
		{ "", 0, OPT_TABLE, links, NULL, NULL },
		{ 0 },
	};
	const struct usage usage = {
		"fill SNAPSHOT | ls | drain SNAPSHOT",
		"Engines started ahead, with a snapshot loaded, for forks to "
		"take.",
		opts,
		1,
		-1,
	};
	int ret;

	links_opts(links, &order.links);
	ret = cmd_parse(cmd, &usage, &argc, &argv, err);
	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	order.argc = argc;
	order.argv = argv;
	return dispatch(cmd, &order, err);
}
