// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <netlink/attr.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/network.h"
#include "net/port.h"
#include "net/shape.h"
#include "net/tc.h"

#define SUFFIX "i"

/*
 * The bucket holds what comes in 20 ms, for timers are late now and then, and at
 * least several whole frames; the queue what comes in 100 ms, and at least three
 * buckets. A packet that is larger than the bucket comes in segments.
 */
#define BURST_PER_S 50
#define BURST_MIN   16384
#define QUEUE_PER_S 10
#define QUEUE_MIN   (3 * BURST_MIN)
#define QUEUE_MAX   (64 << 20)

#define INGRESS_HANDLE TC_H_MAKE(TC_H_INGRESS, 0)

int shape_parse(uint64_t *bits, const char *text)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = { { "", 1 },
		      { "bit", 1 },
		      { "kbit", 1e3 },
		      { "mbit", 1e6 },
		      { "gbit", 1e9 } };
	double value;
	char *end;

	/* strtod() takes more: signs, blanks, words, exponents, 0x */
	if (*text < '0' || *text > '9' ||
	    strpbrk(text + strspn(text, "0123456789."), "eEpPxX"))
		return -EBADMSG;
	value = strtod(text, &end);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		value *= units[i].factor;
		if (!(value >= SHAPE_BITS_MIN && value <= SHAPE_BITS_MAX))
			return -ERANGE;
		*bits = (uint64_t)value;
		return 0;
	}
	return -EBADMSG;
}

/* The port's device, as if it were a TAP: it bears the same marks. */
static struct net_port device_of(const struct net_port *port)
{
	struct net_port device = *port;
	size_t len = strnlen(port->tap, IFNAMSIZ - sizeof(SUFFIX));

	strcpy(device.tap + len, SUFFIX);
	return device;
}

/* Token bucket filter: net/sched/sch_tbf.c, tbf_change(). */
static int tbf_add(struct rtnl *rtnl, int ifindex, uint64_t bits)
{
	struct tcmsg tcm = { .tcm_parent = TC_H_ROOT, .tcm_ifindex = ifindex };
	uint64_t rate = bits / 8, burst = rate / BURST_PER_S;
	uint64_t queue = rate / QUEUE_PER_S;
	/* a known link layer spares the kernel a table of times */
	struct tc_tbf_qopt opt = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET,
			  .rate = rate > UINT32_MAX ? UINT32_MAX
						    : (uint32_t)rate },
	};
	struct nlattr *options;
	struct nl_msg *msg;

	burst = burst > BURST_MIN ? burst : BURST_MIN;
	queue = queue > QUEUE_MIN ? queue : QUEUE_MIN;
	opt.limit = (uint32_t)(queue < QUEUE_MAX ? queue : QUEUE_MAX);
	msg = tc_add(rtnl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tcm,
		     "tbf");
	options = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;
	if (!options)
		return -ENOMEM;
	NLA_PUT(msg, TCA_TBF_PARMS, sizeof(opt), &opt);
	NLA_PUT_U32(msg, TCA_TBF_BURST, (uint32_t)burst);
	if (rate > UINT32_MAX)
		NLA_PUT_U64(msg, TCA_TBF_RATE64, rate);
	nla_nest_end(msg, options);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

static int ingress_add(struct rtnl *rtnl, int ifindex)
{
	struct tcmsg tcm = { .tcm_parent = TC_H_INGRESS,
			     .tcm_handle = INGRESS_HANDLE,
			     .tcm_ifindex = ifindex };

	return tc_add(rtnl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tcm,
		      "ingress")
		       ? 0
		       : -ENOMEM;
}

