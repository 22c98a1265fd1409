// SPDX-License-Identifier: MIT
#include <errno.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "core/fork.h"

#define TIMEOUT_S 60

/* What the outcomes of all forks come to. */
struct tally {
	unsigned int running;
	unsigned int acked;
	unsigned int failed;
};

static struct tally count(const struct fork_result *result)
{
	struct tally t = { 0 };

	for (unsigned int i = 0; i < result->num; i++) {
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
	for (unsigned int i = 0; i < result->num; i++)
		if (result->jobs[i].err.num)
			vf_log(VF_LOG_ERROR, "fork %s: %s",
			       result->jobs[i].vm.name,
			       result->jobs[i].err.msg);
	if (ret < 0)
		return ret;
	if (t.failed == result->num)
		return CMD_EXIT_FAILED;
	return t.acked + t.running == result->num ? CMD_EXIT_DONE
						  : CMD_EXIT_PARTLY;
}

struct order {
	const char *snapshot;
	struct fork_request request;
};

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct order *order = ctx;
	struct snapshot snapshot = { .dir_fd = -1 };
	struct fork_result result = { 0 };
	int ret = snapshot_await(state, order->snapshot, order->request.wait,
				 order->request.cancel_fd, err);

	if (!ret)
		ret = snapshot_open(&snapshot, state, order->snapshot, err);
	if (!ret)
		ret = fork_snapshot(&result, state, &snapshot, &order->request,
				    err);
	if (!ret)
		ret = report(cmd, &result, order->snapshot, err);
	fork_result_exit(&result);
	snapshot_close(&snapshot);
	return ret;
}

int cmd_fork(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order = {
		.request = { .num = 1,
			     .post = true,
			     .wait = true,
			     .start_us = cmd->start_us,
			     .cancel_fd = cmd->cancel_fd },
	};
	struct fork_request *request = &order.request;
	unsigned int timeout_s = TIMEOUT_S;
	const struct opt opts[] = {
		{ "number", 'n', OPT_UINT, &request->num, "N",
		  "how many forks (1)" },
		{ "name", 0, OPT_STRING, &request->prefix, "PREFIX",
		  "call them PREFIX-1 … (the snapshot's name)" },
		{ "no-wait", 0, OPT_NEGATE, &request->wait, NULL,
		  "return when they run, not when they acknowledged" },
		{ "timeout", 't', OPT_UINT, &timeout_s, "SECONDS",
		  "how long to wait for that (60)" },
		{ "no-mail", 0, OPT_NEGATE, &request->post, NULL,
		  "no mail: they keep their parent's network, reach nobody" },
		{ 0 },
	};
	const struct usage usage = {
		"SNAPSHOT",
		"Fork a snapshot: N VMs, each with a network identity of its "
		"own.",
		opts,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (request->num < 1 || request->num > FORK_MAX)
		return cmd_usage_error(cmd, err, "--number: not 1 to %d",
				       FORK_MAX);
	request->timeout_ms =
		(int)(timeout_s < 86400 ? timeout_s : 86400) * 1000;
	request->wait = request->wait && request->post;
	order.snapshot = argv[0];
	return cmd_change(cmd, GC_MAKES, run, &order, err);
}
