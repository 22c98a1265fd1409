// SPDX-License-Identifier: MIT
#include "cmd/cmd.h"
#include "cmd/vminfo.h"
#include "core/vm.h"

static int list(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
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
		{ .title = "DISKS", .key = "disks" },
		{ .title = "SHAPING", .key = "shaping" },
		{ .title = "MEMORY/MIB",
		  .key = "memory_bytes",
		  .is_bytes = true },
		{ .title = "PRIVATE/MIB",
		  .key = "private_bytes",
		  .is_bytes = true },
		{ .title = "SHARED/MIB",
		  .key = "shared_bytes",
		  .is_bytes = true },
	};
	__json json_t *names = NULL, *rows = NULL;
	int ret = vm_list(state, &names, err);

	(void)ctx;
	if (ret < 0)
		return ret;
	rows = vminfo_list(state, names);
	return cmd_print_rows(cmd, rows, columns, ARRAY_SIZE(columns), err);
}

int cmd_ps(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = { "", "List the VMs.", NULL, 0, 0 };
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	return cmd_read(cmd, list, NULL, err);
}
