// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "net/bridge.h"
#include "net/pool.h"
#include "net/sysctl.h"

#define ALIAS_PREFIX "vmfork:net:"
#define ALIAS_SIZE   (sizeof(ALIAS_PREFIX) + NET_NAME_MAX)

static void alias_format(const struct net_conf *conf, char alias[ALIAS_SIZE])
{
	snprintf(alias, ALIAS_SIZE, ALIAS_PREFIX "%s", conf->name);
}

static void link_put(struct rtnl_link **link)
{
	if (*link)
		rtnl_link_put(*link);
}

int bridge_get_state(struct rtnl *rtnl, const struct net_conf *conf,
		     struct vf_err *err)
{
	__cleanup(link_put) struct rtnl_link *link = NULL;
	char alias[ALIAS_SIZE];
	struct nl_addr *mac;
	int ret;

	ret = rtnl_link_get_kernel(rtnl->sock, 0, conf->bridge, &link);
	if (ret == -NLE_OBJ_NOTFOUND || ret == -NLE_NODEV)
		return BRIDGE_ABSENT;
	if (ret < 0)
		return vf_err_errno(err, rtnl_errno(ret), "link %s",
				    conf->bridge);
	mac = rtnl_link_get_addr(link);
	if (rtnl_link_get_group(link) != NET_LINK_GROUP || !mac ||
	    nl_addr_get_len(mac) != sizeof(conf->mac) ||
	    memcmp(nl_addr_get_binary_addr(mac), conf->mac, sizeof(conf->mac)))
		return BRIDGE_FOREIGN;
	alias_format(conf, alias);
	if (!rtnl_link_get_ifalias(link))
		return BRIDGE_PARTIAL;
	if (strcmp(rtnl_link_get_ifalias(link), alias))
		return BRIDGE_FOREIGN;
	return rtnl_link_get_flags(link) & IFF_UP ? BRIDGE_UP : BRIDGE_PARTIAL;
}

int bridge_refuse(struct rtnl *rtnl, const struct net_conf *conf,
		  struct vf_err *err)
{
	__cleanup(link_put) struct rtnl_link *link = NULL;
	char alias[ALIAS_SIZE];
	const char *found = NULL;

	if (rtnl_link_get_kernel(rtnl->sock, 0, conf->bridge, &link) == 0 &&
	    rtnl_link_get_group(link) == NET_LINK_GROUP)
		found = rtnl_link_get_ifalias(link);
	alias_format(conf, alias);
	if (!found || strcmp(found, alias) != 0)
		return vf_err_set(err, EEXIST,
				  "network %s: link %s exists and is not ours",
				  conf->name, conf->bridge);
	vf_err_set(err, EEXIST,
		   "network %s: link %s is that of another state directory",
		   conf->name, conf->bridge);
	vf_err_hint(err, "'vmfork net create' makes one by another name, for "
			 "--net; or use that directory, by --state");
	return -EEXIST;
}

static int link_create_add(struct rtnl *rtnl, const struct net_conf *conf)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nlattr *info, *data;
	struct nl_msg *msg;

	msg = rtnl_add_link(rtnl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi,
			    "bridge %s", conf->bridge);
	if (!msg)
		return -ENOMEM;
	/* all at once: udev rewrites a MAC that is set later */
	NLA_PUT_STRING(msg, IFLA_IFNAME, conf->bridge);
	NLA_PUT(msg, IFLA_ADDRESS, sizeof(conf->mac), conf->mac);
	NLA_PUT_U32(msg, IFLA_GROUP, NET_LINK_GROUP);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, IFLA_INFO_KIND, "bridge");
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	if (!data)
		goto nla_put_failure;
	NLA_PUT_U32(msg, IFLA_BR_STP_STATE, 0);
	/* without a querier, snooping loses neighbour solicitations */
	NLA_PUT_U8(msg, IFLA_BR_MCAST_SNOOPING, 0);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

/* No address but ours: the link-local one is given below, without DAD. */
static int link_set_up_add(struct rtnl *rtnl, const struct net_conf *conf,
			   unsigned int flags)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC,
				 .ifi_flags = flags,
				 .ifi_change = flags };
	struct nl_msg *msg;

	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &ifi, "bridge %s",
			    conf->bridge);
	if (!msg || nla_put_string(msg, IFLA_IFNAME, conf->bridge) < 0)
		return -ENOMEM;
	return rtnl_put_no_autoconf(msg);
}

