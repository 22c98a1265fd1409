/* SPDX-License-Identifier: MIT */
/*
 * Processes that asked for a signal after each restore: each file of notify.d
 * holds "PID [SIGNAL]" (default: USR1). Anybody may put a file there, but only
 * for processes of his own; root for any.
 */
#ifndef AGENT_NOTIFY_H
#define AGENT_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

struct agent;

/**
 * notify_parse() - Read what a file says
 * @text:	its text; hostile
 * @pid:	out: process
 * @signal:	out: number of the signal
 *
 * Return: false if it says something else
 */
bool notify_parse(const char *text, pid_t *pid, int *signal);

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
 * Return: how many were sent, -E2BIG if there are more files than are looked
 * at, -errno
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
