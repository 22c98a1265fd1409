// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "cmd/links.h"
#include "cmd/told.h"
#include "core/refill.h"

#define TIMEOUT_S 60

/* What the outcomes of all forks come to. */
struct tally {
	unsigned int running;
	unsigned int acked;
	unsigned int failed;
	bool fine; /* nothing went wrong with any */
};

static struct tally count(const struct fork_result *result)
{
	struct tally t = { .fine = true };

	for (unsigned int i = 0; i < result->num; i++) {
		t.fine &= !result->jobs[i].err.num;
		switch (result->jobs[i].outcome) {
		case FORK_FAILED:
			t.failed++;
			break;
		case FORK_UNACKED:
			break;
		case FORK_RUNNING:
			t.running++;
			break;
		case FORK_ACKED:
			t.acked++;
			break;
		}
	}
	return t;
}

static json_t *describe(const struct fork_result *result, const char *snapshot)
{
	struct tally t = count(result);
	json_t *forks = json_array();

	for (unsigned int i = 0; i < result->num; i++)
		json_array_append_new(
			forks,
			fork_job_describe(&result->jobs[i], result->start_us));
	return json_pack("{s:s,s:i,s:i,s:i,s:I,s:o}", "snapshot", snapshot,
			 "requested", (int)result->num, "acked", (int)t.acked,
			 "failed", (int)t.failed, "wall_us",
			 (json_int_t)result->wall_us, "forks", forks);
}

static bool was_hinted(const struct fork_result *result, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		if (result->jobs[i].err.num &&
		    !strcmp(result->jobs[i].err.hint,
			    result->jobs[num].err.hint))
			return true;
	return false;
}

/* A hint is good for all that it fits. */
static void tell_errors(const struct fork_result *result)
{
	for (unsigned int i = 0; i < result->num; i++) {
		const struct vf_err *err = &result->jobs[i].err;

		if (!err->num)
			continue;
		vf_log(VF_LOG_ERROR, "fork %s: %s", result->jobs[i].vm.name,
		       err->msg);
		if (*err->hint && !was_hinted(result, i))
			vf_log(VF_LOG_ERROR, "hint: %s", err->hint);
	}
}

static int report(struct cmd *cmd, const struct fork_result *result,
		  const char *snapshot, struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "FORK", .key = "name" },
		{ .title = "MAC", .key = "mac" },
		{ .title = "IPV4", .key = "ipv4" },
		{ .title = "IPV6", .key = "ipv6" },
		{ .title = "SIGNAL", .key = "signal" },
		{ .title = "RESUMED/MS",
		  .key = "timeline_us.resumed",
		  .is_us = true },
		{ .title = "SIGNAL/MS",
		  .key = "timeline_us.signal",
		  .is_us = true },
		{ .title = "MAIL/MS",
		  .key = "timeline_us.mail",
		  .is_us = true },
		{ .title = "APPLIED/MS",
		  .key = "timeline_us.applied",
		  .is_us = true },
		{ .title = "ACKED/MS",
		  .key = "timeline_us.acked",
		  .is_us = true },
		{ .title = "SETTLED/MS",
		  .key = "timeline_us.settled",
		  .is_us = true },
		{ .title = "VERIFIED", .key = "verified" },
	};
	__json json_t *json = describe(result, snapshot);
	struct tally t = count(result);
	int ret = 0;

	if (cmd->json)
		ret = cmd_print_json(json, err);
	else
		cmd_print_table(json_object_get(json, "forks"), columns,
				ARRAY_SIZE(columns));
	tell_errors(result);
	if (ret < 0)
		return ret;
	if (t.failed == result->num)
		return CMD_EXIT_FAILED;
	return t.fine ? CMD_EXIT_DONE : CMD_EXIT_PARTLY;
}

struct order {
	const char *snapshot;
	struct fork_request request;
	struct told_words told;
	struct opt_order links;
	const char *waves;    /* as it stands on the command line, or NULL */
	const char *wait;     /* as it stands on the command line, or NULL */
	const char *trace;    /* file, or NULL */
	const char *prefetch; /* as it stands on the command line */
	bool no_wait;
	bool refill;
	bool stages;
	unsigned int timeout_s;
};

/* As many as were taken. The forks are there, whatever becomes of it. */
static void start_refill(const struct vf_state *state,
			 const struct snapshot *snapshot,
			 const struct fork_result *result,
			 const struct fork_request *request)
{
	struct refill refill = {
		.snapshot = snapshot->name,
		.num_links = request->num_links,
	};
	struct vf_err err;

	memcpy(refill.snapshot_id, snapshot->id, sizeof(refill.snapshot_id));
	memcpy(refill.links, request->links, sizeof(refill.links));
	for (unsigned int i = 0; i < result->num; i++)
		refill.num += result->jobs[i].from_pool;
	if (refill.num &&
	    refill_detached(state, &refill, request->cancel_fd, &err) < 0)
		vf_log(VF_LOG_WARN, "%s", err.msg);
}

