/* SPDX-License-Identifier: MIT */
#ifndef AGENT_READY_H
#define AGENT_READY_H

/**
 * ready_tell() - Tell who started us that we are armed
 *
 * A service manager that waits for that names a socket in $NOTIFY_SOCKET
 * (sd_notify(3)); others are told nothing. Nobody else is to speak for us, so the
 * variable is gone afterwards.
 */
void ready_tell(void);

#endif
