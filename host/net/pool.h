/* SPDX-License-Identifier: MIT */
/*
 * The addresses of a network. An index is the host part of everything that a
 * port has: MAC (its last 3 bytes), IPv4 and IPv6 address.
 */
#ifndef VF_NET_POOL_H
#define VF_NET_POOL_H

#include "net/net.h"

#define POOL_PREFIX4_MIN 8 /* the host part fits a MAC's last 3 bytes */
#define POOL_PREFIX4_MAX 28
#define POOL_PREFIX6	 64

/**
 * pool_last() - The greatest index
 * @conf:	network
 *
 * Return: index of the address below the subnet's broadcast address; the least
 * index is 1
 */
uint32_t pool_last(const struct net_conf *conf);

/**
 * pool_host4() - The host part of an IPv4 address
 * @conf:	network
 * @addr:	address in its subnet
 *
 * Return: host part; 1 to pool_last() if a port may have it
 */
uint32_t pool_host4(const struct net_conf *conf, struct in_addr addr);

/**
 * pool_is_gateway() - Does an index collide with the bridge's own addresses?
 * @conf:	network
 * @index:	index
 *
 * Return: true if no port may have it
 */
bool pool_is_gateway(const struct net_conf *conf, uint32_t index);

/**
 * pool_find() - The next index that is free
 * @conf:	network
 * @cursor:	where to begin; behind the last index it goes on at the first
 * @used:	indices that are taken, in ascending order
 * @num:	how many
 *
 * Beginning where the last search ended keeps an address that was just given
 * back out of use for as long as possible: others may still remember it.
 *
 * Return: index, or 0 if none is free
 */
uint32_t pool_find(const struct net_conf *conf, uint32_t cursor,
		   const uint32_t *used, size_t num);

/**
 * pool_fill() - A port's addresses
 * @conf:	network
 * @port:	in: index; out: MAC, one IPv4 and one IPv6 address
 */
void pool_fill(const struct net_conf *conf, struct net_port *port);

/**
 * pool_link_local() - The link-local address that a guest makes of its MAC
 * @mac:	MAC
 *
 * Return: fe80::/64 with the modified EUI-64 (RFC 4291, appendix A)
 */
struct in6_addr pool_link_local(const uint8_t mac[6]);

/**
 * pool_overlaps() - Do two IPv4 subnets have an address in common?
 * @a:		any address of the one
 * @prefix_a:	its prefix length
 * @b:		any address of the other
 * @prefix_b:	its prefix length
 *
 * Return: true if one contains the other
 */
bool pool_overlaps(struct in_addr a, unsigned int prefix_a, struct in_addr b,
		   unsigned int prefix_b);

/**
 * pool_set_gateway() - Fix what a network's addresses leave open
 * @conf:	addr4, prefix4 and addr6, prefix6 set, mac[1..2] random; an
 *		address without a host part becomes the first of its subnet
 * @err:	error
 *
 * Fills in the bridge's MAC.
 *
 * Return: 0, -EINVAL if the prefixes or addresses are not usable
 */
int pool_set_gateway(struct net_conf *conf, struct vf_err *err);

#endif
