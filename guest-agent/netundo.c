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
#include "netroute.h"

#define CLEAR_TRIES 8 /* of as much at once as a state holds */

struct undo {
	struct netcfg *cfg;
	const struct vmfork_identity *id;
	const struct netcfg_result *result;
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

/* It is of touched links only: the dump saw to that. */
static void list_remove(struct undo *undo, const struct netstate_list *list,
			uint16_t type)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at)))
		undo_put(undo, at, type, 0, RTNL_TOLERATE_ALL);
}

/* But for its age. */
static bool route_is_equal(const struct nlmsghdr *a, const struct nlmsghdr *b)
{
	size_t head = sizeof(struct rtmsg);
	const struct nlattr *x, *y = mnl_nlmsg_get_payload_offset(b, head);

	if (a->nlmsg_len != b->nlmsg_len ||
	    memcmp(mnl_nlmsg_get_payload(a), mnl_nlmsg_get_payload(b), head))
		return false;
	mnl_attr_for_each(x, a, head) {
		if (x->nla_len != y->nla_len || x->nla_type != y->nla_type)
			return false;
		if (mnl_attr_get_type(x) != RTA_CACHEINFO &&
		    memcmp(x, y, x->nla_len) != 0)
			return false;
		y = mnl_attr_next(y);
	}
	return true;
}

static bool list_has(const struct netstate_list *list,
		     const struct nlmsghdr *route)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at))) {
		if (route_is_equal(route, at))
			return true;
	}
	return false;
}

/*
 * IPv6 routes stay while addresses come and go. One that was there before is
 * left, for the kernel might not take it again: its gateway may be out of reach.
 */
static bool route_may_stay(const struct nlmsghdr *route,
			   const struct netstate_list *other)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(route);

	return rtm->rtm_family == AF_INET6 && list_has(other, route);
}

static void routes_remove(struct undo *undo, const struct netstate_list *list)
{
	const struct nlmsghdr *at = NULL;
	struct nlmsghdr *msg;

	while ((at = netstate_next(list, at))) {
		if (route_may_stay(at, &undo->cfg->saved.routes))
			continue;
		msg = undo_put(undo, at, RTM_DELROUTE, 0, RTNL_TOLERATE_ALL);
		if (msg)
			netroute_set_del(msg);
	}
}

static bool link_is_touched(const struct netstate_link *link, const void *arg)
{
	const struct undo *undo = arg;

	for (unsigned int i = 0; i < undo->id->num_links; i++) {
		if (undo->result->links[i].index == link->index)
			return true;
	}
	return false;
}

static bool reject_is_touched(const struct nlmsghdr *route, const void *arg)
{
	return netroute_is_claimed(route, ((const struct undo *)arg)->id);
}

/* Remove all that is there now, what the batch brought and what it left. */
static void links_clear(struct undo *undo)
{
	struct netstate *failed = &undo->cfg->failed;
	struct netstate_filter touched = { link_is_touched, reject_is_touched,
					   undo };

	for (int try = 0; try < CLEAR_TRIES; try++) {
		int ret = netstate_dump(failed, &undo->cfg->rtnl, &touched);

		if (ret < 0) {
			undo_fail(undo, ret);
			return;
		}
		routes_remove(undo, &failed->routes);
		routes_remove(undo, &failed->rejects);
		list_remove(undo, &failed->neighs, RTM_DELNEIGH);
		list_remove(undo, &failed->addrs, RTM_DELADDR);
		batch_flush(undo);
		if (!failed->is_partial && !failed->more_rejects)
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
	while ((at = netstate_before(list, at))) {
		ifa = mnl_nlmsg_get_payload(at);
		if (netstate_ifindex(at) == index &&
		    ifa->ifa_family == AF_INET6)
			addr6_restore(undo, at);
	}
}

static void routes_restore(struct undo *undo)
{
	const struct netstate *saved = &undo->cfg->saved;
	const struct nlmsghdr *at = NULL;
	struct netroute_walk walk;
	uint16_t flags;

	while ((at = netstate_next(&saved->rejects, at))) {
		if (netroute_is_claimed(at, undo->id))
			undo_put(undo, at, RTM_NEWROUTE, NLM_F_CREATE, EEXIST);
	}
	netroute_walk_init(&walk, saved, undo->result, undo->id->num_links);
	while ((at = netroute_walk_next(&walk, &flags))) {
		if (!route_may_stay(at, &undo->cfg->failed.routes))
			undo_put(undo, at, RTM_NEWROUTE, flags, EEXIST);
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

int netcfg_undo(struct netcfg *cfg, const struct vmfork_identity *id,
		const struct netcfg_result *result)
{
	struct undo undo = { cfg, id, result, 0 };

	rtnl_batch_reset(&cfg->batch);
	links_clear(&undo);
	for (unsigned int i = 0; i < id->num_links; i++)
		link_restore(&undo, result->links[i].index);
	for (unsigned int i = 0; i < id->num_links; i++)
		addrs_restore(&undo, result->links[i].index);
	routes_restore(&undo);
	for (unsigned int i = 0; i < id->num_links; i++)
		neighs_restore(&undo, result->links[i].index);
	batch_flush(&undo);
	return undo.error;
}
