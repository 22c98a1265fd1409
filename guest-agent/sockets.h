/* SPDX-License-Identifier: MIT */
/*
 * TCP connections that are the parent's: bound to addresses that the fork no
 * longer has. The peers know nothing of the fork, and go on with the parent; in
 * the fork they would stay for hours, and their programs wait.
 *
 * UDP is left alone: it has no connection to end, the next send from an address
 * that is gone fails by itself, and a server on any address goes on to serve.
 */
#ifndef AGENT_SOCKETS_H
#define AGENT_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "netcfg.h"
#include "rtnl.h"

struct agent;

/* Zeroed before; opened once it is needed, or warmed. */
struct sockets {
	struct rtnl rtnl;
	bool is_open;
	bool is_warm;
};

/**
 * sockets_close() - Close it
 * @sockets:	sockets
 */
void sockets_close(struct sockets *sockets);

/**
 * sockets_warm() - Have the kernel load its module before it is needed, once
 * @sockets:	sockets
 *
 * In forks it would cost each of them a process.
 */
void sockets_warm(struct sockets *sockets);

/**
 * sockets_destroy() - End the TCP sockets that are bound to addresses
 * @sockets:	sockets
 * @route:	socket for routes, used where IPv6 connections are ended
 * @batch:	room for messages
 * @dropped:	the addresses
 * @num_killed:	out: how many there were, zeroed before
 *
 * Nothing of it is sent. IPv4 addresses count as well when IPv6 sockets are bound to them.
 *
 * Return: 0 or -errno, -ENOENT if the kernel does not tell of sockets,
 * -EOPNOTSUPP if it ends none
 */
int sockets_destroy(struct sockets *sockets, struct rtnl *route,
		    struct rtnl_batch *batch,
		    const struct netcfg_dropped *dropped, uint32_t *num_killed);

/**
 * sockets_run() - Task: end what is bound to the addresses that were dropped
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int sockets_run(struct agent *agent);

#endif
