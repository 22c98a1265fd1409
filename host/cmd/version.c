// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/cmd.h"
#include "vmfork_mailbox.h"

#define VERSION "0.1.0"

int cmd_version(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	const struct usage usage = { "", "Print the version.", NULL, 0, 0 };
	__json json_t *json = json_pack("{s:s,s:i}", "version", VERSION,
					"mailbox", VMFORK_MAILBOX_VERSION);
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (cmd->json)
		return cmd_print_json(json, err);
	printf("vmfork %s (mailbox %d)\n", VERSION, VMFORK_MAILBOX_VERSION);
	return CMD_EXIT_DONE;
}
