/* SPDX-License-Identifier: MIT */
/* What the network looked like: the kernel's own messages, kept to be replayed. */
#ifndef AGENT_NETSTATE_H
#define AGENT_NETSTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rtnl.h"

#define NETSTATE_LINKS_MAX 16

struct netstate_link {
	int index;
	uint32_t flags; /* IFF_* */
	uint32_t mtu;
	uint8_t mac[6];
	bool ipv6_is_off; /* by the interface's own switch */
	char name[16];
};

/* Netlink messages, one after the other. */
struct netstate_list {
	uint32_t len; /* bytes used */
	uint8_t buf[16384] __attribute__((aligned(8)));
};

struct netstate {
	unsigned int num_links;
	bool more_links; /* there are links that did not fit */
	bool is_partial; /* messages about those that did fit are missing */
	bool more_rejects;
	struct netstate_link links[NETSTATE_LINKS_MAX];
	struct netstate_list addrs; /* all addresses */
	/* Those that the kernel did not make, with one next hop in IPv6. */
	struct netstate_list routes;
	struct netstate_list rejects; /* blackholes and such: on no link */
	struct netstate_list neighs;  /* the permanent ones */
};

/* What is to be taken down; NULL: all. */
struct netstate_filter {
	bool (*link)(const struct netstate_link *link, const void *arg);
	bool (*reject)(const struct nlmsghdr *route, const void *arg);
	const void *arg;
};

/**
 * netstate_dump() - Take down links, addresses, routes and neighbours
 * @state:	out: state; what did not fit is remembered
 * @rtnl:	socket
 * @filter:	which Ethernet interfaces, and which routes that are on none
 *
 * Return: 0 or -errno
 */
int netstate_dump(struct netstate *state, struct rtnl *rtnl,
		  const struct netstate_filter *filter);

/**
 * netstate_link_changed() - Does an event tell of a link what is not known yet?
 * @state:	what is known
 * @msg:	RTM_NEWLINK
 *
 * Return: false if it repeats what was dumped: drivers and the kernel announce
 * links often, and a dump costs a fork's first wake more than all else
 */
bool netstate_link_changed(const struct netstate *state,
			   const struct nlmsghdr *msg);

/**
 * netstate_next() - Walk a list
 * @list:	list
 * @at:		NULL to begin, or the message before
 *
 * Return: the next message, or NULL
 */
const struct nlmsghdr *netstate_next(const struct netstate_list *list,
				     const struct nlmsghdr *at);

/**
 * netstate_before() - Walk a list from its end
 * @list:	list
 * @at:		NULL to begin, or the message after
 *
 * Return: the message before, or NULL
 */
const struct nlmsghdr *netstate_before(const struct netstate_list *list,
				       const struct nlmsghdr *at);

/**
 * netstate_attr() - Find an attribute
 * @msg:	message
 * @head:	size of the family's header, bytes
 * @type:	attribute
 *
 * Return: the attribute, or NULL
 */
const struct nlattr *netstate_attr(const struct nlmsghdr *msg, size_t head,
				   uint16_t type);

/**
 * netstate_ifindex() - Which interface a message is about
 * @msg:	RTM_NEWADDR, RTM_NEWROUTE or RTM_NEWNEIGH
 *
 * Return: its index, 0 if none or several
 */
int netstate_ifindex(const struct nlmsghdr *msg);

/**
 * netstate_gateway() - The next hop of a route, the first one of several
 * @route:	RTM_NEWROUTE
 *
 * Return: RTA_GATEWAY, or NULL
 */
const struct nlattr *netstate_gateway(const struct nlmsghdr *route);

#endif
