/* SPDX-License-Identifier: MIT */
/* The one way to nftables: commands as text in one transaction, JSON back. */
#ifndef VF_NET_NFT_H
#define VF_NET_NFT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

#define NFT_TABLE "vmfork"

/* In the families bridge and inet, for all networks: see filter.h. */
#define NFT_GUARD     "guard"
#define NFT_GUARD_SET "tap"

/**
 * nft_run() - Run commands, all or none
 * @commands:	in nft's language
 * @err:	error: nft's first line
 *
 * Return: 0 or -errno
 */
int nft_run(const char *commands, struct vf_err *err);

/**
 * nft_read() - Run a command that lists something
 * @commands:	in nft's language
 * @out:	out: array of the objects listed, a new reference
 * @err:	error: nft's first line
 *
 * Return: 0 or -errno
 */
int nft_read(const char *commands, json_t **out, struct vf_err *err);

/**
 * nft_chain_exists() - Is there a chain in a table of ours?
 * @family:	NFPROTO_BRIDGE, NFPROTO_INET or NFPROTO_ARP
 * @chain:	its name
 * @err:	error
 *
 * Cheap: it asks the kernel for just that.
 *
 * Return: 1 or 0, -errno
 */
int nft_chain_exists(int family, const char *chain, struct vf_err *err);

/**
 * nft_table_remove() - Remove a table of ours, unless a network is in it
 * @family:	NFPROTO_BRIDGE, NFPROTO_INET or NFPROTO_ARP
 * @err:	error
 *
 * Return: 0, also if it is not there or a network is in it, or -errno
 */
int nft_table_remove(int family, struct vf_err *err);

#endif
