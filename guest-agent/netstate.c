// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/ipv6.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netstate.h"

#define DUMP_TRIES 5	/* of one that is interrupted by changes */
#define ROUTE_SIZE 2048 /* bytes, of a route with one next hop */

const struct nlattr *netstate_attr(const struct nlmsghdr *msg, size_t head,
				   uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, msg, head) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static const struct rtnexthop *hop_first(const struct nlattr *multipath,
					 int *len)
{
	*len = mnl_attr_get_payload_len(multipath);
	return mnl_attr_get_payload(multipath);
}

static const struct rtnexthop *hop_next(const struct rtnexthop *hop, int *len)
{
	*len -= RTNH_ALIGN(hop->rtnh_len);
	return RTNH_NEXT(hop);
}

/* Return: the index that all next hops have, or 0 */
static int hops_ifindex(const struct nlattr *multipath)
{
	int len, index = 0;
	const struct rtnexthop *hop = hop_first(multipath, &len);

	for (; RTNH_OK(hop, len); hop = hop_next(hop, &len)) {
		if (index && index != hop->rtnh_ifindex)
			return 0;
		index = hop->rtnh_ifindex;
	}
	return index;
}

static int route_ifindex(const struct nlmsghdr *route)
{
	const struct nlattr *attr =
		netstate_attr(route, sizeof(struct rtmsg), RTA_OIF);

	if (attr)
		return (int)mnl_attr_get_u32(attr);
	attr = netstate_attr(route, sizeof(struct rtmsg), RTA_MULTIPATH);
	return attr ? hops_ifindex(attr) : 0;
}

const struct nlattr *netstate_gateway(const struct nlmsghdr *route)
{
	const struct nlattr *attr =
		netstate_attr(route, sizeof(struct rtmsg), RTA_GATEWAY);
	const struct nlattr *multipath =
		netstate_attr(route, sizeof(struct rtmsg), RTA_MULTIPATH);
	const struct rtnexthop *hop;
	int len;

	if (attr || !multipath)
		return attr;
	hop = hop_first(multipath, &len);
	if (!RTNH_OK(hop, len))
		return NULL;
	attr = (const struct nlattr *)(hop + 1);
	for (len = hop->rtnh_len - (int)sizeof(*hop); mnl_attr_ok(attr, len);
	     attr = mnl_attr_next(attr)) {
		if (mnl_attr_get_type(attr) == RTA_GATEWAY)
			return attr;
		len -= (int)MNL_ALIGN(attr->nla_len);
	}
	return NULL;
}

int netstate_ifindex(const struct nlmsghdr *msg)
{
	switch (msg->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return (int)((struct ifaddrmsg *)mnl_nlmsg_get_payload(msg))
			->ifa_index;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return ((struct ndmsg *)mnl_nlmsg_get_payload(msg))
			->ndm_ifindex;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return route_ifindex(msg);
	}
	return 0;
}

const struct nlmsghdr *netstate_next(const struct netstate_list *list,
				     const struct nlmsghdr *at)
{
	const uint8_t *next = list->buf;

	if (at)
		next = (const uint8_t *)at + NLMSG_ALIGN(at->nlmsg_len);
	if (next >= list->buf + list->len)
		return NULL;
	return (const struct nlmsghdr *)next;
}

const struct nlmsghdr *netstate_before(const struct netstate_list *list,
				       const struct nlmsghdr *at)
{
	const struct nlmsghdr *next = NULL, *before = NULL;

	while ((next = netstate_next(list, next)) && next != at)
		before = next;
	return before;
}

/* @is_short: out: set if it does not fit */
static void list_add(struct netstate_list *list, const struct nlmsghdr *msg,
		     bool *is_short)
{
	size_t len = NLMSG_ALIGN(msg->nlmsg_len);

	if (list->len + len > sizeof(list->buf)) {
		*is_short = true;
		return;
	}
	memcpy(list->buf + list->len, msg, msg->nlmsg_len);
	list->len += (uint32_t)len;
}

static bool state_has_link(const struct netstate *state, int index)
{
	for (unsigned int i = 0; i < state->num_links; i++) {
		if (state->links[i].index == index)
			return true;
	}
	return false;
}

