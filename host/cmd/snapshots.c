// SPDX-License-Identifier: MIT
#include "cmd/cmd.h"
#include "core/snapshot.h"

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

int cmd_snapshots(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = { "", "List the snapshots.", NULL, 0, 0 };
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	return cmd_read(cmd, list, NULL, err);
}
