// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netbatch.h"
#include "netroute.h"

#define METRIC_IPV6 1024 /* what the kernel makes of 0: IP6_RT_PRIO_USER */

/* What makes two routes of the main table alternatives of each other. */
struct key {
	bool is_ipv6;
	uint8_t dst_len;
	uint8_t dst[16];
	uint32_t metric;
};

static uint32_t metric_of(bool is_ipv6, uint32_t metric)
{
	return is_ipv6 && !metric ? METRIC_IPV6 : metric;
}

/* Return: false if it is chosen by more than its destination and metric */
static bool key_read(struct key *key, const struct nlmsghdr *msg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr;
	uint32_t metric = 0;

	if (rtm->rtm_table != RT_TABLE_MAIN || rtm->rtm_tos || rtm->rtm_src_len)
		return false;
	memset(key, 0, sizeof(*key));
	key->is_ipv6 = rtm->rtm_family == AF_INET6;
	key->dst_len = rtm->rtm_dst_len;
	mnl_attr_for_each(attr, msg, sizeof(*rtm)) {
		if (mnl_attr_get_type(attr) == RTA_PRIORITY)
			metric = mnl_attr_get_u32(attr);
		if (mnl_attr_get_type(attr) == RTA_DST &&
		    mnl_attr_get_payload_len(attr) <= sizeof(key->dst))
			memcpy(key->dst, mnl_attr_get_payload(attr),
			       mnl_attr_get_payload_len(attr));
	}
	key->metric = metric_of(key->is_ipv6, metric);
	return true;
}

static bool key_is_of(const struct key *key, const struct identity_route *route)
{
	return key->is_ipv6 == route->is_ipv6 &&
	       key->dst_len == route->dst_len &&
	       key->metric == metric_of(route->is_ipv6, route->metric) &&
	       !memcmp(key->dst, route->dst, sizeof(key->dst));
}

#define NUM_DEFAULTS 2

/* The routes of a link, the default ones first. Return: false: not given */
static bool route_get(const struct identity_link *want, unsigned int i,
		      struct identity_route *route)
{
	bool is_ipv6 = i == 1;

	if (i >= NUM_DEFAULTS) {
		*route = want->routes[i - NUM_DEFAULTS];
		return true;
	}
	memset(route, 0, sizeof(*route));
	route->is_ipv6 = is_ipv6;
	route->has_gateway = is_ipv6 ? want->has_gateway6 : want->has_gateway4;
	if (is_ipv6)
		memcpy(route->gateway, want->gateway6, sizeof(want->gateway6));
	else
		memcpy(route->gateway, want->gateway4, sizeof(want->gateway4));
	return route->has_gateway;
}

static bool link_claims(const struct identity_link *want, const struct key *key,
			struct identity_route *route)
{
	for (unsigned int i = 0; i < NUM_DEFAULTS + want->num_routes; i++) {
		if (route_get(want, i, route) && key_is_of(key, route))
			return true;
	}
	return false;
}

bool netroute_is_claimed(const struct nlmsghdr *route,
			 const struct vmfork_identity *id)
{
	struct identity_route claim;
	struct key key;

	if (!key_read(&key, route))
		return false;
	for (unsigned int i = 0; i < id->num_links; i++) {
		if (link_claims(&id->link[i], &key, &claim))
			return true;
	}
	return false;
}

/* Return: which of the links, or -1 */
static int link_of(const struct nlmsghdr *route,
		   const struct netcfg_result *result, unsigned int num_links)
{
	int index = netstate_ifindex(route);

	for (unsigned int i = 0; i < num_links; i++) {
		if (result->links[i].index == index)
			return (int)i;
	}
	return -1;
}

/*
 * A default route goes, of whatever metric, if its link gets another, and if its
 * link has no address of the family any more.
 */
static bool default_goes(const struct nlmsghdr *route,
			 const struct identity_link *want)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(route);

	if (rtm->rtm_dst_len || rtm->rtm_table != RT_TABLE_MAIN)
		return false;
	return rtm->rtm_family == AF_INET
		       ? want->has_gateway4 || !want->num_addr4
		       : want->has_gateway6 || !want->num_addr6;
}

static bool route_goes(const struct nlmsghdr *route,
		       const struct vmfork_identity *id, int link)
{
	return default_goes(route, &id->link[link]) ||
	       netroute_is_claimed(route, id);
}

/*
 * Just what its link's identity brings: the kernel says EEXIST to the new one.
 * The address that it prefers is another matter.
 */
