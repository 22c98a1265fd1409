// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/gc.h"

static int collect(struct cmd *cmd, const struct vf_state *state, void *ctx,
		   struct vf_err *err)
{
	__json json_t *removed = NULL;
	int ret = gc_run(state, &removed, err);

	(void)ctx;
	return ret < 0 ? ret : cmd_print_lines(cmd, removed, err);
}

int cmd_gc(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = {
		"", "Remove what dead commands and VMs left behind.", NULL, 0,
		0,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	return cmd_read(cmd, collect, NULL, err);
}
