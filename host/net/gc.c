// SPDX-License-Identifier: MIT
/* What dead owners left. Nothing is removed that is not provably ours. */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/route/neighbour.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/bridge.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/network.h"
#include "net/pool.h"
#include "net/port.h"
#include "net/record.h"
#include "net/shape.h"

struct gc {
	int state_fd;
	bool (*is_alive)(const char *owner, void *ctx);
	void *ctx;
	json_t *removed;
	struct rtnl rtnl;
	struct net *net;      /* the one that is being looked at */
	struct leases leases; /* all of it, then those that live */
	struct net_port *dead;
	unsigned int num_dead;
};

static void report(struct gc *gc, const char *what, const char *name)
{
	json_array_append_new(gc->removed,
			      json_sprintf("network %s: %s %s",
					   gc->net->conf.name, what, name));
}

static int leases_split(struct gc *gc, struct vf_err *err)
{
	size_t alive = 0;

	gc->num_dead = 0;
	gc->dead = calloc(gc->leases.num + 1, sizeof(*gc->dead));
	if (!gc->dead)
		return vf_err_errno(err, ENOMEM, "leases");
	for (size_t i = 0; i < gc->leases.num; i++) {
		struct net_port *port = &gc->leases.ports[i];

		if (gc->is_alive(port->owner, gc->ctx))
			gc->leases.ports[alive++] = *port;
		else
			gc->dead[gc->num_dead++] = *port;
	}
	gc->leases.num = alive;
	return 0;
}

static bool is_dead_lease(const struct gc *gc, const struct tap_link *link)
{
	for (unsigned int i = 0; i < gc->num_dead; i++) {
		if (!strcmp(gc->dead[i].owner, link->owner) &&
		    !strcmp(gc->dead[i].tap, link->name))
			return true;
	}
	return false;
}

/*
 * A TAP is ours if it is attached to our network, or to none and a dead lease
 * names it: one with our alias may belong to another state directory.
 */
static bool is_dead(const struct gc *gc, const struct tap_links *links,
		    const struct tap_link *link, int bridge)
{
	const struct net_conf *conf = &gc->net->conf;

	/* whosever it was: without a TAP it is of no use to anybody */
	if (shape_is_stray(link->name, links))
		return true;
	if (!mode_of(conf)->owns(conf, link, bridge) &&
	    !(!link->master && is_dead_lease(gc, link)))
		return false;
	return !gc->is_alive(link->owner, gc->ctx);
}

static int links_remove(struct gc *gc, const struct tap_links *links,
			struct vf_err *err)
{
	__free int *dead = calloc(links->num + 1, sizeof(*dead));
	int bridge = if_nametoindex(gc->net->conf.bridge);
	unsigned int num = 0;

	if (!dead)
		return vf_err_errno(err, ENOMEM, "TAPs");
	for (size_t i = 0; i < links->num; i++) {
		const struct tap_link *link = &links->links[i];

		if (!is_dead(gc, links, link, bridge))
			continue;
		dead[num++] = link->ifindex;
		report(gc, shape_is_stray(link->name, links) ? "ifb" : "TAP",
		       link->name);
	}
	return ports_delete(&gc->rtnl, dead, num, err);
}

static bool is_leased(const struct gc *gc, int family, const void *addr)
{
	struct in6_addr in6;

	if (family == AF_INET)
		in6 = net_addr_map(*(const struct in_addr *)addr);
	else
		memcpy(&in6, addr, sizeof(in6));
	for (size_t i = 0; i < gc->leases.num; i++) {
		const struct net_port *port = &gc->leases.ports[i];
		struct in6_addr link_local = pool_link_local(port->mac);

		if (net_port_has(port, in6) ||
		    IN6_ARE_ADDR_EQUAL(&in6, &link_local))
			return true;
	}
	return false;
}

static int neigh_remove(struct gc *gc, struct rtnl_neigh *neigh, int bridge,
			struct vf_err *err)
{
	struct nl_addr *dst = rtnl_neigh_get_dst(neigh);
	int family = rtnl_neigh_get_family(neigh);
	char text[64];

	if (rtnl_neigh_get_ifindex(neigh) != bridge || !dst ||
	    (family != AF_INET && family != AF_INET6) ||
	    !(rtnl_neigh_get_state(neigh) & NUD_PERMANENT) ||
	    is_leased(gc, family, nl_addr_get_binary_addr(dst)))
		return 0;
	if (neigh_add(&gc->rtnl, RTM_DELNEIGH, bridge, family,
		      nl_addr_get_binary_addr(dst), NULL) < 0)
		return vf_err_errno(err, ENOMEM, "neighbours");
	report(gc, "neighbour", nl_addr2str(dst, text, sizeof(text)));
	return 0;
}