/* A key that all packets have, and the one action: to the other device. */
static int redirect_add(struct rtnl *rtnl, int ifindex, int to_ifindex)
{
	struct tcmsg tcm = { .tcm_parent = INGRESS_HANDLE,
			     .tcm_ifindex = ifindex,
			     .tcm_info = TC_H_MAKE(1 << 16, htons(ETH_P_ALL)) };
	struct {
		struct tc_u32_sel sel;
		struct tc_u32_key key;
	} all = { .sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 } };
	struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
				    .eaction = TCA_EGRESS_REDIR,
				    .ifindex = (uint32_t)to_ifindex };
	struct nlattr *options, *actions, *first, *args;
	struct nl_msg *msg = tc_add(rtnl, RTM_NEWTFILTER,
				    NLM_F_CREATE | NLM_F_EXCL, &tcm, "u32");

	options = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;
	if (!options)
		return -ENOMEM;
	NLA_PUT(msg, TCA_U32_SEL, sizeof(all), &all);
	actions = nla_nest_start(msg, TCA_U32_ACT);
	first = actions ? nla_nest_start(msg, 1) : NULL;
	if (!first)
		goto nla_put_failure;
	NLA_PUT_STRING(msg, TCA_ACT_KIND, "mirred");
	args = nla_nest_start(msg, TCA_ACT_OPTIONS);
	if (!args)
		goto nla_put_failure;
	NLA_PUT(msg, TCA_MIRRED_PARMS, sizeof(mirred), &mirred);
	nla_nest_end(msg, args);
	nla_nest_end(msg, first);
	nla_nest_end(msg, actions);
	nla_nest_end(msg, options);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

/*
 * An alias is not taken by a request that makes a link, and an address of IPv6
 * would be made before one says that there shall be none: three in one send.
 */
static int device_add(struct rtnl *rtnl, const struct net_port *device)
{
	struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlattr *info;
	struct nl_msg *msg;

	msg = rtnl_add_link(rtnl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none,
			    "ifb %s", device->tap);
	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, device->tap);
	NLA_PUT_U32(msg, IFLA_GROUP, NET_LINK_GROUP);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_INFO_KIND, "ifb");
	nla_nest_end(msg, info);
	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &none, "ifb %s", device->tap);
	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, device->tap);
	if (port_alias_put(msg, device) < 0 || rtnl_put_no_autoconf(msg) < 0)
		return -ENOMEM;
	msg = rtnl_add_link(rtnl, RTM_NEWLINK, 0, &up, "ifb %s", device->tap);
	if (!msg)
		return -ENOMEM;
	NLA_PUT_STRING(msg, IFLA_IFNAME, device->tap);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

static int bucket_set(struct rtnl *rtnl, int ifindex, uint64_t bits,
		      struct vf_err *err)
{
	return tc_commit(rtnl, tbf_add(rtnl, ifindex, bits),
			 "tbf qdisc (CONFIG_NET_SCH_TBF)", err);
}

/* What a port was given, to be taken away again if the rest fails. */
struct steps {
	bool root;
	bool device;
	bool ingress;
};

/* Return: its interface index or -errno, -EEXIST: whosever it is, it stays */
static int device_make(struct rtnl *rtnl, const struct net_port *device,
		       struct vf_err *err)
{
	struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	int ret = port_find(rtnl, device, err);
	struct vf_err ignored;
	struct nl_msg *msg;

	if (ret)
		return ret < 0 ? ret
			       : vf_err_errno(err, EEXIST, "ifb %s",
					      device->tap);
	ret = tc_commit(rtnl, device_add(rtnl, device),
			"ifb device (CONFIG_IFB)", err);
	if (!ret)
		ret = port_find(rtnl, device, err);
	if (ret > 0 || ret == -EEXIST)
		return ret;
	/* nobody would know it without an alias */
	msg = rtnl_add_link(rtnl, RTM_DELLINK, 0, &none, "ifb %s", device->tap);
	if (msg && nla_put_string(msg, IFLA_IFNAME, device->tap) == 0)
		rtnl_commit(rtnl, RTNL_UNDO, &ignored);
	return ret ? ret : vf_err_errno(err, ENODEV, "ifb %s", device->tap);
}

