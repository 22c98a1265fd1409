/* SPDX-License-Identifier: MIT */
#ifndef AGENT_READY_H
#define AGENT_READY_H

/**
 * ready_tell() - Tell who started us that we are armed and have our network
 *
 * The mail at boot has been applied by then, names and resolver included, or has
 * failed, or there is none: what waits for us finds the network that it will have.
 *
 * A service manager that waits for that names a socket in $NOTIFY_SOCKET
 * (sd_notify(3)), a script the number of an open descriptor in $NOTIFY_FD, which
 * gets a newline and is closed; others are told nothing. Nobody else is to speak
 * for us, so the variables are gone afterwards.
 */
void ready_tell(void);

#endif
