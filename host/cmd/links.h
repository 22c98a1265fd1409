/* SPDX-License-Identifier: MIT */
/* The options that say what is asked of a VM's interfaces. */
#ifndef VF_CMD_LINKS_H
#define VF_CMD_LINKS_H

#include "cmd/cmd.h"
#include "core/snapshot.h"

#define LINKS_OPTS 10

/**
 * links_opts() - The table of these options
 * @opts:	out: for an OPT_TABLE
 * @order:	out: where they note what is on the command line
 */
void links_opts(struct opt opts[LINKS_OPTS], struct opt_order *order);

/**
 * links_parse() - What the options mean
 * @cmd:	command
 * @links:	out: VM_NICS_MAX of them; those without a --net have no name
 * @num:	out: how many anything was asked of
 * @order:	what stood on the command line: --net begins the next interface,
 *		what comes before the first one is about the first, too
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int links_parse(struct cmd *cmd, struct vm_link *links, unsigned int *num,
		const struct opt_order *order, struct vf_err *err);

/**
 * links_check_num() - Has a snapshot so many interfaces?
 * @cmd:	command
 * @num:	of which anything was asked
 * @snapshot:	snapshot
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int links_check_num(struct cmd *cmd, unsigned int num,
		    const struct snapshot *snapshot, struct vf_err *err);

/**
 * links_asked() - Is there anything that a guest has to be told?
 * @order:	what stood on the command line
 *
 * Return: name of the first such option, NULL if there is none
 */
const char *links_asked(const struct opt_order *order);

/**
 * links_has_personal() - Is a MAC or an address asked for?
 * @links:	links
 * @num:	how many
 *
 * Return: true if so; only one VM can have it then
 */
bool links_has_personal(const struct vm_link *links, unsigned int num);

#endif
