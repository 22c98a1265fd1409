// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "netbatch.h"

#define CREATE_OR_REPLACE (NLM_F_CREATE | NLM_F_REPLACE)

/* Send back what was dumped. */
static struct nlmsghdr *put_old(struct netcfg *cfg, const struct nlmsghdr *old,
				uint16_t type, uint16_t flags,
				enum vmfork_step step, int tolerate)
{
	struct nlmsghdr *msg =
		rtnl_batch_copy(&cfg->batch, old, type, flags, step, tolerate);

	if (!msg)
		cfg->batch.overflow = true;
	return msg;
}

static void put_link(struct rtnl_batch *batch, const struct identity_link *want,
		     const struct netcfg_link *link)
{
	struct nlmsghdr *msg =
		rtnl_batch_put(batch, RTM_SETLINK, 0, VMFORK_STEP_LINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(msg, sizeof(*ifi));

	ifi->ifi_index = link->index;
	if (!link->was_up) {
		ifi->ifi_flags = IFF_UP;
		ifi->ifi_change = IFF_UP;
	}
	if (want->has_mac)
		mnl_attr_put(msg, IFLA_ADDRESS, 6, want->mac);
	if (want->mtu)
		mnl_attr_put_u32(msg, IFLA_MTU, want->mtu);
	rtnl_batch_end(batch, msg);
}

static void put_addr(struct rtnl_batch *batch, uint16_t type, int tolerate,
		     const struct netcfg_link *link, uint8_t family,
		     const void *addr, uint8_t prefix_len)
{
	struct nlmsghdr *msg = rtnl_batch_put(
		batch, type, type == RTM_NEWADDR ? CREATE_OR_REPLACE : 0,
		type == RTM_NEWADDR ? VMFORK_STEP_ADDR_ADD
				    : VMFORK_STEP_ADDR_DEL,
		tolerate);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(msg, sizeof(*ifa));
	size_t len = family == AF_INET ? 4 : 16;

	ifa->ifa_family = family;
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_index = (uint32_t)link->index;
	/* without NODAD a new address is of no use for a second */
	if (family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(msg, IFA_LOCAL, len, addr);
	mnl_attr_put(msg, IFA_ADDRESS, len, addr);
	if (family == AF_INET && prefix_len < 31) {
		uint32_t ip, host = UINT32_MAX >> prefix_len;

		memcpy(&ip, addr, sizeof(ip));
		ip |= __builtin_bswap32(prefix_len ? host : UINT32_MAX);
		mnl_attr_put_u32(msg, IFA_BROADCAST, ip);
	}
	rtnl_batch_end(batch, msg);
}

static void put_old_addrs(struct netcfg *cfg, const struct netcfg_link *link)
{
	const struct nlmsghdr *old = NULL;

	while ((old = netstate_next(&cfg->saved.addrs, old))) {
		if (netstate_ifindex(old) != link->index)
			continue;
		/* A primary address takes its secondaries along. */
		put_old(cfg, old, RTM_DELADDR, 0, VMFORK_STEP_ADDR_DEL,
			EADDRNOTAVAIL);
	}
}

static void put_new_addrs(struct netcfg *cfg, const struct identity_link *want,
			  const struct netcfg_link *link)
{
	uint8_t local[16];

	for (unsigned int i = 0; i < want->num_addr4; i++)
		put_addr(&cfg->batch, RTM_NEWADDR, 0, link, AF_INET,
			 want->addr4[i].addr, want->addr4[i].prefix_len);
	if (!link->has_ipv6)
		return;
	for (unsigned int i = 0; i < want->num_addr6; i++)
		put_addr(&cfg->batch, RTM_NEWADDR, 0, link, AF_INET6,
			 want->addr6[i].addr, want->addr6[i].prefix_len);
	if (want->mtu && want->mtu < 1280)
		return; /* the kernel takes IPv6 off such a link */
	netcfg_linklocal(local, link->mac);
	/* The kernel makes one as the link comes up, which it then probes. */
	if (!link->was_up)
		put_addr(&cfg->batch, RTM_DELADDR, RTNL_TOLERATE_ALL, link,
			 AF_INET6, local, 64);
	put_addr(&cfg->batch, RTM_NEWADDR, 0, link, AF_INET6, local, 64);
}

static void put_neigh(struct rtnl_batch *batch, const struct netcfg_link *link,
		      uint8_t family, const void *dst, const uint8_t *mac)
{
	struct nlmsghdr *msg = rtnl_batch_put(
		batch, RTM_NEWNEIGH, CREATE_OR_REPLACE, VMFORK_STEP_NEIGH, 0);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(msg, sizeof(*ndm));

	ndm->ndm_family = family;
	ndm->ndm_ifindex = link->index;
	ndm->ndm_state = NUD_PERMANENT;
	mnl_attr_put(msg, NDA_DST, family == AF_INET ? 4 : 16, dst);
	mnl_attr_put(msg, NDA_LLADDR, 6, mac);
	rtnl_batch_end(batch, msg);
}

static void put_default_route(struct rtnl_batch *batch,
			      const struct netcfg_link *link, uint8_t family,
			      const void *gateway)
{
	struct nlmsghdr *msg = rtnl_batch_put(
		batch, RTM_NEWROUTE, CREATE_OR_REPLACE, VMFORK_STEP_ROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(msg, sizeof(*rtm));

	rtm->rtm_family = family;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = RTN_UNICAST;
	mnl_attr_put(msg, RTA_GATEWAY, family == AF_INET ? 4 : 16, gateway);
	mnl_attr_put_u32(msg, RTA_OIF, (uint32_t)link->index);
	rtnl_batch_end(batch, msg);
}

/* Does an attribute hold just this address? */
static bool attr_is(const struct nlattr *attr, uint8_t family, const void *addr)
{
	size_t len = family == AF_INET ? 4 : 16;

	return attr && mnl_attr_get_payload_len(attr) == len &&
	       !memcmp(mnl_attr_get_payload(attr), addr, len);
}

/* Is it a default route that the identity replaces? */
static bool route_is_replaced(const struct nlmsghdr *route,
			      const struct identity_link *want)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(route);

	if (rtm->rtm_dst_len || rtm->rtm_table != RT_TABLE_MAIN)
		return false;
	return rtm->rtm_family == AF_INET ? want->has_gateway4
					  : want->has_gateway6;
}

/* The same next hop as the identity's: it is replaced by itself. */
static bool route_is_same(const struct nlmsghdr *route,
			  const struct identity_link *want)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(route);

	return attr_is(netstate_attr(route, sizeof(*rtm), RTA_GATEWAY),
		       rtm->rtm_family,
		       rtm->rtm_family == AF_INET ? want->gateway4
						  : want->gateway6);
}

static void put_gateways(struct netcfg *cfg, const struct identity_link *want,
			 const struct netcfg_link *link)
{
	bool with6 = want->has_gateway6 && link->has_ipv6;
	const struct nlmsghdr *old = NULL;

	while ((old = netstate_next(&cfg->saved.routes, old))) {
		if (netstate_ifindex(old) == link->index &&
		    route_is_replaced(old, want) && !route_is_same(old, want))
			put_old(cfg, old, RTM_DELROUTE, 0, VMFORK_STEP_ROUTE,
				RTNL_TOLERATE_ALL);
	}
	if (want->has_gateway4 && want->has_gateway_mac)
		put_neigh(&cfg->batch, link, AF_INET, want->gateway4,
			  want->gateway_mac);
	if (with6 && want->has_gateway_mac)
		put_neigh(&cfg->batch, link, AF_INET6, want->gateway6,
			  want->gateway_mac);
	if (want->has_gateway4)
		put_default_route(&cfg->batch, link, AF_INET, want->gateway4);
	if (with6)
		put_default_route(&cfg->batch, link, AF_INET6, want->gateway6);
}

/* Is it the entry of a gateway, which the identity brings anew? */
static bool neigh_is_replaced(const struct nlmsghdr *neigh,
			      const struct identity_link *want)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(neigh);
	const struct nlattr *dst = netstate_attr(neigh, sizeof(*ndm), NDA_DST);

	if (!want->has_gateway_mac)
		return false;
	return ndm->ndm_family == AF_INET
		       ? want->has_gateway4 &&
				 attr_is(dst, AF_INET, want->gateway4)
		       : want->has_gateway6 &&
				 attr_is(dst, AF_INET6, want->gateway6);
}

