// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "core/snapshot.h"

#define QUIESCE_S 30

struct order {
	const char *vm;
	struct snapshot_request request;
};

static void print(const struct snapshot *s)
{
	printf("%s: paused %.1f ms, took %.1f ms, %.1f MiB written%s\n",
	       s->name, (double)s->pause_us / 1000, (double)s->total_us / 1000,
	       (double)s->dirty_bytes / (1 << 20),
	       s->quiesced ? ", quiesced" : "");
}

static int take(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	const struct order *order = ctx;
	struct snapshot snapshot = { .dir_fd = -1 };
	__json json_t *json = NULL;
	struct vm vm;
	int ret = vm_open(&vm, state, order->vm, err);

	if (!ret)
		ret = snapshot_take(&snapshot, state, &vm, &order->request,
				    err);
	if (!ret && cmd->json) {
		json = snapshot_describe(&snapshot);
		ret = cmd_print_json(json, err);
	} else if (!ret) {
		print(&snapshot);
	}
	snapshot_close(&snapshot);
	vm_close(&vm);
	return ret;
}

/* The options as they were given. */
struct words {
	const char *mode;
	const char *hooks;
	unsigned int timeout_s;
};

static int parse_words(struct cmd *cmd, const struct words *w,
		       struct hold_wish *wish, struct vf_err *err)
{
	if (strcmp(w->mode, snapshot_mode_name(SNAPSHOT_MODE_FULL)) != 0)
		return cmd_usage_error(cmd, err, "--mode '%s': not full",
				       w->mode);
	if (w->hooks && !wish->quiesce)
		return cmd_usage_error(cmd, err,
				       "--hooks: none run without --quiesce");
	if (w->hooks && cmd_parse_policy(cmd, &wish->policy, w->hooks, err) < 0)
		return -EINVAL;
	if (w->timeout_s < 1 || w->timeout_s > VMFORK_HOOKS_MS_MAX / 1000)
		return cmd_usage_error(cmd, err,
				       "--quiesce-timeout: not 1 to %d",
				       VMFORK_HOOKS_MS_MAX / 1000);
	wish->timeout_ms = w->timeout_s * 1000;
	return 0;
}

int cmd_snapshot(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct words w = {
		.mode = snapshot_mode_name(SNAPSHOT_MODE_FULL),
		.timeout_s = QUIESCE_S,
	};
	/* who asks for a quiet guest wants to know that it was not */
	struct order order = {
		.request = { .mode = SNAPSHOT_MODE_FULL,
			     .hold.policy = VMFORK_POLICY_FAIL,
			     .cancel_fd = cmd->cancel_fd },
	};
	const struct opt opts[] = {
		{ "mode", 0, OPT_STRING, &w.mode, "MODE",
		  "full: everything while the VM is paused" },
		{ "quiesce", 0, OPT_FLAG, &order.request.hold.quiesce, NULL,
		  "run the guest's hooks, freeze its file systems first" },
		{ "quiesce-timeout", 0, OPT_UINT, &w.timeout_s, "SECONDS",
		  "how long the guest may take to get ready (30)" },
		{ "hooks", 0, OPT_STRING, &w.hooks, "POLICY",
		  "of hooks that fail: fail (refuse the snapshot) or ignore" },
		{ 0 },
	};
	const struct usage usage = {
		"VM NAME", "Snapshot a running VM, which goes on afterwards.",
		opts,	   2,
		2,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = parse_words(cmd, &w, &order.request.hold, err);
	if (ret < 0)
		return ret;
	order.vm = argv[0];
	order.request.name = argv[1];
	return cmd_change(cmd, GC_MAKES, take, &order, err);
}