static int link_alias_add(struct rtnl *rtnl, const struct net_conf *conf)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	char alias[ALIAS_SIZE];
	struct nl_msg *msg;

	alias_format(conf, alias);
	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &ifi, "bridge %s: alias",
			    conf->bridge);
	if (!msg || nla_put_string(msg, IFLA_IFNAME, conf->bridge) < 0 ||
	    nla_put_string(msg, IFLA_IFALIAS, alias) < 0)
		return -ENOMEM;
	return 0;
}

static int addrs_add(struct rtnl *rtnl, const struct net_conf *conf)
{
	struct in6_addr link_local = pool_link_local(conf->mac);
	int ifindex = if_nametoindex(conf->bridge);
	int ret;

	ret = rtnl_add_addr(rtnl, conf->bridge, ifindex, AF_INET, &conf->addr4,
			    conf->prefix4);
	if (ret == 0)
		ret = rtnl_add_addr(rtnl, conf->bridge, ifindex, AF_INET6,
				    &conf->addr6, conf->prefix6);
	if (ret == 0)
		ret = rtnl_add_addr(rtnl, conf->bridge, ifindex, AF_INET6,
				    &link_local, 64);
	return ret;
}

static int bridge_configure(struct rtnl *rtnl, const struct net_conf *conf,
			    struct vf_err *err)
{
	int ret;

	/* hosts that switch IPv6 off do so by the default of new links */
	ret = sysctl_set_ip6(conf->bridge, "disable_ipv6", "0", err);
	if (ret >= 0)
		ret = sysctl_set_ip6(conf->bridge, "accept_ra", "0", err);
	if (ret < 0) {
		if (ret == -ENOENT)
			vf_err_hint(err, "the kernel must support IPv6");
		return ret;
	}
	if (link_set_up_add(rtnl, conf, 0) < 0 ||
	    link_set_up_add(rtnl, conf, IFF_UP) < 0 ||
	    addrs_add(rtnl, conf) < 0 || link_alias_add(rtnl, conf) < 0)
		return vf_err_errno(err, ENOMEM, "bridge %s", conf->bridge);
	return rtnl_commit(rtnl, RTNL_STRICT, err);
}

int bridge_up(struct rtnl *rtnl, const struct net_conf *conf,
	      struct vf_err *err)
{
	struct vf_err undo_err;
	int ret, state;

	state = bridge_get_state(rtnl, conf, err);
	if (state < 0 || state == BRIDGE_UP)
		return state < 0 ? state : 0;
	if (state == BRIDGE_FOREIGN)
		return bridge_refuse(rtnl, conf, err);
	if (state == BRIDGE_ABSENT) {
		if (link_create_add(rtnl, conf) < 0)
			return vf_err_errno(err, ENOMEM, "bridge %s",
					    conf->bridge);
		ret = rtnl_commit(rtnl, RTNL_STRICT, err);
		if (ret == -EOPNOTSUPP)
			vf_err_hint(err, "load the kernel's module bridge");
		if (ret < 0)
			return vf_err_wrap(err, "network %s", conf->name);
	}
	ret = bridge_configure(rtnl, conf, err);
	if (ret == 0)
		return 0;
	if (state == BRIDGE_ABSENT)
		bridge_down(rtnl, conf, &undo_err);
	return vf_err_wrap(err, "network %s", conf->name);
}

int bridge_down(struct rtnl *rtnl, const struct net_conf *conf,
		struct vf_err *err)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg;
	int state;

	state = bridge_get_state(rtnl, conf, err);
	if (state < 0 || state == BRIDGE_ABSENT || state == BRIDGE_FOREIGN)
		return state < 0 ? state : 0;
	ifi.ifi_index = if_nametoindex(conf->bridge);
	msg = rtnl_add_link(rtnl, RTM_DELLINK, 0, &ifi, "bridge %s",
			    conf->bridge);
	if (!msg)
		return vf_err_errno(err, ENOMEM, "bridge %s", conf->bridge);
	return rtnl_commit(rtnl, RTNL_UNDO, err);
}

int bridge_forward(const struct net_conf *conf, struct vf_err *err)
{
	static const char *const paths[] = {
		"/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/net/ipv6/conf/all/forwarding",
	};
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		ret = sysctl_set(paths[i], "1", err);
		if (ret < 0)
			return vf_err_wrap(err, "network %s", conf->name);
		if (ret > 0)
			vf_log(VF_LOG_INFO, "network %s: set %s to 1",
			       conf->name, paths[i]);
	}
	return 0;
}
