// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/route.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/pool.h"
#include "net/record.h"
#include "net/subnet.h"

#define DEFAULT_SUBNET 231 /* 10.231.0.0/16 */
#define FIRST_SUBNET   232
#define LAST_SUBNET    255
#define CHOSEN_PREFIX4 16

/*
 * Hosts often route all of 10.0.0.0/8 to a gateway. A shorter route than these
 * does not claim a subnet: the bridge's own, longer one is stronger.
 */
#define ROUTE_PREFIX_MIN 12
#define MAC_TRIES	 16

struct subnet {
	struct in_addr addr;
	unsigned int prefix;
};

struct subnets {
	struct subnet *used;
	size_t num;
	bool failed;
};

static void subnets_free(struct subnets *subnets)
{
	free(subnets->used);
}

static void subnets_add(struct subnets *subnets, struct in_addr addr,
			unsigned int prefix)
{
	struct subnet *grown;

	grown = realloc(subnets->used, (subnets->num + 1) * sizeof(*grown));
	if (!grown) {
		subnets->failed = true;
		return;
	}
	subnets->used = grown;
	grown[subnets->num++] = (struct subnet){ addr, prefix };
}

static void nl_addr_add(struct subnets *subnets, const struct nl_addr *addr,
			unsigned int prefix_min)
{
	struct in_addr in;

	if (!addr || nl_addr_get_family(addr) != AF_INET ||
	    nl_addr_get_len(addr) != sizeof(in) ||
	    nl_addr_get_prefixlen(addr) < prefix_min)
		return;
	memcpy(&in, nl_addr_get_binary_addr(addr), sizeof(in));
	subnets_add(subnets, in, nl_addr_get_prefixlen(addr));
}

static void addr_cb(struct nl_object *obj, void *ctx)
{
	nl_addr_add(ctx, rtnl_addr_get_local((struct rtnl_addr *)obj), 0);
}

static void route_cb(struct nl_object *obj, void *ctx)
{
	nl_addr_add(ctx, rtnl_route_get_dst((struct rtnl_route *)obj),
		    ROUTE_PREFIX_MIN);
}

static int host_read(struct rtnl *rtnl, struct subnets *subnets,
		     struct vf_err *err)
{
	__nl_cache struct nl_cache *addrs = NULL;
	__nl_cache struct nl_cache *routes = NULL;
	int ret;

	ret = rtnl_cache(rtnl, "route/addr", &addrs, err);
	if (ret == 0)
		ret = rtnl_cache(rtnl, "route/route", &routes, err);
	if (ret < 0)
		return ret;
	nl_cache_foreach(addrs, addr_cb, subnets);
	nl_cache_foreach(routes, route_cb, subnets);
	return 0;
}

/* The other networks' subnets; and no two of them share a MAC prefix. */
static int records_read(int state_fd, const struct net_conf *conf,
			struct subnets *subnets, bool *mac_taken,
			struct vf_err *err)
{
	__record_names struct record_names names = { 0 };
	struct net_conf other;
	int ret;

	*mac_taken = false;
	ret = record_names(state_fd, &names, err);
	for (size_t i = 0; ret == 0 && i < names.num; i++) {
		if (!strcmp(names.names[i], conf->name))
			continue;
		ret = record_load(state_fd, names.names[i], &other, NULL, err);
		if (ret == -ENOENT) { /* half made or just removed */
			ret = 0;
			continue;
		}
		if (ret < 0)
			break;
		subnets_add(subnets, other.addr4, other.prefix4);
		*mac_taken |= !memcmp(other.mac, conf->mac, 3);
	}
	return ret;
}

static const struct subnet *subnets_find(const struct subnets *subnets,
					 struct in_addr addr,
					 unsigned int prefix)
{
	for (size_t i = 0; i < subnets->num; i++) {
		const struct subnet *used = &subnets->used[i];

		if (pool_overlaps(addr, prefix, used->addr, used->prefix))
			return used;
	}
	return NULL;
}

static int addr4_choose(const struct subnets *subnets, struct net_conf *conf,
			struct vf_err *err)
{
	bool is_default = !strcmp(conf->name, NET_DEFAULT_NAME);
	unsigned int n = is_default ? DEFAULT_SUBNET : FIRST_SUBNET;

	conf->prefix4 = CHOSEN_PREFIX4;
	for (; n <= LAST_SUBNET; n++) {
		conf->addr4.s_addr = htonl(10U << 24 | n << 16 | 1);
		if (!subnets_find(subnets, conf->addr4, conf->prefix4))
			return 0;
	}
	return vf_err_set(err, ENOSPC,
			  "network %s: no subnet 10.%d.0.0/16 to 10.%d.0.0/16 "
			  "is free",
			  conf->name, FIRST_SUBNET, LAST_SUBNET);
}

static int addr4_check(const struct subnets *subnets,
		       const struct net_conf *conf, struct vf_err *err)
{
	char mine[INET_ADDRSTRLEN], theirs[INET_ADDRSTRLEN];
	const struct subnet *used;

	used = subnets_find(subnets, conf->addr4, conf->prefix4);
	if (!used)
		return 0;
	inet_ntop(AF_INET, &conf->addr4, mine, sizeof(mine));
	inet_ntop(AF_INET, &used->addr, theirs, sizeof(theirs));
	return vf_err_set(err, EADDRINUSE,
			  "network %s: %s/%u overlaps %s/%u, which is in use",
			  conf->name, mine, conf->prefix4, theirs,
			  used->prefix);
}

/* A unique local /64: fd, 40 random bits, subnet 0 (RFC 4193). */
static int addr6_choose(struct net_conf *conf)
{
	memset(&conf->addr6, 0, sizeof(conf->addr6));
	conf->addr6.s6_addr[0] = 0xfd;
	conf->addr6.s6_addr[15] = 1;
	conf->prefix6 = POOL_PREFIX6;
	return vf_random(&conf->addr6.s6_addr[1], 5);
}

int subnet_choose(struct rtnl *rtnl, int state_fd, struct net_conf *conf,
		  struct vf_err *err)
{
	__cleanup(subnets_free) struct subnets subnets = { 0 };
	bool mac_taken = true;
	int ret;

	ret = host_read(rtnl, &subnets, err);
	for (int try = 0; ret == 0 && mac_taken && try < MAC_TRIES; try++) {
		if (vf_random(&conf->mac[1], 2) < 0)
			return vf_err_errno(err, EIO, "random numbers");
		conf->mac[0] = 0x02;
		ret = records_read(state_fd, conf, &subnets, &mac_taken, err);
	}
	if (ret < 0)
		return ret;
	if (subnets.failed)
		return vf_err_errno(err, ENOMEM, "network %s", conf->name);
	if (conf->addr4.s_addr)
		ret = addr4_check(&subnets, conf, err);
	else
		ret = addr4_choose(&subnets, conf, err);
	if (ret < 0)
		return ret;
	if (IN6_IS_ADDR_UNSPECIFIED(&conf->addr6) && addr6_choose(conf) < 0)
		return vf_err_errno(err, EIO, "random numbers");
	return pool_set_gateway(conf, err);
}
