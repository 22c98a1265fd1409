/* SPDX-License-Identifier: MIT */
/* The guest's name, and who resolves names for it. */
#ifndef AGENT_NAMECONF_H
#define AGENT_NAMECONF_H

struct agent;

/**
 * nameconf_hostname() - Task: the kernel's hostname
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int nameconf_hostname(struct agent *agent);

#endif