static int neighs_remove(struct gc *gc, struct nl_cache *neighs,
			 struct vf_err *err)
{
	int bridge = if_nametoindex(gc->net->conf.bridge);
	struct nl_object *obj;
	int ret = 0;

	for (obj = nl_cache_get_first(neighs); bridge && obj && ret == 0;
	     obj = nl_cache_get_next(obj))
		ret = neigh_remove(gc, (struct rtnl_neigh *)obj, bridge, err);
	return ret < 0 ? ret : rtnl_commit(&gc->rtnl, RTNL_UNDO, err);
}

static int dead_release(struct gc *gc, struct vf_err *err)
{
	int ret;

	ret = net_ports_detach(gc->net, gc->dead, gc->num_dead, err);
	if (ret == 0 && gc->num_dead)
		ret = net_ports_release(gc->net, gc->dead, gc->num_dead, err);
	for (unsigned int i = 0; ret == 0 && i < gc->num_dead; i++)
		report(gc, "lease of", gc->dead[i].owner);
	return ret;
}

/*
 * What the host has is read before the leases: whatever came after that has a
 * lease that we see.
 */
static int network_sweep(struct gc *gc, struct vf_err *err)
{
	__tap_links struct tap_links links = { 0 };
	__nl_cache struct nl_cache *neighs = NULL;
	__json json_t *sets = NULL;
	struct net *net = gc->net;
	int ret, is_up, state;

	state = bridge_get_state(&gc->rtnl, &net->conf, err);
	is_up = state < 0 ? state : filter_is_up(&net->conf, err);
	ret = is_up < 0 ? is_up : 0;
	if (ret == 0 && state == BRIDGE_FOREIGN)
		is_up = 0; /* the rules of that name are not ours either */
	if (ret == 0 && is_up)
		ret = filter_read(&net->conf, &sets, err);
	if (ret == 0)
		ret = rtnl_cache(&gc->rtnl, "route/neigh", &neighs, err);
	if (ret == 0)
		ret = tap_links_find(&gc->rtnl, &links, err);
	if (ret == 0)
		ret = leases_load(net->dir_fd, &net->conf, &gc->leases, err);
	if (ret == 0)
		ret = leases_split(gc, err);
	if (ret == 0 && state != BRIDGE_FOREIGN)
		ret = links_remove(gc, &links, err);
	if (ret == 0 && is_up)
		ret = filter_sweep(&net->conf, sets, &gc->leases, gc->removed,
				   err);
	if (ret == 0)
		ret = dead_release(gc, err);
	if (ret == 0 && state != BRIDGE_FOREIGN)
		ret = neighs_remove(gc, neighs, err);
	return ret;
}

/* A directory without a record: whoever made it was killed. */
static int half_made_remove(struct gc *gc, const char *name, struct vf_err *err)
{
	__close int lock_fd = network_lock(gc->state_fd, err);
	struct net_conf conf;
	int ret;

	if (lock_fd < 0)
		return lock_fd;
	ret = record_load(gc->state_fd, name, &conf, NULL, err);
	if (ret != -ENOENT)
		return ret;
	ret = vf_remove_tree(gc->state_fd, name);
	if (ret == -ENOTDIR) /* somebody else's file: let it be */
		return 0;
	if (ret < 0)
		return vf_err_errno(err, ret, "network %s", name);
	json_array_append_new(gc->removed,
			      json_sprintf("network %s: half made", name));
	return 0;
}

static int network_gc(struct gc *gc, const char *name, struct vf_err *err)
{
	__network struct net net = NETWORK_INIT;
	int ret;

	ret = network_load(&net, gc->state_fd, name, err);
	if (ret == -ENOENT)
		return half_made_remove(gc, name, err);
	if (ret < 0)
		return ret;
	gc->net = &net;
	ret = network_sweep(gc, err);
	gc->net = NULL;
	leases_free(&gc->leases);
	free(gc->dead);
	gc->dead = NULL;
	gc->num_dead = 0;
	return ret;
}

int net_gc(int state_fd, bool (*is_alive)(const char *owner, void *ctx),
	   void *ctx, json_t *removed, struct vf_err *err)
{
	__record_names struct record_names names = { 0 };
	struct gc gc = { .state_fd = state_fd,
			 .is_alive = is_alive,
			 .ctx = ctx,
			 .removed = removed };
	struct vf_err first = { 0 };
	int ret;

	ret = record_names(state_fd, &names, err);
	if (ret == 0)
		ret = rtnl_open(&gc.rtnl, NETLINK_ROUTE, err);
	if (ret < 0)
		return ret;
	/* one that fails does not keep the others from being cleaned */
	for (size_t i = 0; i < names.num; i++) {
		if (network_gc(&gc, names.names[i], err) < 0 && !first.num)
			first = *err;
	}
	rtnl_close(&gc.rtnl);
	*err = first;
	return -first.num;
}
