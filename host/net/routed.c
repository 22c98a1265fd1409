// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/route/route.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/pool.h"
#include "net/port.h"
#include "net/routed.h"
#include "net/sysctl.h"

/*
 * What the kernel is to do with IPv4 of a TAP: strict reverse path filtering
 * behind the pins, an answer to ARP for the gateway whatever the host's default,
 * and for nobody else. Set with the link, in place of a file each.
 */
static int put_ip4_conf(struct nl_msg *msg)
{
	static const struct {
		int type;
		uint32_t value;
	} confs[] = {
		{ IPV4_DEVCONF_RP_FILTER, 1 },
		{ IPV4_DEVCONF_PROXY_ARP, 0 },
		{ IPV4_DEVCONF_SEND_REDIRECTS, 0 },
		{ IPV4_DEVCONF_ACCEPT_REDIRECTS, 0 },
	};
	struct nlattr *inet, *conf;

	inet = nla_nest_start(msg, AF_INET);
	conf = inet ? nla_nest_start(msg, IFLA_INET_CONF) : NULL;
	if (!conf)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(confs); i++)
		if (nla_put_u32(msg, confs[i].type, confs[i].value) < 0)
			return -ENOMEM;
	nla_nest_end(msg, conf);
	nla_nest_end(msg, inet);
	return 0;
}

/* First all that must hold before it is up: see enslave_add() of port.c. */
static int link_add(struct rtnl *rtnl, const struct net_conf *conf,
		    const struct net_port *port, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nlattr *spec;
	struct nl_msg *msg;

	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &ifi, "port %s of %s",
			    port->tap, port->owner);
	if (!msg ||
	    nla_put(msg, IFLA_ADDRESS, sizeof(conf->mac), conf->mac) < 0 ||
	    rtnl_put_no_autoconf(msg) < 0)
		return -ENOMEM;
	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &ifi, "port %s of %s: IPv4",
			    port->tap, port->owner);
	spec = msg ? nla_nest_start(msg, IFLA_AF_SPEC) : NULL;
	if (!spec || put_ip4_conf(msg) < 0)
		return -ENOMEM;
	nla_nest_end(msg, spec);
	ifi.ifi_flags = ifi.ifi_change = IFF_UP;
	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &ifi, "port %s of %s",
			    port->tap, port->owner);
	return msg ? 0 : -ENOMEM;
}

/* The gateway, as its guest knows it. */
static int addrs_add(struct rtnl *rtnl, const struct net_conf *conf,
		     const char *tap, int ifindex)
{
	struct in6_addr link_local = pool_link_local(conf->mac);
	int ret;

	ret = rtnl_add_addr(rtnl, tap, ifindex, AF_INET, &conf->addr4, 32);
	if (ret == 0)
		ret = rtnl_add_addr(rtnl, tap, ifindex, AF_INET6, &conf->addr6,
				    128);
	if (ret == 0)
		ret = rtnl_add_addr(rtnl, tap, ifindex, AF_INET6, &link_local,
				    64);
	return ret;
}