/* IFLA_AF_SPEC > AF_INET6 > IFLA_INET6_CONF: an array of s32 by DEVCONF_* */
static bool ipv6_is_off(const struct nlattr *spec)
{
	const struct nlattr *family, *attr;
	int32_t off = 0;
	size_t at = DEVCONF_DISABLE_IPV6 * sizeof(off);

	mnl_attr_for_each_nested(family, spec) {
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		mnl_attr_for_each_nested(attr, family) {
			if (mnl_attr_get_type(attr) != IFLA_INET6_CONF ||
			    mnl_attr_get_payload_len(attr) < at + sizeof(off))
				continue;
			memcpy(&off, (char *)mnl_attr_get_payload(attr) + at,
			       sizeof(off));
		}
	}
	return off;
}

static void link_read(struct netstate_link *link, const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	link->index = ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	mnl_attr_for_each(attr, msg, sizeof(*ifi)) {
		const void *value = mnl_attr_get_payload(attr);
		size_t len = mnl_attr_get_payload_len(attr);

		switch (mnl_attr_get_type(attr)) {
		case IFLA_ADDRESS:
			if (len == sizeof(link->mac))
				memcpy(link->mac, value, len);
			break;
		case IFLA_MTU:
			link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_IFNAME:
			if (len <= sizeof(link->name))
				memcpy(link->name, value, len);
			break;
		case IFLA_AF_SPEC:
			link->ipv6_is_off = ipv6_is_off(attr);
			break;
		}
	}
}

struct dump {
	struct netstate *state;
	const struct netstate_filter *filter;
};

static int link_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	const struct dump *dump = arg;
	const struct netstate_filter *filter = dump->filter;
	struct netstate *state = dump->state;
	struct netstate_link link;

	if (ifi->ifi_type != ARPHRD_ETHER)
		return 0;
	link_read(&link, msg);
	if (filter->link && !filter->link(&link, filter->arg))
		return 0;
	if (state->num_links == NETSTATE_LINKS_MAX)
		state->more_links = true;
	else
		state->links[state->num_links++] = link;
	return 0;
}

bool netstate_link_changed(const struct netstate *state,
			   const struct nlmsghdr *msg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	struct netstate_link now;

	if (ifi->ifi_type != ARPHRD_ETHER)
		return false;
	link_read(&now, msg);
	for (unsigned int i = 0; i < state->num_links; i++) {
		const struct netstate_link *link = &state->links[i];

		if (link->index != now.index)
			continue;
		return (link->flags ^ now.flags) & IFF_UP ||
		       link->mtu != now.mtu ||
		       memcmp(link->mac, now.mac, sizeof(now.mac)) != 0 ||
		       strncmp(link->name, now.name, sizeof(now.name)) != 0;
	}
	return true;
}

static int addr_cb(const struct nlmsghdr *msg, void *arg)
{
	struct netstate *state = ((struct dump *)arg)->state;

	if (msg->nlmsg_type == RTM_NEWADDR &&
	    state_has_link(state, netstate_ifindex(msg)))
		list_add(&state->addrs, msg, &state->is_partial);
	return 0;
}

/* What else is in the flags of a dump is the kernel's to say. */
static void flags_clean(struct nlmsghdr *route)
{
	struct rtmsg *rtm = mnl_nlmsg_get_payload(route);
	const struct nlattr *multipath =
		netstate_attr(route, sizeof(*rtm), RTA_MULTIPATH);
	struct rtnexthop *hop;
	int len;

	rtm->rtm_flags &= RTNH_F_ONLINK;
	if (!multipath)
		return;
	hop = mnl_attr_get_payload(multipath);
	len = mnl_attr_get_payload_len(multipath);
	for (; RTNH_OK(hop, len); hop = RTNH_NEXT(hop)) {
		hop->rtnh_flags &= RTNH_F_ONLINK;
		len -= RTNH_ALIGN(hop->rtnh_len);
	}
}

static void route_add(struct netstate_list *list, const struct nlmsghdr *msg,
		      bool *is_short)
{
	uint32_t len = list->len;

	list_add(list, msg, is_short);
	if (list->len != len)
		flags_clean((struct nlmsghdr *)(list->buf + len));
}

