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

/* As far as it went: what was done is told, whatever became of the next one. */
static int report(struct cmd *cmd, const json_t *done, int failed,
		  struct vf_err *err)
{
	int ret;

	if (failed < 0 && !json_array_size(done))
		return failed;
	if (failed < 0)
		tell(err);
	ret = cmd_print_lines(cmd, done, err);
	return ret == CMD_EXIT_DONE && failed < 0 ? CMD_EXIT_PARTLY : ret;
}

/* All that can be told before is told before the first one ends. */
static int keep(struct cmd *cmd, const struct vf_state *state,
		const struct request *r, struct vf_err *err)
{
	__json json_t *names = NULL, *kept = json_array();
	json_t *name;
	size_t i;
	int ret = choose(state, r, &names, err);

	json_array_foreach(names, i, name)
		if (!ret)
			ret = keep_check(state, json_string_value(name), err);
	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) {
		ret = keep_stop(state, json_string_value(name), &r->how, err);
		if (ret < 0)
			break;
		json_array_append(kept, name);
	}
	return report(cmd, kept, ret, err);
}

static int reap(struct cmd *cmd, const struct vf_state *state,
		const struct request *r, json_t *names, struct vf_err *err)
{
	/* what keeps the machine busy keeps it from us, too */
	bool hurries = cpu_hurry();
	int ret = r->all ? reap_unkept(state, names, cmd->cancel_fd, err)
			 : reap_vms(state, names, cmd->cancel_fd, err);

	cpu_unhurry(hurries);
	return ret;
}

/*
 * It has to end, whatever becomes of its guest; its disks were asked for. What fails
 * once it has ended, or because others are at work on it, is not tried again.
 */
static int keep_anyhow(const struct vf_state *state, const char *name,
		       const struct keep_request *how, struct vf_err *err)
{
	struct keep_request cut = *how;
	struct vf_err why;
	int ret = keep_stop(state, name, how, &why);

	if (!ret)
		return 0;
	*err = why;
	if (ret == -ECANCELED || ret == -EBUSY || !how->quiesce ||
	    vm_get_state(state, name) != VM_STATE_RUNNING)
		return ret;
	cut.quiesce = false;
	ret = keep_stop(state, name, &cut, err);
	if (!ret)
		vf_log(VF_LOG_WARN, "%s: ended and kept, as by a power cut",
		       why.msg);
	return ret;
}

/* Those of @names that are kept go into @kept. */
static void set_apart(const struct vf_state *state, json_t *names, json_t *kept)
{
	struct vf_err ignored;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		struct vm vm;

		vm_open(&vm, state, json_string_value(name), &ignored);
		if (vm_is_kept(&vm)) {
			json_array_append(kept, name);
			json_array_remove(names, i--);
		}
		vm_close(&vm);
	}
}

/* Of several that could not all be removed, some were. */
static void leave_gone(const struct vf_state *state, json_t *names)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		__close int fd = vm_run_open(state, json_string_value(name));

		if (fd != -ENOENT)
			json_array_remove(names, i--);
	}
}

/* None of them is removed that somebody wanted to be kept. */
static int stop_all(struct cmd *cmd, const struct vf_state *state,
		    const struct request *r, json_t *names, struct vf_err *err)
{
	__json json_t *kept = json_array();
	struct vf_err why;
	json_t *name;
	size_t i;
	int ret;

	set_apart(state, names, kept);
	/* the machine is then free for the guests that have to be asked */
	ret = reap(cmd, state, r, names, err);
	if (ret == -ECANCELED)
		return ret;
	if (ret < 0)
		leave_gone(state, names);
	json_array_foreach(kept, i, name) {
		const char *text = json_string_value(name);
		int ended = keep_anyhow(state, text, &r->how, &why);

		if (!ended)
			json_array_append(names, name);
		else if (ended != -ENOENT)
			vf_err_first(err, &ret, &why);
		if (ended == -ECANCELED)
			break;
	}
	return report(cmd, names, ret, err);
}

static int stop(struct cmd *cmd, const struct vf_state *state, void *ctx,
		struct vf_err *err)
{
	const struct request *r = ctx;
	__json json_t *names = NULL;
	int ret;

	if (r->keep)
		return keep(cmd, state, r, err);
	ret = choose(state, r, &names, err);
	if (!ret && r->all)
		return stop_all(cmd, state, r, names, err);
	if (!ret)
		ret = reap(cmd, state, r, names, err);
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
		  "every VM; those that were kept before are kept" },
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
	if (!request.keep && !request.all && !request.how.quiesce)
		return cmd_usage_error(cmd, err,
				       "--no-quiesce: nothing is kept without "
				       "--keep");
	if (timeout_s == NOT_GIVEN)
		timeout_s = QUIESCE_S;
	else if (!request.keep && !request.all)
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
