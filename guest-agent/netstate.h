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
	struct netstate_link links[NETSTATE_LINKS_MAX];
	struct netstate_list addrs;  /* all addresses */
	struct netstate_list routes; /* those that the kernel did not make */
	struct netstate_list neighs; /* the permanent ones */
};

/* Return: true if @link is to be taken down */
typedef bool (*netstate_wants_cb)(const struct netstate_link *link,
				  const void *arg);

/**
 * netstate_dump() - Take down links, addresses, routes and neighbours
 * @state:	out: state; what did not fit is remembered
 * @rtnl:	socket
 * @wants:	which Ethernet interfaces; NULL: all
 * @arg:	for @wants
 *
 * Return: 0 or -errno
 */
int netstate_dump(struct netstate *state, struct rtnl *rtnl,
		  netstate_wants_cb wants, const void *arg);

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
 * Return: its index, 0 if none
 */
int netstate_ifindex(const struct nlmsghdr *msg);

#endif