/* The forks run, so that it cannot be written is not the end of all. */
static int keep_trace(const struct trace_file *file,
		      const struct fork_result *result, const char *snapshot)
{
	struct vf_err err;

	if (trace_file_write(file, result, snapshot, &err) == 0)
		return CMD_EXIT_DONE;
	vf_log(VF_LOG_ERROR, "%s", err.msg);
	return CMD_EXIT_PARTLY;
}

static int run_traced(struct cmd *cmd, const struct vf_state *state,
		      const struct order *order, const struct trace_file *trace,
		      struct vf_err *err)
{
	struct snapshot snapshot = { .dir_fd = -1 };
	struct fork_result result = { 0 };
	const struct fork_request *request = &order->request;
	int64_t deadline_us =
		order->no_wait ? 0
			       : request->start_us +
					 (int64_t)request->timeout_ms * 1000;
	int ret = snapshot_await(state, order->snapshot, deadline_us,
				 request->cancel_fd, err);

	if (!ret)
		ret = snapshot_open(&snapshot, state, order->snapshot, err);
	if (!ret)
		ret = links_check_num(cmd, request->num_links, &snapshot, err);
	if (!ret)
		ret = fork_snapshot(&result, state, &snapshot, &order->request,
				    err);
	if (!ret) {
		int kept = keep_trace(trace, &result, order->snapshot);

		ret = report(cmd, &result, order->snapshot, err);
		ret = ret == CMD_EXIT_DONE ? kept : ret;
	}
	if (ret >= 0 && order->refill)
		start_refill(state, &snapshot, &result, request);
	fork_result_exit(&result);
	snapshot_close(&snapshot);
	return ret;
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	struct trace_file trace;
	int ret = trace_file_open(&trace, order->trace, err);

	if (!ret)
		ret = run_traced(cmd, state, order, &trace, err);
	trace_file_close(&trace);
	return ret;
}

static int parse_wait(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	static const char *const names[] = {
		[FORK_WAIT_NONE] = "none",
		[FORK_WAIT_NETWORK] = "network",
		[FORK_WAIT_SETTLED] = "settled",
	};
	struct fork_request *request = &order->request;
	const char *name = order->wait;

	static_assert(ARRAY_SIZE(names) == FORK_WAIT_NUM, "waits");
	if (order->no_wait && name && strcmp(name, "none") != 0)
		return cmd_usage_error(cmd, err, "--wait %s and --no-wait",
				       name);
	if (!request->post && name && strcmp(name, "none") != 0)
		return cmd_usage_error(
			cmd, err, "--wait %s: nobody answers with --no-mail",
			name);
	if (!name)
		name = order->no_wait || !request->post ? "none" : "settled";
	for (int i = 0; i < FORK_WAIT_NUM; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		request->wait = (enum fork_wait)i;
		/* with --no-mail there is nobody to wait for, but the writer */
		if (order->wait && request->wait == FORK_WAIT_NONE)
			order->no_wait = true;
		return 0;
	}
	return cmd_usage_error(cmd, err,
			       "--wait '%s': none of network, settled and none",
			       name);
}

static int parse_waves(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	const char *text = order->waves;
	char end;

	if (!text)
		return 0;
	if (order->request.wait == FORK_WAIT_NONE)
		return cmd_usage_error(cmd, err,
				       "--waves: nobody is waited for, all go");
	if (!strcmp(text, "all")) {
		order->request.waves = FORK_MAX;
		return 0;
	}
	if (sscanf(text, "%4u%c", &order->request.waves, &end) == 1 &&
	    order->request.waves >= 1 && order->request.waves <= FORK_MAX)
		return 0;
	return cmd_usage_error(cmd, err,
			       "--waves '%s': neither 1 to %d nor all", text,
			       FORK_MAX);
}

static int parse_links(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	struct fork_request *request = &order->request;
	int ret = links_parse(cmd, request->links, &request->num_links,
			      &order->links, err);

	if (ret < 0)
		return ret;
	if (request->num > 1 &&
	    links_has_personal(request->links, request->num_links))
		return cmd_usage_error(
			cmd, err, "--ip and --mac are for one fork, not for %u",
			request->num);
	return 0;
}

