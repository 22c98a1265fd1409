// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/network.h"
#include "net/pool.h"
#include "net/port.h"

#define ALIAS_SIZE (sizeof(PORT_ALIAS_PREFIX) + VF_NAME_MAX)

static struct nl_msg *link_request(struct rtnl *rtnl,
				   const struct net_port *port,
				   const struct ifinfomsg *ifi)
{
	return rtnl_add_link(rtnl, RTM_NEWLINK, 0, ifi, "port %s of %s",
			     port->tap, port->owner);
}

static void alias_format(const struct net_port *port, char alias[ALIAS_SIZE])
{
	snprintf(alias, ALIAS_SIZE, PORT_ALIAS_PREFIX "%s", port->owner);
}

int port_is_foreign(const struct net_port *port, struct vf_err *err)
{
	return vf_err_set(err, EEXIST,
			  "port of %s: link %s exists and is not its",
			  port->owner, port->tap);
}

/* A port, and what was found of its TAP. */
struct sought {
	const struct net_port *port;
	int *found;
};

static void found_cb(const struct nlmsghdr *nlh, void *ctx)
{
	struct nlattr *attrs[IFLA_MAX + 1];
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	const struct sought *sought = ctx;
	char alias[ALIAS_SIZE];

	*sought->found = -EEXIST;
	alias_format(sought->port, alias);
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifi), attrs, IFLA_MAX,
			NULL) < 0 ||
	    !attrs[IFLA_GROUP] || !attrs[IFLA_IFALIAS] ||
	    nla_get_u32(attrs[IFLA_GROUP]) != NET_LINK_GROUP ||
	    nla_strcmp(attrs[IFLA_IFALIAS], alias))
		return;
	*sought->found = ifi->ifi_index;
}

int ports_find(struct rtnl *rtnl, const struct net_port *ports,
	       unsigned int num, int *found, struct vf_err *err)
{
	__free struct sought *sought = calloc(num + 1, sizeof(*sought));

	if (!sought)
		return vf_err_errno(err, ENOMEM, "ports");
	for (unsigned int i = 0; i < num; i++) {
		found[i] = 0;
		sought[i] = (struct sought){ &ports[i], &found[i] };
		if (rtnl_ask_link(rtnl, ports[i].tap, found_cb, &sought[i],
				  "port %s of %s", ports[i].tap,
				  ports[i].owner) < 0)
			return vf_err_errno(err, ENOMEM, "ports");
	}
	return rtnl_commit(rtnl, RTNL_UNDO, err);
}

int port_find(struct rtnl *rtnl, const struct net_port *port,
	      struct vf_err *err)
{
	int found, ret = ports_find(rtnl, port, 1, &found, err);

	if (ret < 0)
		return ret;
	return found == -EEXIST ? port_is_foreign(port, err) : found;
}

int port_alias_put(struct nl_msg *msg, const struct net_port *port)
{
	char alias[ALIAS_SIZE];

	alias_format(port, alias);
	return nla_put_string(msg, IFLA_IFALIAS, alias) == 0 ? 0 : -ENOMEM;
}

int port_mark_add(struct rtnl *rtnl, const struct net_port *port, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nl_msg *msg = link_request(rtnl, port, &ifi);

	return msg ? port_alias_put(msg, port) : -ENOMEM;
}

int port_mark(const struct net_port *port, struct vf_err *err)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	__rtnl struct rtnl rtnl = RTNL_INIT;
	uint8_t mac[6] = { 0x0a };
	struct nl_msg *msg;
	int ret;

	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret < 0)
		return ret;
	/* udev leaves a MAC alone that was set, and a later one then too */
	if (vf_random(&mac[1], sizeof(mac) - 1) < 0)
		return vf_err_errno(err, EIO, "random numbers");
	msg = link_request(&rtnl, port, &ifi);
	if (!msg || nla_put_string(msg, IFLA_IFNAME, port->tap) < 0 ||
	    nla_put_u32(msg, IFLA_GROUP, NET_LINK_GROUP) < 0 ||
	    nla_put(msg, IFLA_ADDRESS, sizeof(mac), mac) < 0 ||
	    port_alias_put(msg, port) < 0)
		return vf_err_errno(err, ENOMEM, "port %s", port->tap);
	return rtnl_commit(&rtnl, RTNL_STRICT, err);
}

