// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/vminfo.h"
#include "core/vm.h"

static int list(const struct vf_state *state, json_t *rows, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vm_list(state, &names, err);

	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) json_array_append_new(
		rows, vminfo_describe(state, json_string_value(name)));
	return 0;
}

int cmd_ps(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "STATE", .key = "state" },
		{ .title = "PID", .key = "pid" },
		{ .title = "SNAPSHOT", .key = "snapshot" },
		{ .title = "MAC", .key = "mac" },
		{ .title = "IPV4", .key = "ipv4" },
		{ .title = "IPV6", .key = "ipv6" },
		{ .title = "TAP", .key = "tap" },
		{ .title = "MEMORY/MIB",
		  .key = "memory_bytes",
		  .is_bytes = true },
		{ .title = "PRIVATE/MIB",
		  .key = "private_bytes",
		  .is_bytes = true },
	};
	const struct usage usage = { "", "List the VMs.", NULL, 0, 0 };
	__json json_t *rows = json_array();
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = list(&state, rows, err);
	state_close(&state);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(rows, err);
	cmd_print_table(rows, columns, ARRAY_SIZE(columns));
	return CMD_EXIT_DONE;
}
