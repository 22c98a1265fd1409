/* SPDX-License-Identifier: MIT */
/*
 * What a lease claims of a network: its index, with all that the pool makes of
 * it, and the MAC and addresses that were asked for by hand instead.
 */
#ifndef VF_NET_CLAIM_H
#define VF_NET_CLAIM_H

#include "net/lease.h"
#include "net/net.h"

/**
 * claim_check() - May a port of this network have such a MAC and addresses?
 * @conf:	network
 * @port:	port; its prefix lengths are compared too
 * @err:	error: what is wrong with which of them
 *
 * Return: 0 or -EINVAL
 */
int claim_check(const struct net_conf *conf, const struct net_port *port,
		struct vf_err *err);

/**
 * claim_conflict() - Has another lease the MAC or an address of this port?
 * @conf:	network
 * @leases:	leases; one of the same owner does not count
 * @port:	port
 * @err:	error: whose it is
 *
 * Return: 0 or -EADDRINUSE
 */
int claim_conflict(const struct net_conf *conf, const struct leases *leases,
		   const struct net_port *port, struct vf_err *err);

/**
 * claim_is_by_hand() - Has a port anything that its index did not give it?
 * @conf:	network
 * @port:	port
 *
 * What it lacks counts too.
 *
 * Return: true if so
 */
bool claim_is_by_hand(const struct net_conf *conf, const struct net_port *port);

/* Indices that the pool may not give to another. */
struct claimed {
	uint32_t *indices; /* in ascending order, each once */
	size_t num;
};

/**
 * claimed_init() - All indices that leases claim
 * @claimed:	out; freed with claimed_exit()
 * @conf:	network
 * @leases:	leases
 * @more:	room for so many claimed_add()
 *
 * Return: 0 or -ENOMEM
 */
int claimed_init(struct claimed *claimed, const struct net_conf *conf,
		 const struct leases *leases, unsigned int more);

void claimed_exit(struct claimed *claimed);

#define __claimed __cleanup(claimed_exit)

/**
 * claimed_add() - Claim one index more
 * @claimed:	indices
 * @index:	one that is not among them
 */
void claimed_add(struct claimed *claimed, uint32_t index);

/**
 * claimed_has() - Is an index claimed?
 * @claimed:	indices
 * @index:	index
 *
 * Return: true if so
 */
bool claimed_has(const struct claimed *claimed, uint32_t index);

#endif
