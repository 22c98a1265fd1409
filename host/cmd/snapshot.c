// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "core/snapshot.h"

static int take(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	char **names = ctx; /* of the VM and of the snapshot */
	struct snapshot snapshot = { .dir_fd = -1 };
	__json json_t *json = NULL;
	struct vm vm;
	int ret = vm_open(&vm, state, names[0], err);

	if (!ret)
		ret = snapshot_take(&snapshot, state, &vm, names[1],
				    SNAPSHOT_MODE_FULL, cmd->cancel_fd, err);
	if (!ret && cmd->json) {
		json = snapshot_describe(&snapshot);
		ret = cmd_print_json(json, err);
	} else if (!ret) {
		printf("%s: paused %.1f ms, took %.1f ms, %.1f MiB written\n",
		       snapshot.name, (double)snapshot.pause_us / 1000,
		       (double)snapshot.total_us / 1000,
		       (double)snapshot.dirty_bytes / (1 << 20));
	}
	snapshot_close(&snapshot);
	vm_close(&vm);
	return ret;
}

int cmd_snapshot(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const char *mode = snapshot_mode_name(SNAPSHOT_MODE_FULL);
	const struct opt opts[] = {
		{ "mode", 0, OPT_STRING, &mode, "MODE",
		  "full: everything while the VM is paused" },
		{ 0 },
	};
	const struct usage usage = {
		"VM NAME", "Snapshot a running VM, which goes on afterwards.",
		opts,	   2,
		2,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (strcmp(mode, snapshot_mode_name(SNAPSHOT_MODE_FULL)) != 0)
		return cmd_usage_error(cmd, err, "--mode '%s': not full", mode);
	return cmd_change(cmd, GC_MAKES, take, argv, err);
}