static bool route_is_same(const struct nlmsghdr *old,
			  const struct identity_link *want)
{
	const struct nlattr *gateway = netstate_gateway(old);
	struct identity_route route;
	struct key key;

	if (!key_read(&key, old) || !link_claims(want, &key, &route) ||
	    route.is_blackhole || route.has_source ||
	    netstate_attr(old, sizeof(struct rtmsg), RTA_PREFSRC) ||
	    route.has_gateway != !!gateway)
		return false;
	return !gateway || !memcmp(mnl_attr_get_payload(gateway), route.gateway,
				   mnl_attr_get_payload_len(gateway));
}

static bool had_ipv4(const struct netcfg *cfg, int index)
{
	const struct nlmsghdr *old = NULL;

	while ((old = netstate_next(&cfg->saved.addrs, old))) {
		const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(old);

		if (ifa->ifa_family == AF_INET &&
		    netstate_ifindex(old) == index)
			return true;
	}
	return false;
}

void netroute_set_del(struct nlmsghdr *route)
{
	struct rtmsg *rtm = mnl_nlmsg_get_payload(route);

	route->nlmsg_type = RTM_DELROUTE;
	rtm->rtm_protocol = RTPROT_UNSPEC;
}

static void put_del(struct netcfg *cfg, const struct nlmsghdr *old)
{
	struct nlmsghdr *msg = netbatch_put_old(cfg, old, RTM_DELROUTE, 0,
						VMFORK_STEP_ROUTE,
						RTNL_TOLERATE_ALL);

	if (msg)
		netroute_set_del(msg);
}

void netroute_put_del(struct netcfg *cfg, const struct vmfork_identity *id,
		      const struct netcfg_result *result)
{
	const struct nlmsghdr *old = NULL;

	while ((old = netstate_next(&cfg->saved.routes, old))) {
		const struct rtmsg *rtm = mnl_nlmsg_get_payload(old);
		int i = link_of(old, result, id->num_links);

		if (i < 0 || !route_goes(old, id, i))
			continue;
		/* those of IPv4 went with its link's last address */
		if (rtm->rtm_family == AF_INET
			    ? !had_ipv4(cfg, result->links[i].index)
			    : !route_is_same(old, &id->link[i]))
			put_del(cfg, old);
	}
	while ((old = netstate_next(&cfg->saved.rejects, old))) {
		if (netroute_is_claimed(old, id))
			put_del(cfg, old);
	}
}

static void put_route(struct rtnl_batch *batch,
		      const struct identity_route *route, int index)
{
	size_t len = route->is_ipv6 ? 16 : 4;
	struct nlmsghdr *msg = rtnl_batch_put(batch, RTM_NEWROUTE, NLM_F_CREATE,
					      VMFORK_STEP_ROUTE, EEXIST);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(msg, sizeof(*rtm));

	rtm->rtm_family = route->is_ipv6 ? AF_INET6 : AF_INET;
	rtm->rtm_dst_len = route->dst_len;
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = route->is_blackhole ? RTN_BLACKHOLE : RTN_UNICAST;
	if (!route->is_blackhole && !route->has_gateway)
		rtm->rtm_scope = RT_SCOPE_LINK;
	if (route->dst_len)
		mnl_attr_put(msg, RTA_DST, len, route->dst);
	if (route->has_gateway)
		mnl_attr_put(msg, RTA_GATEWAY, len, route->gateway);
	if (!route->is_blackhole)
		mnl_attr_put_u32(msg, RTA_OIF, (uint32_t)index);
	if (route->has_source)
		mnl_attr_put(msg, RTA_PREFSRC, len, route->source);
	if (route->metric)
		mnl_attr_put_u32(msg, RTA_PRIORITY, route->metric);
	rtnl_batch_end(batch, msg);
}

/*
 * What would be put is there already, and stays: a message less, which in a fork
 * is a way through the kernel that nothing else goes. IPv4's went with its
 * link's last address. One that a router told of ends with the router's word.
 */
static bool route_stands(const struct netcfg *cfg,
			 const struct identity_link *want,
			 const struct netcfg_link *link,
			 const struct identity_route *route)
{
	const struct nlmsghdr *old = NULL;
	struct key key;

	if (!route->is_ipv6 || !route->has_gateway || !link->was_up)
		return false;
	/* the kernel takes IPv6 off such a link */
	if (want->mtu && want->mtu < 1280)
		return false;
	while ((old = netstate_next(&cfg->saved.routes, old))) {
		const struct rtmsg *rtm = mnl_nlmsg_get_payload(old);

		if (netstate_ifindex(old) == link->index &&
		    rtm->rtm_protocol != RTPROT_RA && key_read(&key, old) &&
		    key_is_of(&key, route) && route_is_same(old, want))
			return true;
	}
	return false;
}

