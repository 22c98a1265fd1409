/* SPDX-License-Identifier: MIT */
/*
 * Processes that asked for a signal after each restore: each file of notify.d
 * holds "PID [SIGNAL [START]]" (default: USR1). START is when the process began,
 * field 22 of /proc/PID/stat: with it nobody who has the number since is taken
 * for the one who asked. The folder is root's; a file there that
 * root gave to somebody else is good for processes of his own alone.
 */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent;

/* What a file says. */
struct notify_order {
	pid_t pid;
	int signal;
	uint64_t start; /* clock ticks since the boot; 0: not said */
};

/**
 * notify_parse() - Read what a file says
 * @text:	its text; hostile
 * @order:	out: what it says
 *
 * Return: false if it says something else
 */
bool notify_parse(const char *text, struct notify_order *order);

/**
 * notify_open() - Make the folder
 * @dir_fd:	where
 *
 * Return: 0 or -errno
 */
int notify_open(int dir_fd);

/**
 * notify_all() - Send the signals; files of processes that are gone are removed
 * @dir_fd:	where the folder is
 *
 * So many files are looked at and no more; that there are more is logged.
 *
 * Return: how many were sent, -errno
 */
int notify_all(int dir_fd);

/**
 * notify_run() - Task: the same
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int notify_run(struct agent *agent);

#endif
