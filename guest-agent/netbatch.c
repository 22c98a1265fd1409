// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "netbatch.h"
#include "netroute.h"

#define CREATE_OR_REPLACE (NLM_F_CREATE | NLM_F_REPLACE)

struct nlmsghdr *netbatch_put_old(struct netcfg *cfg,
				  const struct nlmsghdr *old, uint16_t type,
				  uint16_t flags, enum vmfork_step step,
				  int tolerate)
{
	struct nlmsghdr *msg =
		rtnl_batch_copy(&cfg->batch, old, type, flags, step, tolerate);

	if (!msg)
		cfg->batch.overflow = true;
	return msg;
}

static struct nlmsghdr *put_setlink(struct rtnl_batch *batch,
				    const struct netcfg_link *link,
				    int tolerate)
{
	struct nlmsghdr *msg = rtnl_batch_put(batch, RTM_SETLINK, 0,
					      VMFORK_STEP_LINK, tolerate);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(msg, sizeof(*ifi));

	ifi->ifi_index = link->index;
	if (!link->was_up) {
		ifi->ifi_flags = IFF_UP;
		ifi->ifi_change = IFF_UP;
	}
	return msg;
}

/*
 * A link whose MAC is set forgets its neighbours, even if it is the MAC that it
 * had (NETDEV_CHANGEADDR: neigh_changeaddr() in net/core/neighbour.c). Without a
 * MAC in the mail it is set to its own, for that alone; some drivers refuse.
 */
static void put_link(struct rtnl_batch *batch, const struct identity_link *want,
		     const struct netcfg_link *link)
{
	struct nlmsghdr *msg;

	if (!want->has_mac) {
		msg = put_setlink(batch, link, RTNL_TOLERATE_ALL);
		mnl_attr_put(msg, IFLA_ADDRESS, 6, link->mac);
		rtnl_batch_end(batch, msg);
	}
	msg = put_setlink(batch, link, 0);
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
		netbatch_put_old(cfg, old, RTM_DELADDR, 0, VMFORK_STEP_ADDR_DEL,
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

/* Does an attribute hold just this address? */
static bool attr_is(const struct nlattr *attr, uint8_t family, const void *addr)
{
	size_t len = family == AF_INET ? 4 : 16;

	return attr && mnl_attr_get_payload_len(attr) == len &&
	       !memcmp(mnl_attr_get_payload(attr), addr, len);
}

static void put_gateways(struct netcfg *cfg, const struct identity_link *want,
			 const struct netcfg_link *link)
{
	if (!want->has_gateway_mac)
		return;
	if (want->has_gateway4)
		put_neigh(&cfg->batch, link, AF_INET, want->gateway4,
			  want->gateway_mac);
	if (want->has_gateway6 && link->has_ipv6)
		put_neigh(&cfg->batch, link, AF_INET6, want->gateway6,
			  want->gateway_mac);
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
 * With its MAC a link loses all neighbours, the permanent ones too. These come
 * back, but for what the identity brings itself.
 */
static void put_kept_neighs(struct netcfg *cfg,
			    const struct identity_link *want,
			    const struct netcfg_link *link)
{
	const struct nlmsghdr *old = NULL;

	while ((old = netstate_next(&cfg->saved.neighs, old))) {
		if (netstate_ifindex(old) == link->index &&
		    !neigh_is_replaced(old, want))
			netbatch_put_old(cfg, old, RTM_NEWNEIGH,
					 NLM_F_CREATE | NLM_F_EXCL,
					 VMFORK_STEP_NEIGH, RTNL_TOLERATE_ALL);
	}
}

/* Across all links, since an address or gateway may move from one to another. */
int netbatch_build(struct netcfg *cfg, const struct vmfork_identity *id,
		   const struct netcfg_result *result)
{
	const struct netcfg_link *link = result->links;

	rtnl_batch_reset(&cfg->batch);
	for (unsigned int i = 0; i < id->num_links; i++) {
		put_link(&cfg->batch, &id->link[i], &link[i]);
		put_old_addrs(cfg, &link[i]);
	}
	for (unsigned int i = 0; i < id->num_links; i++)
		put_new_addrs(cfg, &id->link[i], &link[i]);
	netroute_put_del(cfg, id, result);
	for (unsigned int i = 0; i < id->num_links; i++)
		put_gateways(cfg, &id->link[i], &link[i]);
	netroute_put_new(cfg, id, result);
	netroute_put_kept(cfg, id, result);
	for (unsigned int i = 0; i < id->num_links; i++)
		put_kept_neighs(cfg, &id->link[i], &link[i]);
	return cfg->batch.overflow ? -E2BIG : 0;
}
