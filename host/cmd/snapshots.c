// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/cleanup.h"
#include "cmd/cmd.h"
#include "core/hot.h"

static int list(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "STATUS", .key = "status" },
		{ .title = "MODE", .key = "mode" },
		{ .title = "SOURCE", .key = "source" },
		{ .title = "BUILDS-ON", .key = "parent" },
		{ .title = "PAUSE/MS", .key = "pause_us", .is_us = true },
		{ .title = "TOTAL/MS", .key = "total_us", .is_us = true },
		{ .title = "WRITTEN/MIB",
		  .key = "dirty_bytes",
		  .is_bytes = true },
		{ .title = "DISKS", .key = "disks" },
		{ .title = "MEMORY/MIB",
		  .key = "memory_bytes",
		  .is_bytes = true },
	};
	__json json_t *rows = NULL;
	int ret = snapshot_list(state, &rows, err);

	(void)ctx;
	if (ret < 0)
		return ret;
	return cmd_print_rows(cmd, rows, columns, ARRAY_SIZE(columns), err);
}

struct order {
	const char *snapshot;
	const char *fork; /* or NULL */
	bool forget;
};

static int change_hot(const struct vf_state *state, const struct order *order,
		      const struct snapshot *snapshot, int cancel_fd,
		      struct vf_err *err)
{
	struct vm vm;
	int ret = 0;

	for (int i = 0; !ret && order->forget && i < HOT_NUM; i++) {
		ret = hot_forget(snapshot, (enum hot_list)i);
		if (ret < 0)
			vf_err_errno(err, ret, "snapshot %s", snapshot->name);
	}
	if (ret < 0 || !order->fork)
		return ret;
	ret = vm_open(&vm, state, order->fork, err);
	if (!ret)
		ret = hot_mark(state, snapshot, &vm, cancel_fd, err);
	vm_close(&vm);
	return ret;
}

static int hot(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "HOT-UNTIL", .key = "list" },
		{ .title = "RUNS", .key = "runs" },
		{ .title = "SIZE/MIB", .key = "bytes", .is_bytes = true },
		{ .title = "ERROR", .key = "error" },
	};
	const struct order *order = ctx;
	__json json_t *rows = NULL;
	struct snapshot snapshot;
	int ret = snapshot_open(&snapshot, state, order->snapshot, err);

	if (!ret)
		ret = change_hot(state, order, &snapshot, cmd->cancel_fd, err);
	if (!ret) {
		rows = hot_describe(&snapshot);
		ret = cmd_print_rows(cmd, rows, columns, ARRAY_SIZE(columns),
				     err);
	}
	snapshot_close(&snapshot);
	return ret;
}

static int run_hot(struct cmd *cmd, int argc, char **argv, bool forget,
		   struct vf_err *err)
{
	struct order order = { .forget = forget };

	if (argc < 2)
		return cmd_usage_error(cmd, err, "hot: needs SNAPSHOT");
	order.snapshot = argv[1];
	order.fork = argv[2];
	if (forget && order.fork)
		return cmd_usage_error(cmd, err,
				       "--forget: and no fork beside it");
	if (forget)
		return cmd_change(cmd, GC_FREES, hot, &order, err);
	if (order.fork)
		return cmd_change(cmd, GC_MAKES, hot, &order, err);
	return cmd_read(cmd, hot, &order, err);
}

int cmd_snapshots(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	bool forget = false;
	const struct opt opts[] = {
		{ "forget", 0, OPT_FLAG, &forget, NULL,
		  "with hot: remove its lists" },
		{ 0 },
	};
	const struct usage usage = {
		"[hot SNAPSHOT [FORK]]",
		"List the snapshots; or a snapshot's hot pages, which its "
		"forks read ahead:\n"
		"what the first one used until it was acked, and what FORK had "
		"used by the\n"
		"moment in which it was named here.",
		opts,
		0,
		3,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (argc && strcmp(argv[0], "hot") != 0)
		return cmd_usage_error(cmd, err, "unexpected argument '%s'",
				       argv[0]);
	if (argc)
		return run_hot(cmd, argc, argv, forget, err);
	if (forget)
		return cmd_usage_error(cmd, err, "--forget: of what? See hot");
	return cmd_read(cmd, list, NULL, err);
}
