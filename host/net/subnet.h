/* SPDX-License-Identifier: MIT */
/* Subnets that nobody here uses yet. */
#ifndef VF_NET_SUBNET_H
#define VF_NET_SUBNET_H

#include "net/net.h"
#include "net/rtnl.h"

/**
 * subnet_choose() - Give a network the addresses that it lacks
 * @rtnl:	socket
 * @state_fd:	see net_create()
 * @conf:	network; see net_create()
 * @err:	error
 *
 * Return: 0 or -errno, -EADDRINUSE if a given subnet is in use by another
 * network or by the host, -ENOSPC if none is free
 */
int subnet_choose(struct rtnl *rtnl, int state_fd, struct net_conf *conf,
		  struct vf_err *err);

#endif
