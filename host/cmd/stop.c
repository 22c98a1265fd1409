// SPDX-License-Identifier: MIT
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/cpu.h"
#include "base/log.h"
#include "cmd/cmd.h"
#include "core/keep.h"
#include "core/reap.h"

#define QUIESCE_S 30
#define NOT_GIVEN UINT_MAX

struct request {
	bool all;
	bool keep;
	struct keep_request how;
	int argc;
	char **argv;
};

/* Which VMs are meant; each has to be there, and made. */
static int choose(const struct vf_state *state, const struct request *r,
		  json_t **names, struct vf_err *err)
{
	json_t *name;
	size_t i;

	if (r->all) {
		int ret = vm_list(state, names, err);

		if (ret < 0)
			return ret;
	} else {
		*names = json_array();
		for (int k = 0; k < r->argc; k++)
			json_array_append_new(*names, json_string(r->argv[k]));
	}
	json_array_foreach(*names, i, name) {
		const char *text = json_string_value(name);
		struct vm vm;
		int ret = vm_open(&vm, state, text, err);

		vm_close(&vm);
		/* it has gone since the list was made, or has ended */
		if (r->all && (ret == -ENOENT ||
			       vm_get_state(state, text) == VM_STATE_STOPPED)) {
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

static void tell(const struct vf_err *why)
{
	vf_log(VF_LOG_ERROR, "%s", why->msg);
	if (*why->hint)
		vf_log(VF_LOG_ERROR, "hint: %s", why->hint);
}

/* As far as it goes: what was kept is told, whatever became of the next one. */
static int keep_all(struct cmd *cmd, const struct vf_state *state,
		    const struct request *r, const json_t *names,
		    struct vf_err *err)
{
	__json json_t *kept = json_array();
	bool failed;
	json_t *name;
	int ret = 0;
	size_t i;

	json_array_foreach(names, i, name) {
		ret = keep_stop(state, json_string_value(name), &r->how, err);
		if (ret < 0)
			break;
		json_array_append(kept, name);
	}
	if (ret < 0 && !json_array_size(kept))
		return ret;
	if (ret < 0)
		tell(err);
	failed = ret < 0;
	ret = cmd_print_lines(cmd, kept, err);
	return ret == CMD_EXIT_DONE && failed ? CMD_EXIT_PARTLY : ret;
}

/* All that can be told before is told before the first one ends. */
static int keep(struct cmd *cmd, const struct vf_state *state,
		const struct request *r, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = choose(state, r, &names, err);

	json_array_foreach(names, i, name)
		if (!ret)
			ret = keep_check(state, json_string_value(name), err);
	return ret < 0 ? ret : keep_all(cmd, state, r, names, err);
}

static int stop(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	const struct request *r = ctx;
	__json json_t *names = NULL;
	bool hurries;
	int ret;

	if (r->keep)
		return keep(cmd, state, r, err);
	/* what keeps the machine busy keeps it from us, too */
	hurries = cpu_hurry();
	ret = choose(state, r, &names, err);
	if (!ret)
		ret = r->all ? reap_running(state, names, cmd->cancel_fd, err)
			     : reap_vms(state, names, cmd->cancel_fd, err);
	cpu_unhurry(hurries);
	return ret < 0 ? ret : cmd_print_lines(cmd, names, err);
}

int cmd_stop(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct request request = {
		.how = { .quiesce = true, .cancel_fd = cmd->cancel_fd },
	};
	unsigned int timeout_s = NOT_GIVEN;
	const struct opt opts[] = {
		{ "all", 0, OPT_FLAG, &request.all, NULL,
		  "every VM, but for those that are kept and have ended" },
		{ "keep", 0, OPT_FLAG, &request.keep, NULL,
		  "keep disks, addresses and name: 'vmfork start' goes on" },
		{ "no-quiesce", 0, OPT_NEGATE, &request.how.quiesce, NULL,
		  "lose what the guest has not written to its disks" },
		{ "quiesce-timeout", 0, OPT_UINT, &timeout_s, "SECONDS",
		  "how long to wait until it has (30)" },
		{ 0 },
	};
	const struct usage usage = {
		"VM...",
		"End VMs, and free what they held unless they are kept.",
		opts,
		0,
		-1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (request.all == (argc > 0))
		return cmd_usage_error(cmd, err, "needs names, or --all");
	if (!request.keep && !request.how.quiesce)
		return cmd_usage_error(cmd, err,
				       "--no-quiesce: nothing is kept without "
				       "--keep");
	if (timeout_s == NOT_GIVEN)
		timeout_s = QUIESCE_S;
	else if (!request.keep)
		return cmd_usage_error(cmd, err,
				       "--quiesce-timeout: nothing is kept "
				       "without --keep");
	if (timeout_s < 1 || timeout_s > VMFORK_HOOKS_MS_MAX / 1000)
		return cmd_usage_error(cmd, err,
				       "--quiesce-timeout: not 1 to %d",
				       VMFORK_HOOKS_MS_MAX / 1000);
	request.how.timeout_ms = timeout_s * 1000;
	request.argc = argc;
	request.argv = argv;
	return cmd_change(cmd, GC_FREES, stop, &request, err);
}