/*
 * With its last IPv4 address a link loses its static routes, and with its MAC
 * its permanent neighbours. Those that still make sense come back; whether they
 * do, the kernel knows. None of the identity's own is overwritten.
 */
static void put_kept(struct netcfg *cfg, const struct identity_link *want,
		     const struct netcfg_link *link)
{
	const struct nlmsghdr *old = NULL;
	struct nlmsghdr *msg;

	while ((old = netstate_next(&cfg->saved.routes, old))) {
		if (netstate_ifindex(old) != link->index ||
		    route_is_replaced(old, want))
			continue;
		msg = put_old(cfg, old, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL,
			      VMFORK_STEP_ROUTE, RTNL_TOLERATE_ALL);
		if (msg)
			((struct rtmsg *)mnl_nlmsg_get_payload(msg))
				->rtm_flags &= RTNH_F_ONLINK;
	}
	old = NULL;
	while ((old = netstate_next(&cfg->saved.neighs, old))) {
		if (netstate_ifindex(old) == link->index &&
		    !neigh_is_replaced(old, want))
			put_old(cfg, old, RTM_NEWNEIGH,
				NLM_F_CREATE | NLM_F_EXCL, VMFORK_STEP_NEIGH,
				RTNL_TOLERATE_ALL);
	}
}

int netbatch_build(struct netcfg *cfg, const struct vmfork_identity *id,
		   const struct netcfg_result *result)
{
	rtnl_batch_reset(&cfg->batch);
	for (unsigned int i = 0; i < id->num_links; i++) {
		const struct identity_link *want = &id->link[i];
		const struct netcfg_link *link = &result->links[i];

		put_link(&cfg->batch, want, link);
		put_old_addrs(cfg, link);
		put_new_addrs(cfg, want, link);
		put_gateways(cfg, want, link);
		put_kept(cfg, want, link);
	}
	return cfg->batch.overflow ? -E2BIG : 0;
}
