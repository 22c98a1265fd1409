// SPDX-License-Identifier: MIT
/*
 * The way back. A batch is not atomic: whatever of it took effect is removed,
 * and the saved messages are sent back to the kernel. netcfg.h has the contract.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg.h"

static void batch_flush(struct netcfg *cfg)
{
	cfg->send(&cfg->rtnl, &cfg->batch);
	rtnl_batch_reset(&cfg->batch);
}

/* What cannot be put back must not stop the rest: every error is tolerated. */
static struct nlmsghdr *undo_put(struct netcfg *cfg,
				 const struct nlmsghdr *from, uint16_t type,
				 uint16_t flags)
{
	struct nlmsghdr *msg = rtnl_batch_copy(&cfg->batch, from, type, flags,
					       0, RTNL_TOLERATE_ALL);

	if (msg)
		return msg;
	batch_flush(cfg);
	return rtnl_batch_copy(&cfg->batch, from, type, flags, 0,
			       RTNL_TOLERATE_ALL);
}

static void list_remove(struct netcfg *cfg, const struct netstate_list *list,
			uint16_t type, int index)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at))) {
		if (netstate_ifindex(at) == index)
			undo_put(cfg, at, type, 0);
	}
}

static void link_restore(struct netcfg *cfg, int index)
{
	const struct netstate_link *link = NULL;
	struct ifinfomsg *ifi;
	struct nlmsghdr *msg;

	for (unsigned int i = 0; i < cfg->saved.num_links; i++) {
		if (cfg->saved.links[i].index == index)
			link = &cfg->saved.links[i];
	}
	if (!link)
		return;
	batch_flush(cfg);
	msg = rtnl_batch_put(&cfg->batch, RTM_SETLINK, 0, VMFORK_STEP_LINK,
			     RTNL_TOLERATE_ALL);
	ifi = mnl_nlmsg_put_extra_header(msg, sizeof(*ifi));
	ifi->ifi_index = index;
	ifi->ifi_flags = link->flags & IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put(msg, IFLA_ADDRESS, sizeof(link->mac), link->mac);
	mnl_attr_put_u32(msg, IFLA_MTU, link->mtu);
	rtnl_batch_end(&cfg->batch, msg);
}

/* The flags stand in an attribute, since they have outgrown the header. */
static void addr_set_nodad(struct nlmsghdr *msg)
{
	struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr = netstate_attr(msg, sizeof(*ifa), IFA_FLAGS);
	uint32_t flags;

	ifa->ifa_flags |= IFA_F_NODAD;
	if (!attr)
		return;
	flags = mnl_attr_get_u32(attr) | IFA_F_NODAD;
	memcpy(mnl_attr_get_payload(attr), &flags, sizeof(flags));
}

/*
 * An IPv6 address is added with NODAD, to be usable at once, and then told the
 * flags that it had. What the kernel made itself meanwhile goes first.
 */
static void addr6_restore(struct netcfg *cfg, const struct nlmsghdr *addr)
{
	struct nlmsghdr *msg;

	undo_put(cfg, addr, RTM_DELADDR, 0);
	msg = undo_put(cfg, addr, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	if (msg)
		addr_set_nodad(msg);
	undo_put(cfg, addr, RTM_NEWADDR, NLM_F_REPLACE);
}

static const struct nlmsghdr *list_before(const struct netstate_list *list,
					  const struct nlmsghdr *end)
{
	const struct nlmsghdr *at = NULL, *before = NULL;

	while ((at = netstate_next(list, at)) && at != end)
		before = at;
	return before;
}

/*
 * The kernel appends IPv4 addresses, and puts IPv6 ones before others of their
 * scope: to get the order of the dump again, the latter go in from its end.
 */
static void addrs_restore(struct netcfg *cfg, int index)
{
	const struct netstate_list *list = &cfg->saved.addrs;
	const struct nlmsghdr *at = NULL;
	const struct ifaddrmsg *ifa;

	while ((at = netstate_next(list, at))) {
		ifa = mnl_nlmsg_get_payload(at);
		if (netstate_ifindex(at) == index && ifa->ifa_family == AF_INET)
			undo_put(cfg, at, RTM_NEWADDR,
				 NLM_F_CREATE | NLM_F_REPLACE);
	}
	while ((at = list_before(list, at))) {
		ifa = mnl_nlmsg_get_payload(at);
		if (netstate_ifindex(at) == index &&
		    ifa->ifa_family == AF_INET6)
			addr6_restore(cfg, at);
	}
}

static void routes_restore(struct netcfg *cfg, int index)
{
	const struct nlmsghdr *at = NULL;
	struct nlmsghdr *msg;

	while ((at = netstate_next(&cfg->saved.routes, at))) {
		if (netstate_ifindex(at) != index)
			continue;
		msg = undo_put(cfg, at, RTM_NEWROUTE,
			       NLM_F_CREATE | NLM_F_APPEND);
		/* the dump's other flags are the kernel's to say */
		if (msg)
			((struct rtmsg *)mnl_nlmsg_get_payload(msg))
				->rtm_flags &= RTNH_F_ONLINK;
	}
}

static void neighs_restore(struct netcfg *cfg, int index)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(&cfg->saved.neighs, at))) {
		if (netstate_ifindex(at) == index)
			undo_put(cfg, at, RTM_NEWNEIGH,
				 NLM_F_CREATE | NLM_F_REPLACE);
	}
}

int netcfg_undo(struct netcfg *cfg, const struct netcfg_result *result,
		unsigned int num_links)
{
	int ret = netstate_dump(&cfg->failed, &cfg->rtnl);

	if (ret < 0)
		return ret;
	rtnl_batch_reset(&cfg->batch);
	for (unsigned int i = 0; i < num_links; i++) {
		int index = result->links[i].index;

		list_remove(cfg, &cfg->failed.routes, RTM_DELROUTE, index);
		list_remove(cfg, &cfg->failed.neighs, RTM_DELNEIGH, index);
		list_remove(cfg, &cfg->failed.addrs, RTM_DELADDR, index);
		link_restore(cfg, index);
	}
	for (unsigned int i = 0; i < num_links; i++) {
		int index = result->links[i].index;

		addrs_restore(cfg, index);
		routes_restore(cfg, index);
		neighs_restore(cfg, index);
	}
	batch_flush(cfg);
	return 0;
}
