// SPDX-License-Identifier: MIT
/*
 * What the kernel here lacks, tried in a namespace that nobody misses; and whether
 * the caller may have networks in its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/bridge.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/network.h"
#include "net/nft.h"
#include "net/pool.h"
#include "net/port.h"
#include "net/shape.h"
#include "net/tc.h"

#define CHECK_TIMEOUT_US 10000000

/* Everything that the checks have in common. */
struct check {
	struct rtnl rtnl;
	struct net_conf conf;
	struct net_port port;
	int tap_fd;
};

static int check_tun(struct check *check, struct vf_err *err)
{
	check->tap_fd = net_port_open(&check->port, err);
	return check->tap_fd < 0 ? check->tap_fd : 0;
}

static int check_bridge(struct check *check, struct vf_err *err)
{
	return bridge_up(&check->rtnl, &check->conf, err);
}

static int check_flags(struct check *check, struct vf_err *err)
{
	int ifindex = port_find(&check->rtnl, &check->port, err);

	int ret;

	if (ifindex == 0)
		return vf_err_set(err, ENODEV, "there is no TAP");
	ret = ifindex < 0 ? ifindex
			  : ports_link_up(&check->rtnl, &check->conf,
					  &check->port, &ifindex, 1, err);
	return ret < 0 ? ret
		       : ports_remember(&check->rtnl, &check->conf,
					&check->port, &ifindex, 1, err);
}

static int check_nft(struct check *check, struct vf_err *err)
{
	int ret = filter_up(&check->conf, err);

	return ret < 0 ? ret
		       : filter_ports_add(&check->conf, &check->port, 1, err);
}

static int check_ipv6(struct check *check, struct vf_err *err)
{
	(void)check;
	if (access("/proc/net/if_inet6", F_OK) < 0)
		return vf_err_set(err, EAFNOSUPPORT,
				  "IPv6: the kernel has none");
	return 0;
}

/* The same port anew, as one of a network without a bridge. */
static int check_routed(struct check *check, struct vf_err *err)
{
	int ifindex = port_find(&check->rtnl, &check->port, err);
	struct net_conf conf = check->conf;
	struct vf_err undo_err;
	int ret;

	if (ifindex == 0)
		return vf_err_set(err, ENODEV, "there is no TAP");
	if (ifindex < 0 ||
	    port_link_down_add(&check->rtnl, &check->port, ifindex) < 0)
		return ifindex < 0 ? ifindex
				   : vf_err_errno(err, ENOMEM, "port");
	ret = rtnl_commit(&check->rtnl, RTNL_UNDO, err);
	conf.mode = NET_MODE_ROUTED;
	if (ret == 0)
		ret = filter_up(&conf, err);
	if (ret == 0)
		ret = filter_ports_add(&conf, &check->port, 1, err);
	if (ret == 0)
		ret = mode_of(&conf)->link_up(&check->rtnl, &conf, &check->port,
					      &ifindex, 1, err);
	if (ret == 0)
		ret = mode_of(&conf)->remember(&check->rtnl, &conf,
					       &check->port, &ifindex, 1, err);
	filter_down(&conf, &undo_err);
	return ret;
}

static int check_shaping(struct check *check, struct vf_err *err)
{
	const struct shape_rates rates = { SHAPE_BITS_MIN, SHAPE_BITS_MIN };

	return shape_apply(&check->port, &rates, err);
}

static int qdisc_try(struct check *check, const char *kind, const void *options,
		     size_t len, const char *lacks, struct vf_err *err)
{
	struct tcmsg tcm = { .tcm_parent = TC_H_ROOT,
			     .tcm_ifindex = if_nametoindex(check->port.tap) };
	struct nl_msg *msg = tc_add(&check->rtnl, RTM_NEWQDISC,
				    NLM_F_CREATE | NLM_F_REPLACE, &tcm, kind);
	int added = msg ? 0 : -ENOMEM;

	if (msg && len)
		added = nla_put(msg, TCA_OPTIONS, (int)len, options) < 0
				? -ENOMEM
				: 0;
	return tc_commit(&check->rtnl, added, lacks, err);
}

static int check_netem(struct check *check, struct vf_err *err)
{
	struct tc_netem_qopt options = { .limit = 1000 };

	return qdisc_try(check, "netem", &options, sizeof(options),
			 "netem qdisc (CONFIG_NET_SCH_NETEM)", err);
}

static int check_fq_codel(struct check *check, struct vf_err *err)
{
	return qdisc_try(check, "fq_codel", NULL, 0,
			 "fq_codel qdisc (CONFIG_NET_SCH_FQ_CODEL)", err);
}

