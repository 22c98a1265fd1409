// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/gc.h"

int cmd_gc(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = {
		"", "Remove what dead commands and VMs left behind.", NULL, 0,
		0,
	};
	__json json_t *removed = NULL;
	struct vf_state state;
	json_t *line;
	size_t i;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = gc_run(&state, &removed, err);
	state_close(&state);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(removed, err);
	json_array_foreach(removed, i, line)
		printf("%s\n", json_string_value(line));
	return CMD_EXIT_DONE;
}
