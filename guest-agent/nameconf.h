/* SPDX-License-Identifier: MIT */
/*
 * The guest's name, and who resolves names for it. A file that is a symbolic
 * link is left alone, for somebody else writes it (systemd-resolved, say), and
 * so is one that is not there, but for resolv.conf, which is made.
 */
#ifndef AGENT_NAMECONF_H
#define AGENT_NAMECONF_H

struct agent;

/**
 * nameconf_hostname() - Task: the kernel's hostname, and /etc/hostname
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int nameconf_hostname(struct agent *agent);

/**
 * nameconf_hosts() - Task: the line of /etc/hosts that tells the hostname
 * @agent:	agent
 *
 * The line is known by its last word, a comment; all others are kept.
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int nameconf_hosts(struct agent *agent);

/**
 * nameconf_resolv() - Task: servers and domains of /etc/resolv.conf
 * @agent:	agent
 *
 * What the mail does not name is kept, options and comments too.
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int nameconf_resolv(struct agent *agent);

#endif
