// SPDX-License-Identifier: MIT
/* The life of ports: net.h draws it. */
#include <errno.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/bridge.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/network.h"
#include "net/port.h"
#include "net/shape.h"
#include "net/tap.h"

#define RELEASE_TIMEOUT_US 2000000

int net_ports_lease(struct net *net, const struct net_wish *wish,
		    struct net_port *ports, unsigned int num,
		    struct vf_err *err)
{
	return leases_add(net->dir_fd, &net->conf, wish, ports, num, err);
}

/*
 * Wait until no TAP of these is left. What is gone comes to the front of @ports.
 * Return: how many those are, or -errno
 */
static int wait_gone(struct rtnl *rtnl, struct net_port *ports,
		     unsigned int num, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + RELEASE_TIMEOUT_US;
	__free int *found = calloc(num + 1, sizeof(*found));
	__close int watch_fd = rtnl_watch_open(err);
	unsigned int gone = 0;
	int ret = watch_fd < 0 ? watch_fd : 0;

	if (!found)
		return vf_err_errno(err, ENOMEM, "ports");
	while (ret == 0 && gone < num) {
		unsigned int from = gone;

		ret = ports_find(rtnl, &ports[from], num - from, found, err);
		if (ret < 0)
			break;
		for (unsigned int i = from; i < num; i++) {
			struct net_port port = ports[i];

			/* a link of that name that is not its is no TAP of it */
			if (found[i - from] > 0)
				continue;
			ports[i] = ports[gone];
			ports[gone++] = port;
		}
		if (gone < num && rtnl_watch_wait(watch_fd, deadline_us) < 0)
			break;
	}
	return ret < 0 ? ret : (int)gone;
}

int net_ports_release(struct net *net, const struct net_port *ports,
		      unsigned int num, struct vf_err *err)
{
	__leases struct leases leases = { 0 };
	__free struct net_port *own = calloc(num + 1, sizeof(*own));
	__rtnl struct rtnl rtnl = RTNL_INIT;
	unsigned int num_own = 0;
	int ret, gone;

	if (!own)
		return vf_err_errno(err, ENOMEM, "ports");
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret == 0)
		ret = leases_load(net->dir_fd, &net->conf, &leases, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < num; i++) {
		const struct net_port *lease =
			leases_find(&leases, ports[i].owner);

		if (lease && lease->index == ports[i].index)
			own[num_own++] = ports[i];
	}
	gone = wait_gone(&rtnl, own, num_own, err);
	if (gone < 0)
		return gone;
	ret = leases_remove(net->dir_fd, &net->conf, own, gone, err);
	if (ret < 0 || (unsigned int)gone == num_own)
		return ret;
	return vf_err_set(err, EBUSY, "network %s: %s: its TAP %s still exists",
			  net->conf.name, own[gone].owner, own[gone].tap);
}

static int find_all(struct rtnl *rtnl, const struct net_port *ports,
		    unsigned int num, int *ifindexes, struct vf_err *err)
{
	int ret = ports_find(rtnl, ports, num, ifindexes, err);

	for (unsigned int i = 0; ret == 0 && i < num; i++) {
		if (ifindexes[i] < 0)
			ret = port_is_foreign(&ports[i], err);
		else if (!ifindexes[i])
			ret = vf_err_errno(err, ENODEV, "port %s of %s",
					   ports[i].tap, ports[i].owner);
	}
	return ret;
}

/* Pins first: a port that is on the bridge is pinned. */
static int attach(struct net *net, const struct net_port *ports,
		  unsigned int num, struct vf_err *err)
{
	const struct mode_ops *mode = mode_of(&net->conf);
	__free int *ifindexes = calloc(num, sizeof(*ifindexes));
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ret;

	if (!ifindexes)
		return vf_err_errno(err, ENOMEM, "ports");
	net->moments = (struct net_moments){ .attach_us = vf_now_us() };
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	/* before the pins: those of another's TAP would be touched */
	if (ret == 0)
		ret = find_all(&rtnl, ports, num, ifindexes, err);
	if (ret == 0)
		ret = filter_ports_add(&net->conf, ports, num, err);
	if (ret == 0)
		ret = mode->link_up(&rtnl, &net->conf, ports, ifindexes, num,
				    err);
	if (ret < 0)
		return ret;
	net->moments.bridged_us = vf_now_us();
	ret = mode->remember(&rtnl, &net->conf, ports, ifindexes, num, err);
	net->moments.remembered_us = vf_now_us();
	return ret;
}

int net_ports_attach(struct net *net, const struct net_port *ports,
		     unsigned int num, struct vf_err *err)
{
	struct vf_err undo_err;

	if (!num || attach(net, ports, num, err) == 0)
		return 0;
	net_ports_detach(net, ports, num, &undo_err);
	return vf_err_wrap(err, "network %s", net->conf.name);
}

