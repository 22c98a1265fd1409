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

#define DUMP_TRIES 5 /* of one that is interrupted by changes */

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

int netstate_ifindex(const struct nlmsghdr *msg)
{
	const struct nlattr *oif;

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
		oif = netstate_attr(msg, sizeof(struct rtmsg), RTA_OIF);
		return oif ? (int)mnl_attr_get_u32(oif) : 0;
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

static void list_add(struct netstate *state, struct netstate_list *list,
		     const struct nlmsghdr *msg)
{
	size_t len = NLMSG_ALIGN(msg->nlmsg_len);

	if (list->len + len > sizeof(list->buf)) {
		state->is_partial = true;
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

struct link_dump {
	struct netstate *state;
	netstate_wants_cb wants;
	const void *arg;
};

static int link_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(msg);
	const struct link_dump *dump = arg;
	struct netstate *state = dump->state;
	struct netstate_link link;

	if (ifi->ifi_type != ARPHRD_ETHER)
		return 0;
	link_read(&link, msg);
	if (dump->wants && !dump->wants(&link, dump->arg))
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
	struct netstate *state = arg;

	if (msg->nlmsg_type == RTM_NEWADDR &&
	    state_has_link(state, netstate_ifindex(msg)))
		list_add(state, &state->addrs, msg);
	return 0;
}

static int route_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(msg);
	struct netstate *state = arg;

	if (msg->nlmsg_type != RTM_NEWROUTE ||
	    rtm->rtm_protocol == RTPROT_KERNEL ||
	    rtm->rtm_protocol == RTPROT_REDIRECT ||
	    rtm->rtm_flags & RTM_F_CLONED ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6))
		return 0;
	if (state_has_link(state, netstate_ifindex(msg)))
		list_add(state, &state->routes, msg);
	return 0;
}

static int neigh_cb(const struct nlmsghdr *msg, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(msg);
	struct netstate *state = arg;

	if (msg->nlmsg_type != RTM_NEWNEIGH ||
	    !(ndm->ndm_state & NUD_PERMANENT) ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return 0;
	if (state_has_link(state, ndm->ndm_ifindex))
		list_add(state, &state->neighs, msg);
	return 0;
}

static int dump_once(struct link_dump *dump, struct rtnl *rtnl)
{
	struct netstate *state = dump->state;
	int ret;

	state->num_links = 0;
	state->more_links = false;
	state->is_partial = false;
	state->addrs.len = 0;
	state->routes.len = 0;
	state->neighs.len = 0;
	ret = rtnl_dump(rtnl, RTM_GETLINK, link_cb, dump);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETADDR, addr_cb, state);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETROUTE, route_cb, state);
	if (!ret)
		ret = rtnl_dump(rtnl, RTM_GETNEIGH, neigh_cb, state);
	return ret;
}

int netstate_dump(struct netstate *state, struct rtnl *rtnl,
		  netstate_wants_cb wants, const void *arg)
{
	struct link_dump dump = { state, wants, arg };
	int ret = -EINTR;

	for (int i = 0; i < DUMP_TRIES && ret == -EINTR; i++)
		ret = dump_once(&dump, rtnl);
	return ret;
}
