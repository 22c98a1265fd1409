/* SPDX-License-Identifier: MIT */
/* What is asked of a port by hand, against what a network can give. */
#ifndef VF_NET_WISH_H
#define VF_NET_WISH_H

#include "net/net.h"

/**
 * wish_index() - The index at which the pool gives a port most of its wish
 * @conf:	network
 * @wish:	wish, or NULL
 *
 * Return: the host part of the first IPv4 address asked for; 0: any will do
 */
uint32_t wish_index(const struct net_conf *conf, const struct net_wish *wish);

/**
 * wish_fill() - Put what is asked for in place of what the pool gave
 * @wish:	wish, or NULL
 * @port:	port, filled by the pool
 */
void wish_fill(const struct net_wish *wish, struct net_port *port);

#endif