/* Without a rate, which would need a rate table, it does nothing; no matter. */
static int check_police(struct check *check, struct vf_err *err)
{
	struct nlattr *tab, *act, *options;
	struct tc_police police = { .action = TC_POLICE_SHOT, .burst = 10000 };
	struct tcamsg tca = { .tca_family = AF_UNSPEC };
	struct nl_msg *msg;
	int ret;

	msg = rtnl_add(&check->rtnl, RTM_NEWACTION,
		       NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, "action police");
	if (!msg || nlmsg_append(msg, &tca, sizeof(tca), NLMSG_ALIGNTO) < 0)
		goto nla_put_failure;
	tab = nla_nest_start(msg, TCA_ACT_TAB);
	act = tab ? nla_nest_start(msg, 1) : NULL;
	if (!act)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, TCA_ACT_KIND, "police");
	options = nla_nest_start(msg, TCA_ACT_OPTIONS);
	if (!options)
		goto nla_put_failure;
	NLA_PUT(msg, TCA_POLICE_TBF, sizeof(police), &police);
	nla_nest_end(msg, options);
	nla_nest_end(msg, act);
	nla_nest_end(msg, tab);
	ret = tc_commit(&check->rtnl, 0,
			"police action (CONFIG_NET_ACT_POLICE)", err);
	/* tc_ctl_action() in net/sched/act_api.c: in no other user namespace */
	return ret == -EPERM ? vf_err_set(err, EPERM,
					  "not to be tried: only root of the "
					  "machine may make an action")
			     : ret;
nla_put_failure:
	return vf_err_errno(err, ENOMEM, "action police");
}

static const struct {
	const char *name;
	int (*run)(struct check *check, struct vf_err *err);
} checks[] = {
	{ "tun", check_tun },		{ "bridge", check_bridge },
	{ "port flags", check_flags },	{ "nftables bridge family", check_nft },
	{ "IPv6", check_ipv6 },		{ "routed networks", check_routed },
	{ "shaping", check_shaping },	{ "netem", check_netem },
	{ "fq_codel", check_fq_codel }, { "police", check_police },
};

static int check_init(struct check *check, struct vf_err *err)
{
	*check = (struct check){
		.conf = { .name = "check",
			  .bridge = "vfb-check",
			  .addr4.s_addr = htonl(0x0ae70001), /* 10.231.0.1 */
			  .prefix4 = 16,
			  .addr6.s6_addr = { 0xfd, [15] = 1 },
			  .prefix6 = 64 },
		.port = { .owner = "check", .tap = "vfcheck", .index = 2 },
		.tap_fd = -1,
	};
	if (pool_set_gateway(&check->conf, err) < 0)
		return -err->num;
	pool_fill(&check->conf, &check->port);
	return rtnl_open(&check->rtnl, NETLINK_ROUTE, err);
}

/* In the child; a line of JSON per check goes to the parent. */
static void checks_run(int out_fd)
{
	struct vf_err err = { 0 };
	struct check check;
	int ret;

	if (unshare(CLONE_NEWNET) < 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		ret = vf_err_errno(&err, errno, "network namespace");
	else
		ret = check_init(&check, &err);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		__json json_t *json = NULL;
		bool ok = ret == 0 && checks[i].run(&check, &err) == 0;

		json = json_pack("{s:s, s:b, s:s}", "name", checks[i].name,
				 "ok", ok, "detail", ok ? "" : err.msg);
		if (json)
			json_dumpfd(json, out_fd, 0);
	}
}

/* Whatever the child could not say counts as missing. */
static void answers_add(char *text, json_t *out)
{
	json_error_t where;
	size_t len = strlen(text), num = 0;
	json_t *json;

	while ((json = json_loadb(text, len, JSON_DISABLE_EOF_CHECK, &where))) {
		json_array_append_new(out, json);
		text += where.position;
		len -= where.position;
		num++;
	}
	for (; num < ARRAY_SIZE(checks); num++)
		json_array_append_new(out, json_pack("{s:s, s:b, s:s}", "name",
						     checks[num].name, "ok", 0,
						     "detail",
						     "could not be tried"));
}

static void answers_read(int fd, char *text, size_t size)
{
	int64_t deadline_us = vf_now_us() + CHECK_TIMEOUT_US;
	size_t len = 0;
	ssize_t got;

	while (len < size - 1 && vf_wait_readable(fd, -1, deadline_us) == 0) {
		got = read(fd, text + len, size - 1 - len);
		if (got <= 0)
			break;
		len += got;
	}
	text[len] = '\0';
}

/*
 * To delete a link that cannot be there changes nothing, but is for those only who
 * may change something.
 */
static int check_here(struct vf_err *err)
{
	struct ifinfomsg none = { .ifi_index = INT_MAX };
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);

	if (ret < 0)
		return ret;
	if (!rtnl_add_link(&rtnl, RTM_DELLINK, 0, &none, "networks"))
		return vf_err_errno(err, ENOMEM, "networks");
	ret = rtnl_commit(&rtnl, RTNL_UNDO, err);
	return ret == -EPERM
		       ? vf_err_set(err, EPERM,
				    "not root of this network namespace: be "
				    "root, or 'unshare --user --map-root-user "
				    "--net --mount'")
		       : ret;
}

static void here_add(json_t *out)
{
	struct vf_err err;
	int ret = check_here(&err);

	json_array_append_new(out, json_pack("{s:s, s:b, s:s}", "name",
					     "networks here", "ok", ret == 0,
					     "detail", ret < 0 ? err.msg : ""));
}

void net_check(json_t *out)
{
	char text[8192] = "";
	int fds[2];
	pid_t pid;

	here_add(out);
	if (pipe2(fds, O_CLOEXEC) < 0) {
		answers_add(text, out);
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		checks_run(fds[1]);
		_exit(0);
	}
	close(fds[1]);
	if (pid > 0) {
		answers_read(fds[0], text, sizeof(text));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	close(fds[0]);
	answers_add(text, out);
}
