/* SPDX-License-Identifier: MIT */
/* Ports without a bridge: a TAP and routes to what is behind it. */
#ifndef VF_NET_ROUTED_H
#define VF_NET_ROUTED_H

#include "net/net.h"
#include "net/network.h"
#include "net/rtnl.h"

/**
 * routed_link_up() - Put TAPs up as links of their own
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports
 * @ifindexes:	of their TAPs, see port_find()
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; what was done is not undone
 */
int routed_link_up(struct rtnl *rtnl, const struct net_conf *conf,
		   const struct net_port *ports, const int *ifindexes,
		   unsigned int num, struct vf_err *err);

/**
 * routed_remember() - Have the host know what is behind which TAP
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports that are up
 * @ifindexes:	of their TAPs, see port_find()
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; what was done is not undone
 */
int routed_remember(struct rtnl *rtnl, const struct net_conf *conf,
		    const struct net_port *ports, const int *ifindexes,
		    unsigned int num, struct vf_err *err);

/**
 * routed_owns() - Is a TAP attached to this network?
 * @conf:	network
 * @link:	TAP
 * @bridge_ifindex: not looked at
 *
 * Return: true if it has the gateway's MAC, whose random bytes tell networks of
 * one name in two state directories apart
 */
bool routed_owns(const struct net_conf *conf, const struct tap_link *link,
		 int bridge_ifindex);

#endif
