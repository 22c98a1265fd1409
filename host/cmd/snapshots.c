// SPDX-License-Identifier: MIT
#include "cmd/cmd.h"
#include "core/snapshot.h"

int cmd_snapshots(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "STATUS", .key = "status" },
		{ .title = "MODE", .key = "mode" },
		{ .title = "SOURCE", .key = "source" },
		{ .title = "PAUSE/MS", .key = "pause_us", .is_us = true },
		{ .title = "TOTAL/MS", .key = "total_us", .is_us = true },
		{ .title = "WRITTEN/MIB",
		  .key = "dirty_bytes",
		  .is_bytes = true },
		{ .title = "MEMORY/MIB",
		  .key = "memory_bytes",
		  .is_bytes = true },
	};
	const struct usage usage = { "", "List the snapshots.", NULL, 0, 0 };
	__json json_t *rows = NULL;
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = snapshot_list(&state, &rows, err);
	state_close(&state);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(rows, err);
	cmd_print_table(rows, columns, ARRAY_SIZE(columns));
	return CMD_EXIT_DONE;
}
