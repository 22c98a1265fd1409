// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/ready.h"

struct order {
	char **names;
	bool cascade;
	bool force;
};

static int remove_all(struct cmd *cmd, const struct vf_state *state, void *ctx,
		      struct vf_err *err)
{
	const struct order *order = ctx;
	__json json_t *names = json_array();
	struct vf_err why;
	int ret;

	for (char **arg = order->names; *arg; arg++)
		json_array_append_new(names, json_string(*arg));
	ret = snapshot_remove(state, names,
			      order->cascade ? SNAPSHOT_ORPHANS_CASCADE
			      : order->force ? SNAPSHOT_ORPHANS_FORCE
					     : SNAPSHOT_ORPHANS_REFUSE,
			      err);
	/* some may be gone, also if not all are */
	if (ready_drop_orphans(state, &why) < 0 && !ret) {
		*err = why;
		ret = -why.num;
	}
	return ret < 0 ? ret : cmd_print_lines(cmd, names, err);
}

int cmd_rmi(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct order order = { 0 };
	const struct opt opts[] = {
		{ "cascade", 0, OPT_FLAG, &order.cascade, NULL,
		  "remove those that build on them, too" },
		{ "force", 0, OPT_FLAG, &order.force, NULL,
		  "leave those that build on them, which are lost" },
		{ 0 },
	};
	const struct usage usage = {
		"SNAPSHOT...",
		"Remove snapshots. Forks that run are not disturbed.",
		opts,
		1,
		-1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (order.cascade && order.force)
		return cmd_usage_error(cmd, err,
				       "--cascade and --force exclude each "
				       "other");
	order.names = argv;
	return cmd_change(cmd, GC_FREES, remove_all, &order, err);
}
