/* SPDX-License-Identifier: MIT */
/* What tells one machine, and one boot of it, from another. */
#ifndef AGENT_MACHINEID_H
#define AGENT_MACHINEID_H

struct agent;

/**
 * machineid_apply() - Task: machine-id(5), D-Bus's copy, a fresh boot id
 * @agent:	agent
 *
 * A file that is not there, or a symbolic link, is left alone. The boot id is
 * the kernel's own and cannot be set: a file is mounted over it.
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int machineid_apply(struct agent *agent);

#endif
