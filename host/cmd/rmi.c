// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/gc.h"
#include "core/snapshot.h"

static int remove_all(const struct vf_state *state, int argc, char **argv,
		      struct vf_err *err)
{
	int ret = 0;

	for (int i = 0; !ret && i < argc; i++)
		ret = snapshot_remove(state, argv[i], err);
	return ret;
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
	__json json_t *names = json_array();
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = gc_command_begin(&state, err);
	if (!ret) {
		ret = remove_all(&state, argc, argv, err);
		gc_command_end(&state);
	}
	state_close(&state);
	if (ret < 0)
		return ret;
	for (int i = 0; i < argc; i++)
		json_array_append_new(names, json_string(argv[i]));
	if (cmd->json)
		return cmd_print_json(names, err);
	for (int i = 0; i < argc; i++)
		printf("%s\n", argv[i]);
	return CMD_EXIT_DONE;
}
