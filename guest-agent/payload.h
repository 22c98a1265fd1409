/* SPDX-License-Identifier: MIT */
/* What the host gives the workload: a file that only root can read. */
#ifndef AGENT_PAYLOAD_H
#define AGENT_PAYLOAD_H

#define PAYLOAD_FILE "payload" /* below STATUS_DIR */

struct agent;

/**
 * payload_deliver() - Task: write it, or remove the parent's; erase our copy
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int payload_deliver(struct agent *agent);

#endif
