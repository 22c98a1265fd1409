/* SPDX-License-Identifier: MIT */
/*
 * What became of a restore, for people and programs in the guest: the status
 * file, the log line, and the record of an agent that is started again. Slow:
 * never before the acknowledgement left.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent.h"

/**
 * report_init() - Make the timer known
 * @agent:	agent
 *
 * Return: 0 or -errno
 */
int report_init(struct agent *agent);

/**
 * report_format() - The status as JSON, as the interfaces are now
 * @agent:	agent; the document is in its json, ended by a NUL
 *
 * Return: its length in bytes, or -E2BIG
 */
int report_format(struct agent *agent);

/**
 * report_now() - Write the files; log the restore, once
 * @agent:	agent
 */
void report_now(struct agent *agent);

/**
 * report_soon() - The same in a while, unless report_now() is first
 * @agent:	agent
 */
void report_soon(struct agent *agent);

#endif