/* What contradicts itself would silently be of no effect. */
static int check_order(struct cmd *cmd, const struct order *order,
		       struct vf_err *err)
{
	const struct fork_request *request = &order->request;
	const char *asked = told_asked(&order->told);

	if (order->refill && request->cold)
		return cmd_usage_error(
			cmd, err, "--refill: nothing is taken with --cold");
	if (!asked)
		asked = links_asked(&order->links);
	if (!request->post && asked)
		return cmd_usage_error(
			cmd, err, "--%s: nobody is told with --no-mail", asked);
	if (request->wait == FORK_WAIT_NONE && order->stages)
		return cmd_usage_error(cmd, err, "--stages: nobody listens");
	if (request->wait < FORK_WAIT_SETTLED)
		return 0;
	return told_check_wait(cmd, &order->told, order->timeout_s, err);
}

/* What the options mean. Return: 0 or -EINVAL */
static int parse_order(struct cmd *cmd, struct order *order, struct vf_err *err)
{
	struct fork_request *request = &order->request;
	unsigned int timeout_s = order->timeout_s;
	int ret;

	if (request->num < 1 || request->num > FORK_MAX)
		return cmd_usage_error(cmd, err, "--number: not 1 to %d",
				       FORK_MAX);
	request->timeout_ms =
		(int)(timeout_s < 86400 ? timeout_s : 86400) * 1000;
	ret = parse_wait(cmd, order, err);
	if (!ret)
		ret = parse_waves(cmd, order, err);
	if (!ret)
		ret = cmd_parse_prefetch(cmd, &order->request.prefetch,
					 order->prefetch, err);
	if (!ret)
		ret = parse_links(cmd, order, err);
	if (!ret)
		ret = told_parse(cmd, &request->told, &order->told, err);
	request->told.all.tells_stages = order->stages;
	return ret < 0 ? ret : check_order(cmd, order, err);
}

/* Return: see cmd_parse() */
static int parse_options(struct cmd *cmd, struct order *order, int *argc,
			 char ***argv, struct vf_err *err)
{
	struct opt told[TOLD_OPTS], links[LINKS_OPTS];
	const struct opt opts[] = {
		{ "number", 'n', OPT_UINT, &order->request.num, "N",
		  "how many forks (1)" },
		{ "name", 0, OPT_STRING, &order->request.prefix, "PREFIX",
		  "call them PREFIX-1 … (the snapshot's name)" },
		{ "wait", 0, OPT_STRING, &order->wait, "WHAT",
		  "return once they have network, settled, or none (settled)" },
		{ "no-wait", 0, OPT_FLAG, &order->no_wait, NULL,
		  "the same as --wait none: return when they run" },
		{ "cold", 0, OPT_FLAG, &order->request.cold, NULL,
		  "take no engine from the pool" },
		{ "refill", 0, OPT_FLAG, &order->refill, NULL,
		  "fill up what was taken from it, in the background" },
		{ "timeout", 't', OPT_UINT, &order->timeout_s, "SECONDS",
		  "how long to wait for that, each from its resumption (60)" },
		{ "waves", 0, OPT_STRING, &order->waves, "N",
		  "resume N at a time, or all (processors and one)" },
		{ "no-mail", 0, OPT_NEGATE, &order->request.post, NULL,
		  "no mail: they keep their parent's network, reach nobody" },
		{ "prefetch", 0, OPT_STRING, &order->prefetch, "WHAT",
		  "read ahead: auto, off, list, or a size (auto)" },
		{ "stages", 0, OPT_FLAG, &order->stages, NULL,
		  "have them tell of each stage, in stages_us" },
		{ "trace", 0, OPT_STRING, &order->trace, "FILE",
		  "write the stages of all forks as a trace for Perfetto" },
		{ "", 0, OPT_TABLE, links, NULL, NULL },
		{ "", 0, OPT_TABLE, told, NULL, NULL },
		{ 0 },
	};
	const struct usage usage = {
		"SNAPSHOT",
		"Fork a snapshot: N VMs, each with an identity of its own.",
		opts,
		1,
		1,
	};

	links_opts(links, &order->links);
	told_opts(told, &order->told);
	return cmd_parse(cmd, &usage, argc, argv, err);
}

int cmd_fork(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order = {
		.request = { .num = 1,
			     .post = true,
			     .start_us = cmd->start_us,
			     .cancel_fd = cmd->cancel_fd },
		.prefetch = "auto",
		.timeout_s = TIMEOUT_S,
	};
	int ret = parse_options(cmd, &order, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = parse_order(cmd, &order, err);
	if (ret < 0)
		return ret;
	order.snapshot = argv[0];
	return cmd_change(cmd, GC_MAKES, run, &order, err);
}
