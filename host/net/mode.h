/* SPDX-License-Identifier: MIT */
/*
 * The ways to attach a port. Identities, rules and their order are the same; a
 * guest cannot tell them apart, but that in an open routed network its siblings
 * are behind the gateway.
 *
 *		bridge			routed
 *	TAP	port of the bridge,	a link of its own, with the gateway's
 *		locked, isolated	MAC and addresses
 *	host	neighbours on the	neighbours and routes (/32, /128) on the
 *		bridge			TAP, which go with it
 *	rules	family bridge		families inet and arp
 *
 * The link of a routed network's name is a bridge without ports: it holds the
 * gateway's addresses while no VM is there.
 */
#ifndef VF_NET_MODE_H
#define VF_NET_MODE_H

#include "net/net.h"
#include "net/network.h"
#include "net/rtnl.h"

struct mode_ops {
	const char *name;
	const char *limit; /* what sets the next one */
	unsigned int ports_max;
	/* families of the sets: packets, and ARP */
	const char *family;
	const char *arp_family;
	int guard_family; /* NFPROTO_...: where the guard is */

	/* Put TAPs up, their rules in force: see net_ports_attach(). */
	int (*link_up)(struct rtnl *rtnl, const struct net_conf *conf,
		       const struct net_port *ports, const int *ifindexes,
		       unsigned int num, struct vf_err *err);
	/* Then have the host know who is behind which. */
	int (*remember)(struct rtnl *rtnl, const struct net_conf *conf,
			const struct net_port *ports, const int *ifindexes,
			unsigned int num, struct vf_err *err);
	/* Remove what outlives TAPs; NULL: nothing does. */
	int (*forget)(struct rtnl *rtnl, const struct net_conf *conf,
		      const struct net_port *ports, unsigned int num,
		      struct vf_err *err);
	/* Is a TAP attached to this network? */
	bool (*owns)(const struct net_conf *conf, const struct tap_link *link,
		     int bridge_ifindex);
};

/**
 * mode_of() - How ports of a network are attached
 * @conf:	network
 *
 * Return: operations; static
 */
const struct mode_ops *mode_of(const struct net_conf *conf);

#endif