static void put_link_routes(struct netcfg *cfg,
			    const struct identity_link *want,
			    const struct netcfg_link *link, bool with_gateway)
{
	struct identity_route route;

	for (unsigned int i = 0; i < NUM_DEFAULTS + want->num_routes; i++) {
		if (route_get(want, i, &route) &&
		    route.has_gateway == with_gateway &&
		    (!route.is_ipv6 || link->has_ipv6) &&
		    !route_stands(cfg, want, link, &route))
			put_route(&cfg->batch, &route, link->index);
	}
}

void netroute_put_new(struct netcfg *cfg, const struct vmfork_identity *id,
		      const struct netcfg_result *result)
{
	/* a gateway may be reached by a route of the same mail */
	for (unsigned int i = 0; i < id->num_links; i++)
		put_link_routes(cfg, &id->link[i], &result->links[i], false);
	for (unsigned int i = 0; i < id->num_links; i++)
		put_link_routes(cfg, &id->link[i], &result->links[i], true);
}

void netroute_put_kept(struct netcfg *cfg, const struct vmfork_identity *id,
		       const struct netcfg_result *result)
{
	struct netroute_walk walk;
	const struct nlmsghdr *old;
	const struct rtmsg *rtm;
	uint16_t flags;

	netroute_walk_init(&walk, &cfg->saved, result, id->num_links);
	while ((old = netroute_walk_next(&walk, &flags))) {
		rtm = mnl_nlmsg_get_payload(old);
		if (rtm->rtm_family == AF_INET &&
		    !route_goes(old, id, link_of(old, result, id->num_links)))
			netbatch_put_old(cfg, old, RTM_NEWROUTE, flags,
					 VMFORK_STEP_ROUTE, RTNL_TOLERATE_ALL);
	}
}

enum pass {
	PASS_DIRECT_BEFORE,
	PASS_DIRECT_AFTER,
	PASS_GATEWAY_BEFORE,
	PASS_GATEWAY_AFTER,
	PASS_NUM
};

static bool key_is(const struct key *a, const struct key *b)
{
	return a->is_ipv6 == b->is_ipv6 && a->dst_len == b->dst_len &&
	       a->metric == b->metric &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst));
}

/* Stood an alternative to it before it, on an interface that is not named? */
static bool stands_after(const struct netroute_walk *walk,
			 const struct nlmsghdr *route)
{
	const struct nlmsghdr *at = NULL;
	struct key key, other;

	if (!key_read(&key, route))
		return true;
	while ((at = netstate_next(walk->list, at)) && at != route) {
		if (link_of(at, walk->result, walk->num_links) < 0 &&
		    key_read(&other, at) && key_is(&key, &other))
			return true;
	}
	return false;
}

/* IPv6 knows no order among alternatives: they are one route of many hops. */
static unsigned int pass_of(const struct netroute_walk *walk,
			    const struct nlmsghdr *route)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(route);
	unsigned int pass = netstate_gateway(route) ? PASS_GATEWAY_BEFORE
						    : PASS_DIRECT_BEFORE;

	return pass +
	       (rtm->rtm_family == AF_INET6 || stands_after(walk, route));
}

void netroute_walk_init(struct netroute_walk *walk,
			const struct netstate *saved,
			const struct netcfg_result *result,
			unsigned int num_links)
{
	*walk = (struct netroute_walk){
		.list = &saved->routes,
		.result = result,
		.num_links = num_links,
	};
}

/*
 * IPv4 puts a new route before its alternatives, or behind them if told so: the
 * former have to come from the end.
 */
const struct nlmsghdr *netroute_walk_next(struct netroute_walk *walk,
					  uint16_t *flags)
{
	for (; walk->pass < PASS_NUM; walk->pass++, walk->at = NULL) {
		bool is_after = walk->pass & 1;

		*flags = NLM_F_CREATE | (is_after ? NLM_F_APPEND : 0);
		do {
			walk->at =
				is_after
					? netstate_next(walk->list, walk->at)
					: netstate_before(walk->list, walk->at);
		} while (walk->at && (link_of(walk->at, walk->result,
					      walk->num_links) < 0 ||
				      pass_of(walk, walk->at) != walk->pass));
		if (walk->at)
			return walk->at;
	}
	return NULL;
}
