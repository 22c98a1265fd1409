/* SPDX-License-Identifier: MIT */
/* What is done when the VM wakes up as a copy, and what follows from it. */
#ifndef AGENT_RESTORE_H
#define AGENT_RESTORE_H

#include "agent.h"

/**
 * restore_init() - Make the timers known
 * @agent:	agent
 *
 * Return: 0 or -errno
 */
int restore_init(struct agent *agent);

/**
 * restore_wake() - A restore was noticed: the hot path
 * @agent:	agent
 * @signal:	what told
 */
void restore_wake(struct agent *agent, enum vmfork_signal signal);

/**
 * restore_boot() - Apply the mail at boot, if there is some
 * @agent:	agent, armed; its mail is the one at boot, or zero
 *
 * Where the interface is missing it is waited for, since its driver may come
 * later than we do. A restore in that time waits for its own in the same way.
 */
void restore_boot(struct agent *agent);

/**
 * restore_arm() - Be ready for the next restore
 * @agent:	agent
 */
void restore_arm(struct agent *agent);

/**
 * restore_answered() - The host answered an acknowledgement
 * @agent:	agent
 * @kind:	which
 */
void restore_answered(struct agent *agent, enum vmfork_ack_kind kind);

/**
 * restore_is_over() - Is there nothing more to be done for the last restore?
 * @agent:	agent
 *
 * Return: true if so, be it done, refused, or without mail
 */
bool restore_is_over(const struct agent *agent);

/**
 * restore_ready() - The tasks have ended that who waits for us relies on
 * @agent:	agent
 *
 * Of a boot, or of what came in the middle of one. May be called more than once.
 */
void restore_ready(struct agent *agent);

/**
 * restore_settled() - The tasks that follow the network have ended
 * @agent:	agent
 */
void restore_settled(struct agent *agent);

#endif
