/* SPDX-License-Identifier: MIT */
/* An open network; what the files behind net.h share. */
#ifndef VF_NET_NETWORK_H
#define VF_NET_NETWORK_H

#include "net/lease.h"
#include "net/net.h"
#include "net/rtnl.h"

struct net {
	struct net_conf conf;
	int dir_fd; /* holds the record, the leases and their lock */
	struct net_moments moments;
};

/**
 * network_load() - Open a network as it is, without putting anything up
 * @net:	out; its descriptor is closed with network_exit()
 * @state_fd:	see net_create()
 * @name:	network
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is no such network
 */
int network_load(struct net *net, int state_fd, const char *name,
		 struct vf_err *err);

void network_exit(struct net *net);

#define NETWORK_INIT          \
	{                     \
		.dir_fd = -1, \
	}
#define __network __cleanup(network_exit)

/**
 * network_lock() - Keep others from making, removing or repairing networks
 * @state_fd:	see net_create()
 * @err:	error
 *
 * Return: a descriptor that holds the lock until it is closed, or -errno
 */
int network_lock(int state_fd, struct vf_err *err);

/**
 * ports_reattach() - Put ports back on a bridge, or under rules, that were lost
 * @net:	network, its bridge and rules up
 * @err:	error
 *
 * Ports are the leases whose TAP exists.
 *
 * Return: 0 or -errno
 */
int ports_reattach(struct net *net, struct vf_err *err);

/*
 * TAPs that are being deleted, all in one request: one by one each takes 20 ms,
 * for the kernel waits anew until nobody looks at it.
 */
#define NETWORK_DYING_GROUP (NET_LINK_GROUP + 1)

/* A TAP of ours, found among the host's links. */
struct tap_link {
	char name[IFNAMSIZ];
	char owner[VF_NAME_MAX + 1];
	int ifindex;
	int master; /* index of its bridge, or 0 */
	uint8_t mac[6];
};

struct tap_links {
	struct tap_link *links;
	size_t num;
};

/**
 * tap_links_find() - All links that bear our group and a port's alias
 * @rtnl:	socket
 * @out:	out; freed with tap_links_free()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int tap_links_find(struct rtnl *rtnl, struct tap_links *out,
		   struct vf_err *err);

void tap_links_free(struct tap_links *links);

#define __tap_links __cleanup(tap_links_free)

#endif
