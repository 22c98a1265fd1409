/* SPDX-License-Identifier: MIT */
#ifndef AGENT_READY_H
#define AGENT_READY_H

#include <sys/socket.h>
#include <sys/un.h>

/* Who waits for us; nobody if it is zero, or once they are told. */
struct ready {
	struct sockaddr_un addr;
	socklen_t addr_len;
	int fd;
};

/**
 * ready_init() - Take note of who wants to know that we are ready
 * @ready:	out: who
 *
 * A service manager names a socket in $NOTIFY_SOCKET (sd_notify(3)), a script the
 * number of an open descriptor in $NOTIFY_FD. To be called before anything is
 * opened: what has that number then is what was meant. Nobody else is to speak for
 * us, so both variables are gone afterwards, and hooks do not inherit the
 * descriptor. What is no such socket or number is nobody.
 */
void ready_init(struct ready *ready);

/**
 * ready_tell() - Tell who started us that we are armed and have our network
 * @ready:	who; nobody from here on, so only the first call counts
 *
 * The mail at boot has been applied by then, names and resolver included, or has
 * failed, or there is none: what waits for us finds the network that it will have.
 * The socket gets READY=1; the descriptor a newline, and is closed. SIGPIPE has to be
 * ignored: its reader may be gone.
 */
void ready_tell(struct ready *ready);

#endif
