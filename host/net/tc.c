// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netlink/attr.h>

#include "net/tc.h"

struct nl_msg *tc_add(struct rtnl *rtnl, int type, int flags,
		      const struct tcmsg *tcm, const char *kind)
{
	struct nl_msg *msg =
		rtnl_add(rtnl, type, NLM_F_ACK | flags, "%s", kind);

	if (!msg ||
	    nlmsg_append(msg, (void *)tcm, sizeof(*tcm), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(msg, TCA_KIND, kind) < 0)
		return NULL;
	return msg;
}

int tc_commit(struct rtnl *rtnl, int added, const char *lacks,
	      struct vf_err *err)
{
	int ret;

	if (added < 0)
		return vf_err_errno(err, added, "%s", lacks);
	ret = rtnl_commit(rtnl, RTNL_STRICT, err);
	/* qdiscs, filters and actions that are not there; kinds of links */
	if (ret == -ENOENT || ret == -EOPNOTSUPP)
		return vf_err_set(err, EOPNOTSUPP, "this kernel has no %s",
				  lacks);
	return ret;
}