/*
 * Two requests per port, because of the order in which the kernel handles the
 * attributes of one: a link that is not a port yet has no port flags, and
 * older kernels set a link up before they enslave it and before they look at
 * how it makes its IPv6 addresses. So first onto the bridge, while down.
 */
static int enslave_add(struct rtnl *rtnl, const struct net_port *port,
		       int ifindex, int bridge_ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nl_msg *msg;

	msg = link_request(rtnl, port, &ifi);
	if (!msg || nla_put_u32(msg, IFLA_MASTER, bridge_ifindex) < 0)
		return -ENOMEM;
	return rtnl_put_no_autoconf(msg);
}

/* Then the flags, and up: the kernel handles a port's flags before IFF_UP. */
static int flags_add(struct rtnl *rtnl, const struct net_conf *conf,
		     const struct net_port *port, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex,
				 .ifi_flags = IFF_UP,
				 .ifi_change = IFF_UP };
	struct nlattr *info, *data;
	struct nl_msg *msg;

	msg = link_request(rtnl, port, &ifi);
	info = msg ? nla_nest_start(msg, IFLA_LINKINFO) : NULL;
	if (!info)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_INFO_SLAVE_KIND, "bridge");
	data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
	if (!data)
		goto nla_put_failure;
	NLA_PUT_U8(msg, IFLA_BRPORT_LEARNING, 0);
	NLA_PUT_U8(msg, IFLA_BRPORT_LOCKED, 1);
	NLA_PUT_U8(msg, IFLA_BRPORT_ISOLATED, !conf->open);
	NLA_PUT_U8(msg, IFLA_BRPORT_UNICAST_FLOOD, 0);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

