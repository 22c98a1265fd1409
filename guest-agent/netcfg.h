/* SPDX-License-Identifier: MIT */
/*
 * Network configuration: an identity becomes one batch of netlink messages.
 * What was there before is known beforehand, so that the hot path asks nothing
 * and a failure can be undone (netundo.c).
 */
#ifndef AGENT_NETCFG_H
#define AGENT_NETCFG_H

#include <stdbool.h>

#include "mail.h"
#include "netstate.h"
#include "rtnl.h"

/* Where an identity's link was found. */
struct netcfg_link {
	int index;
	uint8_t mac[6]; /* once it is applied */
	bool has_ipv6;
	bool was_up;
};

struct netcfg_result {
	enum vmfork_step step; /* that failed */
	int error;	       /* errno, 0 if none */
	struct netcfg_link links[IDENTITY_LINKS_MAX];
};

#define NETCFG_DROPPED_MAX 64

/* Addresses that the guest had, and has no more. */
struct netcfg_dropped {
	unsigned int num;
	bool more; /* there are some that did not fit */
	struct {
		bool is_ipv6;
		int index;	   /* interface, which matters if link-local */
		uint8_t bytes[16]; /* the first 4 for IPv4 */
	} addr[NETCFG_DROPPED_MAX];
};

struct netcfg {
	struct rtnl rtnl;
	struct rtnl events;
	bool is_deaf; /* @events listens to nothing at the moment */
	/* How a batch is sent: rtnl_batch_send(), or a test's wrapper of it. */
	int (*send)(struct rtnl *rtnl, struct rtnl_batch *batch);
	bool has_ipv6;
	bool is_stale;		/* @saved is not what the kernel has */
	struct netstate saved;	/* what it was before the next restore */
	struct netstate failed; /* what a failed batch left behind */
	struct rtnl_batch batch;
	/* applied last, until what it dropped is collected */
	const struct vmfork_identity *applied;
	const struct netcfg_result *applied_to;
	struct netcfg_dropped dropped;
};

/**
 * netcfg_open() - Open the sockets; the state is taken down by netcfg_refresh()
 * @cfg:	out: network configuration
 *
 * Return: 0 or -errno
 */
int netcfg_open(struct netcfg *cfg);

/**
 * netcfg_close() - Close the sockets
 * @cfg:	network configuration
 */
void netcfg_close(struct netcfg *cfg);

/**
 * netcfg_listen() - Read events; those that matter mark the saved state stale
 * @cfg:	network configuration
 */
void netcfg_listen(struct netcfg *cfg);

/**
 * netcfg_refresh() - Take the state down again, if it is stale
 * @cfg:	network configuration
 *
 * Return: 0 or -errno
 */
int netcfg_refresh(struct netcfg *cfg);

/**
 * netcfg_apply() - Make the network that of an identity, or leave it as it was
 * @cfg:	network configuration
 * @id:		identity
 * @result:	out: which links, or which step failed
 *
 * The saved state is stale afterwards, and is needed until netcfg_dropped() has
 * been called or the state is taken down again; so are @id and @result. If the
 * way back failed as well, the step is VMFORK_STEP_UNDO, and the error the way
 * back's.
 *
 * Return: 0 or -errno; -ENODEV if no interface matches, -ENOTUNIQ if one matches
 * twice, -E2BIG if there is more on those that do than could be put back: nothing
 * was sent then
 */
int netcfg_apply(struct netcfg *cfg, const struct vmfork_identity *id,
		 struct netcfg_result *result);

/**
 * netcfg_dropped() - Which addresses the last apply took from the guest
 * @cfg:	network configuration
 *
 * One that moved to another interface was not taken. Not for the hot path.
 *
 * Return: a list, which the next apply empties; nothing was dropped by one that
 * failed
 */
const struct netcfg_dropped *netcfg_dropped(struct netcfg *cfg);

/**
 * netcfg_undo() - Put back the saved state, as far as an identity touches it
 * @cfg:	network configuration
 * @id:		identity
 * @result:	where its links were found
 *
 * What cannot be put back does not stop the rest.
 *
 * Return: 0, or -errno of the first thing that could not be put back
 */
int netcfg_undo(struct netcfg *cfg, const struct vmfork_identity *id,
		const struct netcfg_result *result);

/**
 * netcfg_linklocal() - The link-local address of a MAC (RFC 4291, appendix A)
 * @addr:	out: 16 bytes
 * @mac:	6 bytes
 */
void netcfg_linklocal(uint8_t *addr, const uint8_t *mac);

#endif
