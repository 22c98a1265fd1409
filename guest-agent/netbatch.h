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

/**
 * netbatch_put_old() - Send back what was saved
 * @cfg:	network configuration, its batch begun
 * @old:	message
 * @type:	RTM_* that it shall have
 * @flags:	see rtnl_batch_put()
 * @step:	see rtnl_batch_put()
 * @tolerate:	see rtnl_batch_put()
 *
 * Return: the copy, or NULL if the batch is full, which is remembered
 */
struct nlmsghdr *netbatch_put_old(struct netcfg *cfg,
				  const struct nlmsghdr *old, uint16_t type,
				  uint16_t flags, enum vmfork_step step,
				  int tolerate);

#endif
