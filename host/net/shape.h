/* SPDX-License-Identifier: MIT */
/*
 * How much a port may carry. To the guest: a token bucket (tbf) where its TAP
 * sends. From the guest: all that its TAP receives goes through a device of its
 * own (ifb, called as the TAP with an "i" behind it) with a token bucket, and then
 * on its way. Both are queues: what is too fast waits, and is dropped only when
 * the queue is full. No classes, so no class ids.
 *
 * What comes out of that device passes no hook of the netdev family any more: rules
 * that pin a port must hang behind, at prerouting.
 *
 * What is on the TAP goes with it. The device does not: net_ports_detach() removes
 * it, and net_gc() one whose TAP has gone.
 */
#ifndef VF_NET_SHAPE_H
#define VF_NET_SHAPE_H

#include "net/net.h"

struct tap_links;

#define SHAPE_BITS_MIN 8000ULL
#define SHAPE_BITS_MAX 100000000000ULL

/* Bits per second; 0: as fast as it goes. */
struct shape_rates {
	uint64_t in_bits;  /* to the guest */
	uint64_t out_bits; /* from the guest */
};

/**
 * shape_parse() - Read a rate
 * @bits:	out: bits per second
 * @text:	number with bit, kbit, mbit or gbit behind it, which are powers of
 *		1,000; without any it is bits
 *
 * Return: 0, -EBADMSG if it is none, -ERANGE if it is not SHAPE_BITS_MIN to
 * SHAPE_BITS_MAX
 */
int shape_parse(uint64_t *bits, const char *text);

/**
 * shape_apply() - Limit what a port carries
 * @port:	port whose TAP is open, and has no limit yet
 * @rates:	limits
 * @err:	error, that names what the kernel lacks
 *
 * Return: 0 or -errno; on failure nothing is limited
 */
int shape_apply(const struct net_port *port, const struct shape_rates *rates,
		struct vf_err *err);

struct rtnl;

/**
 * shapes_remove() - Remove the devices of ports, whether these still exist or not
 * @rtnl:	socket
 * @ports:	ports; those without one are skipped
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int shapes_remove(struct rtnl *rtnl, const struct net_port *ports,
		  unsigned int num, struct vf_err *err);

/**
 * shape_is_stray() - Is a link a port's device, and its TAP has gone?
 * @name:	of a link that bears our group and an owner's alias
 * @links:	all that do, of the same moment
 *
 * Return: true if so
 */
bool shape_is_stray(const char *name, const struct tap_links *links);

#endif
