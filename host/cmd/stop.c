// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>

#include "cmd/cmd.h"
#include "core/gc.h"
#include "core/reap.h"

#define GRACE_MS 2000

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
	json_array_foreach(*names, i, name)
	{
		const char *text = json_string_value(name);
		struct vm vm;
		int ret = vm_open(&vm, state, text, err);

		vm_close(&vm);
		if (ret == -ENOENT || ret == -EINVAL)
			return ret;
		if (vm_get_state(state, text) == VM_STATE_CREATING)
			return vf_err_set(err, EBUSY,
					  "VM %s: another command is making it",
					  text);
	}
	return 0;
}

static int stop(struct cmd *cmd, const struct vf_state *state, bool all,
		int argc, char **argv, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = choose(state, all, argc, argv, &names, err);

	if (!ret)
		ret = reap_vms(state, names, GRACE_MS, err);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(names, err);
	json_array_foreach(names, i, name)
		printf("%s\n", json_string_value(name));
	return CMD_EXIT_DONE;
}

int cmd_stop(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	bool all = false;
	const struct opt opts[] = {
		{ "all", 0, OPT_FLAG, &all, NULL, "every VM" },
		{ 0 },
	};
	const struct usage usage = {
		"VM...", "End VMs and free what they held.", opts, 0, -1,
	};
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (all == (argc > 0))
		return cmd_usage_error(cmd, err, "needs names, or --all");
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = gc_command_begin(&state, err);
	if (!ret) {
		ret = stop(cmd, &state, all, argc, argv, err);
		gc_command_end(&state);
	}
	state_close(&state);
	return ret;
}
