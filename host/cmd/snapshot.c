// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "core/snapshot.h"

#define QUIESCE_S 30

struct order {
	const char *vm;
	bool wait;
	struct snapshot_request request;
};

static int report(struct cmd *cmd, const struct snapshot *s, struct vf_err *err)
{
	__json json_t *json = NULL;

	if (cmd->json) {
		json = snapshot_describe(s);
		return cmd_print_json(json, err);
	}
	printf("%s: %s: paused %.1f ms, ", s->name, snapshot_mode_name(s->mode),
	       (double)s->pause_us / 1000);
	if (s->writing)
		printf("being written");
	else
		printf("took %.1f ms, %.1f MiB written",
		       (double)s->total_us / 1000,
		       (double)s->dirty_bytes / (1 << 20));
	printf("%s%s\n", s->armed ? ", armed" : "",
	       s->quiesced ? ", quiesced" : "");
	return CMD_EXIT_DONE;
}

static int take(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	const struct order *order = ctx;
	struct snapshot snapshot = { .dir_fd = -1 };
	struct vm vm;
	int ret = vm_open(&vm, state, order->vm, err);

	if (!ret)
		ret = (order->wait ? snapshot_take : snapshot_take_detached)(
			&snapshot, state, &vm, &order->request, err);
	if (!ret)
		ret = report(cmd, &snapshot, err);
	snapshot_close(&snapshot);
	vm_close(&vm);
	return ret;
}

static int flatten(struct cmd *cmd, const struct vf_state *state, void *ctx,
		   struct vf_err *err)
{
	__json json_t *json = NULL;
	bool done;
	int ret = snapshot_flatten(state, ctx, cmd->cancel_fd, &done, err);

	if (ret < 0)
		return ret;
	if (cmd->json) {
		json = json_pack("{s:s,s:b}", "name", ctx, "flattened", done);
		return cmd_print_json(json, err);
	}
	printf("%s: %s\n", (char *)ctx, done ? "flattened" : "was whole");
	return CMD_EXIT_DONE;
}

/* The options as they were given. */
struct words {
	const char *mode;
	const char *hooks;
	unsigned int timeout_s;
};

static int parse_words(struct cmd *cmd, const struct words *w,
		       struct snapshot_request *request, struct vf_err *err)
{
	struct hold_wish *wish = &request->hold;

	if (snapshot_mode_parse(&request->mode, w->mode) < 0)
		return cmd_usage_error(cmd, err,
				       "--mode '%s': not full, diff, live or "
				       "auto",
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
		.mode = snapshot_mode_name(SNAPSHOT_MODE_AUTO),
		.timeout_s = QUIESCE_S,
	};
	/* who asks for a quiet guest wants to know that it was not */
	struct order order = {
		.wait = true,
		.request = { .hold = { .policy = VMFORK_POLICY_FAIL,
				       .arm = true },
			     .cancel_fd = cmd->cancel_fd },
	};
	const struct opt opts[] = {
		{ "mode", 0, OPT_STRING, &w.mode, "MODE",
		  "full, diff, live, or auto: the shortest pause (auto)" },
		{ "no-wait", 0, OPT_NEGATE, &order.wait, NULL,
		  "return when the VM runs again, not when all is written" },
		{ "arm", 0, OPT_FLAG, &order.request.hold.arm, NULL,
		  "have the agent spin for it, 4 ms at most: forks wake up "
		  "sooner (the default)" },
		{ "no-arm", 0, OPT_NEGATE, &order.request.hold.arm, NULL,
		  "leave it asleep: a signal wakes the forks" },
		{ "quiesce", 0, OPT_FLAG, &order.request.hold.quiesce, NULL,
		  "run the guest's hooks, freeze its file systems first" },
		{ "quiesce-timeout", 0, OPT_UINT, &w.timeout_s, "SECONDS",
		  "how long the guest may take to get ready (30)" },
		{ "hooks", 0, OPT_STRING, &w.hooks, "POLICY",
		  "of hooks that fail: fail (refuse the snapshot) or ignore" },
		{ 0 },
	};
	const struct usage usage = {
		"VM NAME | flatten NAME",
		"Snapshot a running VM, which goes on afterwards; or make a "
		"snapshot whole\nthat builds on another.\n\n"
		"full saves all memory while the VM is paused, diff only what "
		"changed since\nit was forked or booted, live all while it "
		"runs.",
		opts,
		2,
		2,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = parse_words(cmd, &w, &order.request, err);
	if (ret < 0)
		return ret;
	if (!strcmp(argv[0], "flatten"))
		return cmd_change(cmd, GC_MAKES, flatten, argv[1], err);
	order.vm = argv[0];
	order.request.name = argv[1];
	return cmd_change(cmd, GC_MAKES, take, &order, err);
}