static int aliases_set(struct rtnl *rtnl, const struct net_port *ports,
		       const int *ifindexes, unsigned int num,
		       enum rtnl_mode mode, struct vf_err *err)
{
	for (unsigned int i = 0; i < num; i++)
		if (port_mark_add(rtnl, &ports[i], ifindexes[i]) < 0)
			return vf_err_errno(err, ENOMEM, "ports");
	return rtnl_commit(rtnl, mode, err);
}

static void owners_copy(struct net_port *to, const struct net_port *ports,
			const char *const *owners, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++) {
		to[i] = ports[i];
		snprintf(to[i].owner, sizeof(to[i].owner), "%s", owners[i]);
	}
}

/*
 * Leases first. Killed in between, what is left is a TAP and a lease of two
 * owners, which gc takes for what they are, each by its own.
 */
int net_ports_rename(struct net *net, struct net_port *ports,
		     const char *const *owners, unsigned int num,
		     struct vf_err *err)
{
	__free struct net_port *renamed = calloc(num + 1, sizeof(*renamed));
	__free int *ifindexes = calloc(num + 1, sizeof(*ifindexes));
	__rtnl struct rtnl rtnl = RTNL_INIT;
	struct vf_err undo_err;
	int ret;

	if (!renamed || !ifindexes)
		return vf_err_errno(err, ENOMEM, "ports");
	owners_copy(renamed, ports, owners, num);
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret == 0)
		ret = find_all(&rtnl, ports, num, ifindexes, err);
	if (ret == 0)
		ret = leases_rename(net->dir_fd, &net->conf, ports, renamed,
				    num, err);
	if (ret < 0)
		return ret;
	ret = aliases_set(&rtnl, renamed, ifindexes, num, RTNL_STRICT, err);
	if (ret == 0) {
		memcpy(ports, renamed, num * sizeof(*ports));
		return 0;
	}
	aliases_set(&rtnl, ports, ifindexes, num, RTNL_UNDO, &undo_err);
	leases_rename(net->dir_fd, &net->conf, renamed, ports, num, &undo_err);
	return ret;
}

int net_ports_drop(const struct net_port *ports, unsigned int num,
		   struct vf_err *err)
{
	__free int *found = calloc(num + 1, sizeof(*found));
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ret;

	if (!found)
		return vf_err_errno(err, ENOMEM, "ports");
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret == 0)
		ret = ports_find(&rtnl, ports, num, found, err);
	return ret < 0 ? ret : ports_delete(&rtnl, found, num, err);
}

/*
 * Take TAPs off the bridge, if there are any left, and list the ports whose
 * pins can go: pins are found by the TAP's name, which another VM's may have.
 */
static int links_down(struct rtnl *rtnl, const struct net_port *ports,
		      unsigned int num, struct net_port *own,
		      unsigned int *num_own, struct vf_err *err)
{
	__free int *found = calloc(num, sizeof(*found));
	int ret;

	if (!found)
		return vf_err_errno(err, ENOMEM, "ports");
	ret = ports_find(rtnl, ports, num, found, err);
	for (unsigned int i = 0; ret == 0 && i < num; i++) {
		if (found[i] < 0)
			continue;
		if (found[i] &&
		    port_link_down_add(rtnl, &ports[i], found[i]) < 0)
			return vf_err_errno(err, ENOMEM, "ports");
		own[(*num_own)++] = ports[i];
	}
	return ret < 0 ? ret : rtnl_commit(rtnl, RTNL_UNDO, err);
}

static int detach(struct net *net, const struct net_port *ports,
		  unsigned int num, struct vf_err *err)
{
	__free struct net_port *own = calloc(num, sizeof(*own));
	__rtnl struct rtnl rtnl = RTNL_INIT;
	unsigned int num_own = 0;
	int ret, state;

	if (!own)
		return vf_err_errno(err, ENOMEM, "ports");
	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	/* links first: a TAP without pins must not be on the bridge */
	if (ret == 0)
		ret = links_down(&rtnl, ports, num, own, &num_own, err);
	if (ret == 0 && num_own)
		ret = shapes_remove(&rtnl, own, num_own, err);
	if (ret < 0)
		return ret;
	/* the rules and neighbours of a bridge that is not ours are not either */
	state = bridge_get_state(&rtnl, &net->conf, err);
	if (state < 0 || state == BRIDGE_FOREIGN)
		return state < 0 ? state : 0;
	if (num_own)
		ret = filter_ports_remove(&net->conf, own, num_own, err);
	if (ret == 0 && mode_of(&net->conf)->forget)
		ret = mode_of(&net->conf)
			      ->forget(&rtnl, &net->conf, ports, num, err);
	return ret;
}