static int route_add(struct rtnl *rtnl, const struct net_conf *conf,
		     const struct net_port *port, int ifindex, int flags,
		     int family, const void *addr)
{
	bool is4 = family == AF_INET;
	size_t len = is4 ? sizeof(conf->addr4) : sizeof(conf->addr6);
	struct rtmsg rtm = { .rtm_family = family,
			     .rtm_dst_len = 8 * len,
			     .rtm_table = RT_TABLE_MAIN,
			     .rtm_protocol = RTPROT_STATIC,
			     .rtm_scope = is4 ? RT_SCOPE_LINK
					      : RT_SCOPE_UNIVERSE,
			     .rtm_type = RTN_UNICAST };
	struct nl_msg *msg;

	msg = rtnl_add(rtnl, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | flags,
		       "port %s of %s: %s route", port->tap, port->owner,
		       is4 ? "IPv4" : "IPv6");
	if (!msg || nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	NLA_PUT(msg, RTA_DST, len, addr);
	NLA_PUT_U32(msg, RTA_OIF, ifindex);
	NLA_PUT(msg, RTA_PREFSRC, len,
		is4 ? (const void *)&conf->addr4 : &conf->addr6);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

static int routes_add(struct rtnl *rtnl, const struct net_conf *conf,
		      const struct net_port *port, int ifindex, int flags)
{
	int ret = 0;

	for (unsigned int i = 0; ret == 0 && i < port->num_addr4; i++)
		ret = route_add(rtnl, conf, port, ifindex, flags, AF_INET,
				&port->addr4[i]);
	for (unsigned int i = 0; ret == 0 && i < port->num_addr6; i++)
		ret = route_add(rtnl, conf, port, ifindex, flags, AF_INET6,
				&port->addr6[i]);
	return ret;
}

int routed_link_up(struct rtnl *rtnl, const struct net_conf *conf,
		   const struct net_port *ports, const int *ifindexes,
		   unsigned int num, struct vf_err *err)
{
	int ret = 0;

	/*
	 * Hosts that switch IPv6 off do so by the default of new links; and what a
	 * guest says of routers is no word for the host, before the pins hold.
	 */
	for (unsigned int i = 0; ret >= 0 && i < num; i++) {
		ret = sysctl_set_ip6(ports[i].tap, "disable_ipv6", "0", err);
		if (ret >= 0)
			ret = sysctl_set_ip6(ports[i].tap, "accept_ra", "0",
					     err);
	}
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < num; i++) {
		const struct net_port *port = &ports[i];
		int ifindex = ifindexes[i];

		if (link_add(rtnl, conf, port, ifindex) < 0 ||
		    addrs_add(rtnl, conf, port->tap, ifindex) < 0)
			return vf_err_errno(err, ENOMEM, "port %s", port->tap);
	}
	return rtnl_commit(rtnl, RTNL_STRICT, err);
}

/* @flags: NLM_F_EXCL or NLM_F_REPLACE, for the routes */
static int remember(struct rtnl *rtnl, const struct net_conf *conf,
		    const struct net_port *ports, const int *ifindexes,
		    unsigned int num, int flags, struct vf_err *err)
{
	for (unsigned int i = 0; i < num; i++) {
		const struct net_port *port = &ports[i];

		if (routes_add(rtnl, conf, port, ifindexes[i], flags) < 0 ||
		    port_neighs_add(rtnl, RTM_NEWNEIGH, port, ifindexes[i]) < 0)
			return vf_err_errno(err, ENOMEM, "port %s", port->tap);
	}
	return rtnl_commit(rtnl, RTNL_STRICT, err);
}

/* Does a route lead to this port alone, by another link? */
static bool is_foreign(struct rtnl_route *route, const struct net_port *port,
		       int ifindex)
{
	const struct nl_addr *dst = rtnl_route_get_dst(route);
	const void *addr = dst ? nl_addr_get_binary_addr(dst) : NULL;
	struct rtnl_nexthop *hop = rtnl_route_nexthop_n(route, 0);
	size_t len = dst ? nl_addr_get_len(dst) : 0;
	bool is_its = false;

	if (!len || rtnl_route_get_table(route) != RT_TABLE_MAIN ||
	    nl_addr_get_prefixlen(dst) != 8 * len ||
	    (rtnl_route_get_nnexthops(route) == 1 &&
	     rtnl_route_nh_get_ifindex(hop) == ifindex))
		return false;
	for (unsigned int i = 0; i < port->num_addr4; i++)
		is_its = is_its || (len == sizeof(port->addr4[i]) &&
				    !memcmp(addr, &port->addr4[i], len));
	for (unsigned int i = 0; i < port->num_addr6; i++)
		is_its = is_its || (len == sizeof(port->addr6[i]) &&
				    !memcmp(addr, &port->addr6[i], len));
	return is_its;
}

/* Only what leads to our own TAPs may be replaced. */
static int routes_check(struct rtnl *rtnl, const struct net_port *ports,
			const int *ifindexes, unsigned int num,
			struct vf_err *err)
{
	__nl_cache struct nl_cache *routes = NULL;
	int ret = rtnl_cache(rtnl, "route/route", &routes, err);
	struct nl_object *obj;

	if (ret < 0)
		return ret;
	for (obj = nl_cache_get_first(routes); obj;
	     obj = nl_cache_get_next(obj))
		for (unsigned int i = 0; i < num; i++)
			if (is_foreign((struct rtnl_route *)obj, &ports[i],
				       ifindexes[i]))
				return vf_err_set(
					err, EEXIST,
					"port %s of %s: the host has another "
					"route to its address",
					ports[i].tap, ports[i].owner);
	return 0;
}

int routed_remember(struct rtnl *rtnl, const struct net_conf *conf,
		    const struct net_port *ports, const int *ifindexes,
		    unsigned int num, struct vf_err *err)
{
	int ret = remember(rtnl, conf, ports, ifindexes, num, NLM_F_EXCL, err);

	if (ret != -EEXIST)
		return ret;
	/* they are attached anew, or somebody else was here before */
	ret = routes_check(rtnl, ports, ifindexes, num, err);
	return ret ? ret
		   : remember(rtnl, conf, ports, ifindexes, num, NLM_F_REPLACE,
			      err);
}

bool routed_owns(const struct net_conf *conf, const struct tap_link *link,
		 int bridge_ifindex)
{
	(void)bridge_ifindex;
	return !memcmp(link->mac, conf->mac, sizeof(conf->mac));
}