static int limit_out(struct rtnl *rtnl, const struct net_port *port,
		     int ifindex, uint64_t bits, struct steps *done,
		     struct vf_err *err)
{
	const struct net_port device = device_of(port);
	int device_ifindex = device_make(rtnl, &device, err);
	int ret;

	if (device_ifindex < 0)
		return device_ifindex;
	done->device = true;
	ret = bucket_set(rtnl, device_ifindex, bits, err);
	if (!ret)
		ret = tc_commit(rtnl, ingress_add(rtnl, ifindex),
				"ingress qdisc (CONFIG_NET_SCH_INGRESS)", err);
	if (ret < 0)
		return ret;
	done->ingress = true;
	return tc_commit(rtnl, redirect_add(rtnl, ifindex, device_ifindex),
			 "u32 classifier with mirred action "
			 "(CONFIG_NET_CLS_U32, CONFIG_NET_ACT_MIRRED)",
			 err);
}

static void steps_undo(struct rtnl *rtnl, const struct net_port *port,
		       int ifindex, const struct steps *done)
{
	struct tcmsg root = { .tcm_parent = TC_H_ROOT, .tcm_ifindex = ifindex };
	struct tcmsg ingress = { .tcm_parent = TC_H_INGRESS,
				 .tcm_handle = INGRESS_HANDLE,
				 .tcm_ifindex = ifindex };
	struct vf_err ignored;

	if ((!done->root || tc_add(rtnl, RTM_DELQDISC, 0, &root, "tbf")) &&
	    (!done->ingress ||
	     tc_add(rtnl, RTM_DELQDISC, 0, &ingress, "ingress")))
		rtnl_commit(rtnl, RTNL_UNDO, &ignored);
	if (done->device)
		shapes_remove(rtnl, port, 1, &ignored);
}

int shape_apply(const struct net_port *port, const struct shape_rates *rates,
		struct vf_err *err)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	int ifindex, ret = rtnl_open(&rtnl, NETLINK_ROUTE, err);
	struct steps done = { false };

	if (ret < 0)
		return ret;
	ifindex = port_find(&rtnl, port, err);
	if (ifindex < 0)
		return ifindex;
	if (!ifindex)
		return vf_err_set(err, ENODEV, "its TAP has gone");
	if (rates->in_bits) {
		ret = bucket_set(&rtnl, ifindex, rates->in_bits, err);
		done.root = !ret;
	}
	if (!ret && rates->out_bits)
		ret = limit_out(&rtnl, port, ifindex, rates->out_bits, &done,
				err);
	if (ret < 0)
		steps_undo(&rtnl, port, ifindex, &done);
	return ret;
}

int shapes_remove(struct rtnl *rtnl, const struct net_port *ports,
		  unsigned int num, struct vf_err *err)
{
	__free struct net_port *devices = calloc(num + 1, sizeof(*devices));
	__free int *found = calloc(num + 1, sizeof(*found));
	int ret;

	if (!devices || !found)
		return vf_err_errno(err, ENOMEM, "ports");
	for (unsigned int i = 0; i < num; i++)
		devices[i] = device_of(&ports[i]);
	ret = ports_find(rtnl, devices, num, found, err);
	return ret < 0 ? ret : ports_delete(rtnl, found, num, err);
}

bool shape_is_stray(const char *name, const struct tap_links *links)
{
	size_t len = strlen(name), suffix = strlen(SUFFIX);

	/* as tap_name_choose() makes them */
	if (len <= suffix || len >= IFNAMSIZ || strncmp(name, "vf", 2) != 0 ||
	    strcmp(name + len - suffix, SUFFIX))
		return false;
	len -= suffix;
	for (size_t i = 0; i < links->num; i++)
		if (!strncmp(links->links[i].name, name, len) &&
		    !links->links[i].name[len])
			return false;
	return true;
}
