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

#define CLEAR_TRIES 8 /* of as much at once as a state holds */

struct undo {
	struct netcfg *cfg;
	const struct netcfg_result *result;
	unsigned int num_links;
	int error; /* -errno: the first one; what follows is done all the same */
};

static void undo_fail(struct undo *undo, int ret)
{
	if (ret < 0 && !undo->error)
		undo->error = ret;
}

static void batch_flush(struct undo *undo)
{
	struct netcfg *cfg = undo->cfg;
	int ret = cfg->send(&cfg->rtnl, &cfg->batch);
	int failed = ret < 0 ? -1 : rtnl_batch_failed(&cfg->batch);

	undo_fail(undo, failed < 0 ? ret : -cfg->batch.msg[failed].error);
	rtnl_batch_reset(&cfg->batch);
}

/* @tolerate: an errno that is no failure */
static struct nlmsghdr *undo_put(struct undo *undo, const struct nlmsghdr *from,
				 uint16_t type, uint16_t flags, int tolerate)
{
	struct rtnl_batch *batch = &undo->cfg->batch;
	struct nlmsghdr *msg = rtnl_batch_copy(batch, from, type, flags,
					       VMFORK_STEP_UNDO, tolerate);

	if (msg)
		return msg;
	batch_flush(undo);
	msg = rtnl_batch_copy(batch, from, type, flags, VMFORK_STEP_UNDO,
			      tolerate);
	if (!msg)
		undo_fail(undo, -E2BIG);
	return msg;
}

static void list_remove(struct undo *undo, const struct netstate_list *list,
			uint16_t type, int index)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at))) {
		if (netstate_ifindex(at) == index)
			undo_put(undo, at, type, 0, RTNL_TOLERATE_ALL);
	}
}

static bool link_is_touched(const struct netstate_link *link, const void *arg)
{
	const struct undo *undo = arg;

	for (unsigned int i = 0; i < undo->num_links; i++) {
		if (undo->result->links[i].index == link->index)
			return true;
	}
	return false;
}

/* Remove all that is there now, what the batch brought and what it left. */
static void links_clear(struct undo *undo)
{
	struct netstate *failed = &undo->cfg->failed;

	for (int try = 0; try < CLEAR_TRIES; try++) {
		int ret = netstate_dump(failed, &undo->cfg->rtnl,
					link_is_touched, undo);

		if (ret < 0) {
			undo_fail(undo, ret);
			return;
		}
		for (unsigned int i = 0; i < undo->num_links; i++) {
			int index = undo->result->links[i].index;

			list_remove(undo, &failed->routes, RTM_DELROUTE, index);
			list_remove(undo, &failed->neighs, RTM_DELNEIGH, index);
			list_remove(undo, &failed->addrs, RTM_DELADDR, index);
		}
		batch_flush(undo);
		if (!failed->is_partial)
			return;
	}
	undo_fail(undo, -E2BIG);
}

static void link_restore(struct undo *undo, int index)
{
	const struct netstate *saved = &undo->cfg->saved;
	const struct netstate_link *link = NULL;
	struct ifinfomsg *ifi;
	struct nlmsghdr *msg;

	for (unsigned int i = 0; i < saved->num_links; i++) {
		if (saved->links[i].index == index)
			link = &saved->links[i];
	}
	if (!link)
		return;
	msg = rtnl_batch_put(&undo->cfg->batch, RTM_SETLINK, 0,
			     VMFORK_STEP_UNDO, 0);
	ifi = mnl_nlmsg_put_extra_header(msg, sizeof(*ifi));
	ifi->ifi_index = index;
	ifi->ifi_flags = link->flags & IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put(msg, IFLA_ADDRESS, sizeof(link->mac), link->mac);
	mnl_attr_put_u32(msg, IFLA_MTU, link->mtu);
	rtnl_batch_end(&undo->cfg->batch, msg);
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
static void addr6_restore(struct undo *undo, const struct nlmsghdr *addr)
{
	struct nlmsghdr *msg;

	undo_put(undo, addr, RTM_DELADDR, 0, RTNL_TOLERATE_ALL);
	msg = undo_put(undo, addr, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
		       0);
	if (msg)
		addr_set_nodad(msg);
	undo_put(undo, addr, RTM_NEWADDR, NLM_F_REPLACE, 0);
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
static void addrs_restore(struct undo *undo, int index)
{
	const struct netstate_list *list = &undo->cfg->saved.addrs;
	const struct nlmsghdr *at = NULL;
	const struct ifaddrmsg *ifa;

	while ((at = netstate_next(list, at))) {
		ifa = mnl_nlmsg_get_payload(at);
		if (netstate_ifindex(at) == index && ifa->ifa_family == AF_INET)
			undo_put(undo, at, RTM_NEWADDR,
				 NLM_F_CREATE | NLM_F_REPLACE, 0);
	}
	while ((at = list_before(list, at))) {
		ifa = mnl_nlmsg_get_payload(at);
		if (netstate_ifindex(at) == index &&
		    ifa->ifa_family == AF_INET6)
			addr6_restore(undo, at);
	}
}

static void routes_restore(struct undo *undo, int index)
{
	const struct nlmsghdr *at = NULL;
	struct nlmsghdr *msg;

	while ((at = netstate_next(&undo->cfg->saved.routes, at))) {
		if (netstate_ifindex(at) != index)
			continue;
		msg = undo_put(undo, at, RTM_NEWROUTE,
			       NLM_F_CREATE | NLM_F_APPEND, EEXIST);
		/* the dump's other flags are the kernel's to say */
		if (msg)
			((struct rtmsg *)mnl_nlmsg_get_payload(msg))
				->rtm_flags &= RTNH_F_ONLINK;
	}
}

static void neighs_restore(struct undo *undo, int index)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(&undo->cfg->saved.neighs, at))) {
		if (netstate_ifindex(at) == index)
			undo_put(undo, at, RTM_NEWNEIGH,
				 NLM_F_CREATE | NLM_F_REPLACE, 0);
	}
}

int netcfg_undo(struct netcfg *cfg, const struct netcfg_result *result,
		unsigned int num_links)
{
	struct undo undo = { cfg, result, num_links, 0 };

	rtnl_batch_reset(&cfg->batch);
	links_clear(&undo);
	for (unsigned int i = 0; i < num_links; i++)
		link_restore(&undo, result->links[i].index);
	for (unsigned int i = 0; i < num_links; i++) {
		int index = result->links[i].index;

		addrs_restore(&undo, index);
		routes_restore(&undo, index);
		neighs_restore(&undo, index);
	}
	batch_flush(&undo);
	return undo.error;
}
