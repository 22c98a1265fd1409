/* SPDX-License-Identifier: MIT */
/* The messages that make of the saved state the network of an identity. */
#ifndef AGENT_NETBATCH_H
#define AGENT_NETBATCH_H

#include "netcfg.h"

/**
 * netbatch_build() - Fill the batch
 * @cfg:	network configuration, its state saved
 * @id:		identity
 * @result:	where each of its links was found
 *
 * Return: 0, or -E2BIG if it does not fit
 */
int netbatch_build(struct netcfg *cfg, const struct vmfork_identity *id,
		   const struct netcfg_result *result);

#endif
