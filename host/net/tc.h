/* SPDX-License-Identifier: MIT */
/* Traffic control: requests about qdiscs and filters, and what the kernel lacks. */
#ifndef VF_NET_TC_H
#define VF_NET_TC_H

#include <linux/rtnetlink.h>

#include "net/rtnl.h"

/**
 * tc_add() - Add a request about a qdisc or a filter
 * @rtnl:	socket
 * @type:	RTM_NEWQDISC, RTM_NEWTFILTER, …
 * @flags:	NLM_F_CREATE, …
 * @tcm:	what it is about
 * @kind:	which qdisc or filter
 *
 * Return: the request, to which options can be added; NULL without memory
 */
struct nl_msg *tc_add(struct rtnl *rtnl, int type, int flags,
		      const struct tcmsg *tcm, const char *kind);

/**
 * tc_commit() - Send what was added, of one kind that the kernel may not have
 * @rtnl:	socket
 * @added:	whether it was; -ENOMEM if not
 * @lacks:	what the kernel is said to lack if it does not know the kind
 * @err:	error
 *
 * Return: 0 or -errno, -EOPNOTSUPP if it does not
 */
int tc_commit(struct rtnl *rtnl, int added, const char *lacks,
	      struct vf_err *err);

#endif
