/* SPDX-License-Identifier: MIT */
/* The options that say what forks are told beside their network. */
#ifndef VF_CMD_TOLD_H
#define VF_CMD_TOLD_H

#include "cmd/cmd.h"
#include "core/told.h"

#define TOLD_OPTS 12

/* What stands on the command line. */
struct told_words {
	const char *hostname;
	bool no_hostname;
	struct opt_words dns;
	struct opt_words search;
	bool keep_machine_id;
	bool no_clock;
	bool keep_tcp;
	const char *hooks;
	unsigned int hooks_timeout_s;
	const char *payload;
	const char *payload_dir;
};

/**
 * told_opts() - The table of these options
 * @opts:	out: for struct usage.more
 * @words:	out: where they put what is on the command line
 */
void told_opts(struct opt opts[TOLD_OPTS], struct told_words *words);

/**
 * told_parse() - What the options mean
 * @cmd:	command
 * @told:	out; it points to the words
 * @words:	what stood on the command line
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int told_parse(struct cmd *cmd, struct told *told,
	       const struct told_words *words, struct vf_err *err);

#endif
