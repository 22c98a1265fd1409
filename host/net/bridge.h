/* SPDX-License-Identifier: MIT */
/* The bridge of a network, and what is ours among the host's links. */
#ifndef VF_NET_BRIDGE_H
#define VF_NET_BRIDGE_H

#include <netlink/route/link.h>

#include "net/net.h"
#include "net/rtnl.h"

enum bridge_state {
	BRIDGE_ABSENT,
	BRIDGE_FOREIGN, /* a link of that name that is not this network's */
	BRIDGE_PARTIAL, /* ours; whoever made it did not come to the end */
	BRIDGE_UP,
};

/**
 * bridge_get_state() - What there is of a network's bridge
 * @rtnl:	socket
 * @conf:	network
 * @err:	error
 *
 * A bridge is this network's if its group and its MAC are: the MAC has random
 * bytes, which tells networks of one name in two state directories apart. The
 * alias comes last when it is made, so that it marks a complete one.
 *
 * Return: enum bridge_state or -errno
 */
int bridge_get_state(struct rtnl *rtnl, const struct net_conf *conf,
		     struct vf_err *err);

/**
 * bridge_refuse() - Say whose the link of a bridge's name is, that is not ours
 * @rtnl:	socket
 * @conf:	network
 * @err:	error: somebody else's, or another state directory's
 *
 * Return: -EEXIST
 */
int bridge_refuse(struct rtnl *rtnl, const struct net_conf *conf,
		  struct vf_err *err);

/**
 * bridge_up() - Make a network's bridge, or finish making it
 * @rtnl:	socket
 * @conf:	network
 * @err:	error
 *
 * Return: 0 or -errno, -EEXIST if a link has its name that is not ours; on
 * failure a bridge that was made here is gone
 */
int bridge_up(struct rtnl *rtnl, const struct net_conf *conf,
	      struct vf_err *err);

/**
 * bridge_down() - Remove a network's bridge; one that is not ours stays
 * @rtnl:	socket
 * @conf:	network
 * @err:	error
 *
 * Return: 0, also if there is none, or -errno
 */
int bridge_down(struct rtnl *rtnl, const struct net_conf *conf,
		struct vf_err *err);

/**
 * bridge_forward() - Let the host forward packets
 * @conf:	network
 * @err:	error
 *
 * Says so when that changes anything.
 *
 * Return: 0 or -errno
 */
int bridge_forward(const struct net_conf *conf, struct vf_err *err);

#endif
