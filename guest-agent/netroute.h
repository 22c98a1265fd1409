/* SPDX-License-Identifier: MIT */
/*
 * Routes: those of an identity, and which of the old ones go, stay, or come
 * back, and in which order.
 *
 * A route of an identity takes the place of each old one that has its
 * destination and metric and hangs on an interface that is named, or on none,
 * as blackholes do. One on an interface that is not named stays beside it:
 * nothing is ever sent with NLM_F_REPLACE, which would take whichever is first.
 */
#ifndef AGENT_NETROUTE_H
#define AGENT_NETROUTE_H

#include "netcfg.h"

/* Saved routes in the order in which they are put back. */
struct netroute_walk {
	const struct netstate_list *list;
	const struct netcfg_result *result; /* which links are named */
	unsigned int num_links;
	unsigned int pass;
	const struct nlmsghdr *at;
};

/**
 * netroute_is_claimed() - Has an identity a route to the same, of one metric?
 * @route:	RTM_NEWROUTE
 * @id:		identity
 *
 * Return: true if so, on whichever of its links
 */
bool netroute_is_claimed(const struct nlmsghdr *route,
			 const struct vmfork_identity *id);

/**
 * netroute_set_del() - Make a saved route the request to delete it
 * @route:	copy of RTM_NEWROUTE
 *
 * Not by its protocol: of IPv6 routes that are listed as one, each has its own.
 */
void netroute_set_del(struct nlmsghdr *route);

/**
 * netroute_put_del() - Delete what an identity replaces and the kernel does not
 * @cfg:	network configuration, its batch begun
 * @id:		identity
 * @result:	where its links were found
 */
void netroute_put_del(struct netcfg *cfg, const struct vmfork_identity *id,
		      const struct netcfg_result *result);

/**
 * netroute_put_new() - Add an identity's routes
 * @cfg:	network configuration, its batch begun
 * @id:		identity
 * @result:	where its links were found
 */
void netroute_put_new(struct netcfg *cfg, const struct vmfork_identity *id,
		      const struct netcfg_result *result);

/**
 * netroute_put_kept() - Add again what went with a link's last IPv4 address
 * @cfg:	network configuration, its batch begun
 * @id:		identity
 * @result:	where its links were found
 *
 * Whether they still make sense, the kernel knows.
 */
void netroute_put_kept(struct netcfg *cfg, const struct vmfork_identity *id,
		       const struct netcfg_result *result);

/**
 * netroute_walk_init() - Begin to walk the saved routes of named links
 * @walk:	out
 * @saved:	saved state
 * @result:	where the links were found
 * @num_links:	how many
 */
void netroute_walk_init(struct netroute_walk *walk,
			const struct netstate *saved,
			const struct netcfg_result *result,
			unsigned int num_links);

/**
 * netroute_walk_next() - The next route to put back
 * @walk:	walk
 * @flags:	out: NLM_F_*, so that it comes to stand where it stood
 *
 * A route comes after those that its gateway may be reached by.
 *
 * Return: route, or NULL
 */
const struct nlmsghdr *netroute_walk_next(struct netroute_walk *walk,
					  uint16_t *flags);

#endif
