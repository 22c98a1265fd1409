// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/snapshot.h"

static int remove_all(struct cmd *cmd, const struct vf_state *state, void *ctx,
		      struct vf_err *err)
{
	__json json_t *names = json_array();

	/* all or none: a name that is wrong is found before anything is gone */
	for (char **name = ctx; *name; name++) {
		int ret = snapshot_exists(state, *name, err);

		if (ret < 0)
			return ret;
	}
	for (char **name = ctx; *name; name++) {
		int ret = snapshot_remove(state, *name, err);

		if (ret < 0)
			return ret;
		json_array_append_new(names, json_string(*name));
		if (!cmd->json)
			printf("%s\n", *name);
	}
	return cmd->json ? cmd_print_json(names, err) : CMD_EXIT_DONE;
}

int cmd_rmi(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = {
		"SNAPSHOT...",
		"Remove snapshots. Forks that run are not disturbed.",
		NULL,
		1,
		-1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	return cmd_change(cmd, GC_FREES, remove_all, argv, err);
}
