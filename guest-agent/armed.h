/* SPDX-License-Identifier: MIT */
/*
 * The armed wait: for the moment of a snapshot the agent does not sleep, but
 * looks at its page all the time. So it is the agent in which the vCPU stands
 * still, and in a fork no interrupt, no log and no scheduler has to come first.
 */
#ifndef AGENT_ARMED_H
#define AGENT_ARMED_H

#include <stdint.h>

#include "mailbox.h"

/* Why it ended. */
enum armed_end {
	ARMED_MAIL,  /* this is a fork */
	ARMED_ASKED, /* this is the source, and goes on: another request */
	ARMED_OVER,  /* the time is over */
};

/**
 * armed_spin() - Look for mail and for another request, at nothing else
 * @mbox:	mailbox
 * @end_ns:	until when, on monotonic_ns()'s clock
 *
 * Return: what came first; mail, if there is that and something else
 */
enum armed_end armed_spin(const struct mailbox *mbox, uint64_t end_ns);

#endif