static int fdb_add(struct rtnl *rtnl, const struct net_port *port, int ifindex)
{
	/* NUD_PERMANENT would make it an address of the host */
	struct ndmsg ndm = { .ndm_family = AF_BRIDGE,
			     .ndm_ifindex = ifindex,
			     .ndm_state = NUD_NOARP,
			     .ndm_flags = NTF_MASTER };
	struct nl_msg *msg;

	msg = rtnl_add(rtnl, RTM_NEWNEIGH,
		       NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
		       "port %s of %s: FDB", port->tap, port->owner);
	if (!msg || nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	NLA_PUT(msg, NDA_LLADDR, sizeof(port->mac), port->mac);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

int neigh_add(struct rtnl *rtnl, int type, int ifindex, int family,
	      const void *addr, const uint8_t *mac)
{
	struct ndmsg ndm = { .ndm_family = family,
			     .ndm_ifindex = ifindex,
			     .ndm_state = NUD_PERMANENT };
	int flags = NLM_F_ACK;
	struct nl_msg *msg;

	if (type == RTM_NEWNEIGH)
		flags |= NLM_F_CREATE | NLM_F_REPLACE;
	msg = rtnl_add(rtnl, type, flags, "%s neighbour",
		       family == AF_INET ? "IPv4" : "IPv6");
	if (!msg || nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	NLA_PUT(msg, NDA_DST, family == AF_INET ? 4 : 16, addr);
	if (type == RTM_NEWNEIGH)
		NLA_PUT(msg, NDA_LLADDR, 6, mac);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

int port_neighs_add(struct rtnl *rtnl, int type, const struct net_port *port,
		    int ifindex)
{
	struct in6_addr link_local = pool_link_local(port->mac);
	int ret = neigh_add(rtnl, type, ifindex, AF_INET6, &link_local,
			    port->mac);

	for (unsigned int i = 0; ret == 0 && i < port->num_addr4; i++)
		ret = neigh_add(rtnl, type, ifindex, AF_INET, &port->addr4[i],
				port->mac);
	for (unsigned int i = 0; ret == 0 && i < port->num_addr6; i++)
		ret = neigh_add(rtnl, type, ifindex, AF_INET6, &port->addr6[i],
				port->mac);
	return ret;
}

int ports_link_up(struct rtnl *rtnl, const struct net_conf *conf,
		  const struct net_port *ports, const int *ifindexes,
		  unsigned int num, struct vf_err *err)
{
	int bridge_ifindex = if_nametoindex(conf->bridge);

	if (!bridge_ifindex)
		return vf_err_errno(err, errno, "bridge %s", conf->bridge);
	for (unsigned int i = 0; i < num; i++) {
		const struct net_port *port = &ports[i];

		if (enslave_add(rtnl, port, ifindexes[i], bridge_ifindex) < 0 ||
		    flags_add(rtnl, conf, port, ifindexes[i]) < 0)
			return vf_err_errno(err, ENOMEM, "port %s", port->tap);
	}
	return rtnl_commit(rtnl, RTNL_STRICT, err);
}

int ports_remember(struct rtnl *rtnl, const struct net_conf *conf,
		   const struct net_port *ports, const int *ifindexes,
		   unsigned int num, struct vf_err *err)
{
	int bridge_ifindex = if_nametoindex(conf->bridge);

	if (!bridge_ifindex)
		return vf_err_errno(err, errno, "bridge %s", conf->bridge);
	for (unsigned int i = 0; i < num; i++) {
		const struct net_port *port = &ports[i];

		if (fdb_add(rtnl, port, ifindexes[i]) < 0 ||
		    port_neighs_add(rtnl, RTM_NEWNEIGH, port, bridge_ifindex) <
			    0)
			return vf_err_errno(err, ENOMEM, "port %s", port->tap);
	}
	return rtnl_commit(rtnl, RTNL_STRICT, err);
}

int port_link_down_add(struct rtnl *rtnl, const struct net_port *port,
		       int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex, .ifi_change = IFF_UP };
	struct nl_msg *msg = link_request(rtnl, port, &ifi);

	return msg && nla_put_u32(msg, IFLA_MASTER, 0) == 0 ? 0 : -ENOMEM;
}

static int dying_group_add(struct rtnl *rtnl, int type, int ifindex)
{
	struct ifinfomsg ifi = { .ifi_index = ifindex };
	struct nl_msg *msg =
		rtnl_add_link(rtnl, type, 0, &ifi, "links that are deleted");

	return msg && nla_put_u32(msg, IFLA_GROUP, NETWORK_DYING_GROUP) == 0
		       ? 0
		       : -ENOMEM;
}

int ports_delete(struct rtnl *rtnl, const int *ifindexes, unsigned int num,
		 struct vf_err *err)
{
	unsigned int found = 0;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < num; i++) {
		if (ifindexes[i] <= 0)
			continue;
		ret = dying_group_add(rtnl, RTM_NEWLINK, ifindexes[i]);
		found++;
	}
	if (!ret && found)
		ret = dying_group_add(rtnl, RTM_DELLINK, 0);
	return ret < 0 ? vf_err_errno(err, ENOMEM, "ports")
		       : rtnl_commit(rtnl, RTNL_UNDO, err);
}

int ports_forget(struct rtnl *rtnl, const struct net_conf *conf,
		 const struct net_port *ports, unsigned int num,
		 struct vf_err *err)
{
	int bridge_ifindex = if_nametoindex(conf->bridge);

	if (!bridge_ifindex)
		return 0;
	for (unsigned int i = 0; i < num; i++) {
		if (port_neighs_add(rtnl, RTM_DELNEIGH, &ports[i],
				    bridge_ifindex) < 0)
			return vf_err_errno(err, ENOMEM, "port %s",
					    ports[i].tap);
	}
	return rtnl_commit(rtnl, RTNL_UNDO, err);
}