static void hop_add(struct netstate *state, const struct nlmsghdr *msg,
		    const struct rtnexthop *hop)
{
	uint8_t buf[ROUTE_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *route = mnl_nlmsg_put_header(buf);
	size_t head = sizeof(struct rtmsg);
	const struct nlattr *attr;
	bool fits = true;

	route->nlmsg_type = msg->nlmsg_type;
	memcpy(mnl_nlmsg_put_extra_header(route, head),
	       mnl_nlmsg_get_payload(msg), head);
	mnl_attr_for_each(attr, msg, head) {
		if (mnl_attr_get_type(attr) != RTA_MULTIPATH)
			fits &= mnl_attr_put_check(
				route, sizeof(buf), mnl_attr_get_type(attr),
				mnl_attr_get_payload_len(attr),
				mnl_attr_get_payload(attr));
	}
	fits &= mnl_attr_put_check(route, sizeof(buf), RTA_MULTIPATH,
				   hop->rtnh_len, hop);
	if (fits)
		route_add(&state->routes, route, &state->is_partial);
	else
		state->is_partial = true;
}

/*
 * In IPv6 routes that differ by their next hop alone come as one, and are added
 * and deleted one by one.
 */
static void hops_add(struct netstate *state, const struct nlmsghdr *msg,
		     const struct nlattr *multipath)
{
	int len;
	const struct rtnexthop *hop = hop_first(multipath, &len);

	for (; RTNH_OK(hop, len); hop = hop_next(hop, &len)) {
		if (state_has_link(state, hop->rtnh_ifindex))
			hop_add(state, msg, hop);
	}
}

static bool route_is_reject(const struct rtmsg *rtm)
{
	return rtm->rtm_type == RTN_BLACKHOLE ||
	       rtm->rtm_type == RTN_UNREACHABLE ||
	       rtm->rtm_type == RTN_PROHIBIT || rtm->rtm_type == RTN_THROW;
}

static int route_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(msg);
	const struct netstate_filter *filter = ((struct dump *)arg)->filter;
	struct netstate *state = ((struct dump *)arg)->state;
	const struct nlattr *multipath =
		netstate_attr(msg, sizeof(*rtm), RTA_MULTIPATH);

	if (msg->nlmsg_type != RTM_NEWROUTE ||
	    rtm->rtm_protocol == RTPROT_KERNEL ||
	    rtm->rtm_protocol == RTPROT_REDIRECT ||
	    rtm->rtm_flags & RTM_F_CLONED ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return 0;
	if (route_is_reject(rtm)) {
		if (!filter->reject || filter->reject(msg, filter->arg))
			route_add(&state->rejects, msg, &state->more_rejects);
	} else if (rtm->rtm_family == AF_INET6 && multipath) {
		hops_add(state, msg, multipath);
	} else if (state_has_link(state, netstate_ifindex(msg))) {
		route_add(&state->routes, msg, &state->is_partial);
	}
	return 0;
}

static int neigh_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(msg);
	struct netstate *state = ((struct dump *)arg)->state;

	if (msg->nlmsg_type != RTM_NEWNEIGH ||
	    !(ndm->ndm_state & NUD_PERMANENT) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return 0;
	if (state_has_link(state, ndm->ndm_ifindex))
		list_add(&state->neighs, msg, &state->is_partial);
	return 0;
}

static int dump_once(struct dump *dump, struct rtnl *rtnl)
{
	struct netstate *state = dump->state;
	int ret;

	state->num_links = 0;
	state->more_links = false;
	state->is_partial = false;
	state->more_rejects = false;
	state->addrs.len = 0;
	state->routes.len = 0;
	state->rejects.len = 0;
	state->neighs.len = 0;
	ret = rtnl_dump(rtnl, RTM_GETLINK, link_cb, dump);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETADDR, addr_cb, dump);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETROUTE, route_cb, dump);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETNEIGH, neigh_cb, dump);
	return ret;
}

int netstate_dump(struct netstate *state, struct rtnl *rtnl,
		  const struct netstate_filter *filter)
{
	struct dump dump = { state, filter };
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = dump_once(&dump, rtnl);
	return ret;
}
