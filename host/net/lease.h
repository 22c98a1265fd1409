/* SPDX-License-Identifier: MIT */
/*
 * Who has which identity on a network: the file leases.json in the network's
 * directory, changed only under its lock. Nothing slow happens in between; what
 * is a link or an address on the host is made before or after.
 */
#ifndef VF_NET_LEASE_H
#define VF_NET_LEASE_H

#include <stddef.h>

#include "base/cleanup.h"
#include "net/net.h"

/* All leases of a network, as read at one moment. */
struct leases {
	struct net_port *ports; /* in ascending order of their index */
	size_t num;
	uint32_t cursor; /* where the next search begins */
};

void leases_free(struct leases *leases);

#define __leases __cleanup(leases_free)

/**
 * leases_lock() - Keep others from changing the leases
 * @dir_fd:	the network's directory
 * @conf:	network
 * @err:	error
 *
 * Return: a descriptor that holds the lock until it is closed, or -errno
 */
int leases_lock(int dir_fd, const struct net_conf *conf, struct vf_err *err);

/**
 * leases_load() - Read all leases, without the lock
 * @dir_fd:	the network's directory
 * @conf:	network
 * @leases:	out; freed with leases_free()
 * @err:	error
 *
 * Return: 0, also if there is no file yet, or -errno, -EBADMSG if the file is
 * not what we wrote
 */
int leases_load(int dir_fd, const struct net_conf *conf, struct leases *leases,
		struct vf_err *err);

/**
 * leases_add() - Take identities, all or none
 * @dir_fd:	the network's directory
 * @conf:	network
 * @wish:	see net_ports_lease()
 * @ports:	see net_ports_lease()
 * @num:	how many
 * @err:	error
 *
 * Return: see net_ports_lease()
 */
int leases_add(int dir_fd, const struct net_conf *conf,
	       const struct net_wish *wish, struct net_port *ports,
	       unsigned int num, struct vf_err *err);

/**
 * leases_remove() - Give identities back
 * @dir_fd:	the network's directory
 * @conf:	network
 * @ports:	ports; one whose owner has no lease of that index is skipped
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int leases_remove(int dir_fd, const struct net_conf *conf,
		  const struct net_port *ports, unsigned int num,
		  struct vf_err *err);

/**
 * leases_rename() - Hand identities over to other owners, all or none
 * @dir_fd:	the network's directory
 * @conf:	network
 * @ports:	ports
 * @renamed:	the same with their new owners, none of whom has a lease
 * @num:	how many
 * @err:	error
 *
 * Return: see net_ports_rename()
 */
int leases_rename(int dir_fd, const struct net_conf *conf,
		  const struct net_port *ports, const struct net_port *renamed,
		  unsigned int num, struct vf_err *err);

/**
 * leases_find() - The lease of an owner
 * @leases:	leases
 * @owner:	its name
 *
 * Return: its port, owned by @leases; NULL if it has none
 */
struct net_port *leases_find(const struct leases *leases, const char *owner);

#endif