int net_ports_detach(struct net *net, const struct net_port *ports,
		     unsigned int num, struct vf_err *err)
{
	if (!num || detach(net, ports, num, err) == 0)
		return 0;
	return vf_err_wrap(err, "network %s", net->conf.name);
}

int net_ports_verify(struct net *net, struct net_port *ports, unsigned int num,
		     struct vf_err *err)
{
	if (!num || filter_ports_count(&net->conf, ports, num, err) == 0)
		return 0;
	return vf_err_wrap(err, "network %s", net->conf.name);
}

struct find {
	struct tap_links *out;
	int ret;
};

static void find_cb(struct nl_object *obj, void *ctx)
{
	struct rtnl_link *link = (struct rtnl_link *)obj;
	const char *alias = rtnl_link_get_ifalias(link);
	struct nl_addr *mac = rtnl_link_get_addr(link);
	struct find *find = ctx;
	struct tap_link *grown;
	const char *owner;

	if (find->ret < 0 || !alias ||
	    (rtnl_link_get_group(link) != NET_LINK_GROUP &&
	     rtnl_link_get_group(link) != NETWORK_DYING_GROUP) ||
	    strncmp(alias, PORT_ALIAS_PREFIX, strlen(PORT_ALIAS_PREFIX)))
		return;
	/* a bridge's alias has a second colon, which no name has */
	owner = alias + strlen(PORT_ALIAS_PREFIX);
	if (!vf_name_is_valid(owner, VF_NAME_MAX))
		return;
	grown = realloc(find->out->links,
			(find->out->num + 1) * sizeof(*grown));
	if (!grown) {
		find->ret = -ENOMEM;
		return;
	}
	find->out->links = grown;
	grown += find->out->num++;
	snprintf(grown->name, sizeof(grown->name), "%s",
		 rtnl_link_get_name(link));
	snprintf(grown->owner, sizeof(grown->owner), "%s", owner);
	grown->ifindex = rtnl_link_get_ifindex(link);
	grown->master = rtnl_link_get_master(link);
	memset(grown->mac, 0, sizeof(grown->mac));
	if (mac && nl_addr_get_len(mac) == sizeof(grown->mac))
		memcpy(grown->mac, nl_addr_get_binary_addr(mac),
		       sizeof(grown->mac));
}

int tap_links_find(struct rtnl *rtnl, struct tap_links *out, struct vf_err *err)
{
	__nl_cache struct nl_cache *links = NULL;
	struct find find = { .out = out };
	int ret;

	*out = (struct tap_links){ 0 };
	ret = rtnl_cache(rtnl, "route/link", &links, err);
	if (ret < 0)
		return ret;
	nl_cache_foreach(links, find_cb, &find);
	return find.ret < 0 ? vf_err_errno(err, find.ret, "links") : 0;
}

void tap_links_free(struct tap_links *links)
{
	free(links->links);
	links->links = NULL;
	links->num = 0;
}

/*
 * Which TAP is a lease's: one that bears the owner's alias and is attached to the
 * network, or has lost its bridge and still has the name that was leased.
 */
static const struct tap_link *link_of(const struct net_conf *conf,
				      const struct tap_links *links,
				      const struct net_port *port, int bridge)
{
	for (size_t i = 0; i < links->num; i++) {
		const struct tap_link *link = &links->links[i];

		if (!strcmp(link->owner, port->owner) &&
		    (mode_of(conf)->owns(conf, link, bridge) ||
		     (!link->master && !strcmp(link->name, port->tap))))
			return link;
	}
	return NULL;
}

int ports_reattach(struct net *net, struct vf_err *err)
{
	__tap_links struct tap_links links = { 0 };
	__leases struct leases leases = { 0 };
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int bridge = if_nametoindex(net->conf.bridge);
	unsigned int num = 0;
	int ret;

	ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	if (ret == 0)
		ret = leases_load(net->dir_fd, &net->conf, &leases, err);
	if (ret == 0 && leases.num)
		ret = tap_links_find(&rtnl, &links, err);
	if (ret < 0)
		return ret;
	for (size_t i = 0; i < leases.num; i++) {
		const struct tap_link *link =
			link_of(&net->conf, &links, &leases.ports[i], bridge);

		if (!link)
			continue;
		leases.ports[num] = leases.ports[i];
		memcpy(leases.ports[num++].tap, link->name, IFNAMSIZ);
	}
	if (!num)
		return 0;
	ret = attach(net, leases.ports, num, err);
	return ret < 0 ? vf_err_wrap(err, "network %s", net->conf.name) : 0;
}
