// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bake/bake.h"
#include "cmd/cmd.h"
#include "names.h"
#include "vmfork_mailbox.h"

/* The options as they were given. */
struct words {
	const char *init;
	bool remove;
	bool check;
};

static int print_report(const struct cmd *cmd, const json_t *report,
			struct vf_err *err)
{
	const char *state = json_string_value(json_object_get(report, "state"));
	const char *init = json_string_value(json_object_get(report, "init"));
	const json_t *faults = json_object_get(report, "faults"), *fault;
	size_t i;
	int ret = 0;

	if (cmd->json) {
		ret = cmd_print_json(report, err);
	} else {
		printf("%s: %s%s%s\n",
		       json_string_value(json_object_get(report, "target")),
		       strcmp(state, "none") ? state : "nothing is baked in",
		       init ? ", started by " : "", init ? init : "");
		json_array_foreach(faults, i, fault)
			printf("  %s\n", json_string_value(fault));
	}
	return ret;
}

static bool signal_is_known(const char *word)
{
	if (!strcmp(word, "auto"))
		return true;
	for (uint32_t i = VMFORK_SIGNAL_MAILBOX; i <= VMFORK_SIGNAL_VMGENID;
	     i++)
		if (!strcmp(word, vmfork_signal_name(i)))
			return true;
	return false;
}

static int parse_words(struct cmd *cmd, const struct words *w,
		       struct bake_request *request, struct vf_err *err)
{
	if (w->remove && w->check)
		return cmd_usage_error(cmd, err,
				       "--remove and --check: one of "
				       "them");
	if (w->remove || w->check)
		request->action = w->remove ? BAKE_REMOVE : BAKE_CHECK;
	if (init_parse(&request->init, w->init) < 0)
		return cmd_usage_error(
			cmd, err,
			"--init '%s': not auto, systemd, openrc, "
			"busybox or none",
			w->init);
	if (!signal_is_known(request->signal))
		return cmd_usage_error(cmd, err,
				       "--signal '%s': not auto, mailbox, "
				       "vmgenid, vmclock or vmclock-spin",
				       request->signal);
	return 0;
}

/* Is it as the user wants to have it? */
static int status_of(const struct bake_request *request, const json_t *report)
{
	const char *state = json_string_value(json_object_get(report, "state"));

	if (request->action == BAKE_CHECK)
		return strcmp(state, "baked") ? CMD_EXIT_PARTLY : CMD_EXIT_DONE;
	return json_array_size(json_object_get(report, "faults"))
		       ? CMD_EXIT_PARTLY
		       : CMD_EXIT_DONE;
}

int cmd_bake(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct words w = { .init = "auto" };
	struct bake_request request = { .signal = "auto",
					.cancel_fd = cmd->cancel_fd };
	__json json_t *report = NULL;
	const struct opt opts[] = {
		{ "init", 0, OPT_STRING, &w.init, "INIT",
		  "what starts the agent: auto, systemd, openrc, busybox, "
		  "none" },
		{ "modules", 0, OPT_STRING, &request.modules, "KERNEL",
		  "kernel modules too: a kernel that was built, or a "
		  "directory" },
		{ "hooks", 0, OPT_STRING, &request.hooks, "DIR",
		  "hooks too: files of DIR/post-restore.d, "
		  "DIR/pre-snapshot.d" },
		{ "signal", 0, OPT_STRING, &request.signal, "SIGNAL",
		  "what tells the agent of a restore (auto)" },
		{ "remove", 0, OPT_FLAG, &w.remove, NULL,
		  "take out again what was baked in" },
		{ "check", 0, OPT_FLAG, &w.check, NULL,
		  "say what is in there; exit 3 if not all of it" },
		{ 0 },
	};
	const struct usage usage = {
		"TARGET",
		"Put the guest's agent into a root file system, and what "
		"starts it.\n\n"
		"TARGET is a directory; a tar, or a cpio as kernels take "
		"it for an initramfs,\ncompressed or not; an image with ext4 "
		"in it, raw or qcow2, with partitions or\nwithout.",
		opts,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	request.target = argv[0];
	ret = parse_words(cmd, &w, &request, err);
	if (!ret)
		ret = bake_run(&request, &report, err);
	if (!ret)
		ret = print_report(cmd, report, err);
	return ret < 0 ? ret : status_of(&request, report);
}
