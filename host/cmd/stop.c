// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include "base/cpu.h"
#include "cmd/cmd.h"
#include "core/reap.h"

/* Which VMs are meant; each has to be there, and made. */
static int choose(const struct vf_state *state, bool all, int argc, char **argv,
		  json_t **names, struct vf_err *err)
{
	json_t *name;
	size_t i;

	if (all) {
		int ret = vm_list(state, names, err);

		if (ret < 0)
			return ret;
	} else {
		*names = json_array();
		for (int k = 0; k < argc; k++)
			json_array_append_new(*names, json_string(argv[k]));
	}
	json_array_foreach(*names, i, name) {
		const char *text = json_string_value(name);
		struct vm vm;
		int ret = vm_open(&vm, state, text, err);

		vm_close(&vm);
		/* it has gone since the list was made */
		if (ret == -ENOENT && all) {
			json_array_remove(*names, i--);
			continue;
		}
		if (ret == -ENOENT || ret == -EINVAL)
			return ret;
		if (vm_get_state(state, text) == VM_STATE_CREATING)
			return vf_err_set(err, EBUSY,
					  "VM %s: another command is making it",
					  text);
	}
	return 0;
}

struct request {
	bool all;
	int argc;
	char **argv;
};

static int stop(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	const struct request *r = ctx;
	__json json_t *names = NULL;
	/* what keeps the machine busy keeps it from us, too */
	bool hurries = cpu_hurry();
	int ret = choose(state, r->all, r->argc, r->argv, &names, err);

	if (!ret)
		ret = reap_vms(state, names, cmd->cancel_fd, err);
	cpu_unhurry(hurries);
	return ret < 0 ? ret : cmd_print_lines(cmd, names, err);
}

int cmd_stop(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct request request = { 0 };
	const struct opt opts[] = {
		{ "all", 0, OPT_FLAG, &request.all, NULL, "every VM" },
		{ 0 },
	};
	const struct usage usage = {
		"VM...", "End VMs and free what they held.", opts, 0, -1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (request.all == (argc > 0))
		return cmd_usage_error(cmd, err, "needs names, or --all");
	request.argc = argc;
	request.argv = argv;
	return cmd_change(cmd, GC_FREES, stop, &request, err);
}
