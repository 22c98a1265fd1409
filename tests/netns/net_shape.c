// SPDX-License-Identifier: MIT
/* Rates of ports: all of it or nothing, and nothing that stays. */
#include "netns/net_frame.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <netlink/attr.h>

#include "net/shape.h"
#include "net/tc.h"

/* A network with one port, its TAP open. */
struct shaped {
	struct env *env;
	struct net *net;
	struct net_port port;
	int fd;
};

static void shaped_setup(struct shaped *s, void **state)
{
	struct net_conf conf = { .name = "lan" };

	s->env = env_get(state);
	ports_name(&s->port, 1, "vm");
	assert_ok(s->env, net_create(s->env->state_fd, &conf, &s->env->err));
	assert_ok(s->env,
		  net_open(&s->net, s->env->state_fd, "lan", &s->env->err));
	assert_ok(s->env,
		  net_ports_lease(s->net, NULL, &s->port, 1, &s->env->err));
	s->fd = net_port_open(&s->port, &s->env->err);
	assert_true(s->fd >= 0);
	assert_ok(s->env, net_ports_attach(s->net, &s->port, 1, &s->env->err));
}

static void shaped_teardown(struct shaped *s)
{
	if (s->fd >= 0)
		close(s->fd);
	assert_ok(s->env, net_ports_detach(s->net, &s->port, 1, &s->env->err));
	assert_ok(s->env, net_ports_release(s->net, &s->port, 1, &s->env->err));
	net_close(s->net);
	assert_ok(s->env, net_remove(s->env->state_fd, "lan", &s->env->err));
	env_check_clean(s->env);
}

/* A shell command about the port's TAP, whose name it has as $tap. */
static bool holds(const struct shaped *s, const char *command)
{
	setenv("tap", s->port.tap, 1);
	return system(command) == 0;
}

static const struct shape_rates both = { 10000000, 20000000 };
static const struct shape_rates out = { .out_bits = 20000000 };

static void test_apply(void **state)
{
	struct shaped s;

	shaped_setup(&s, state);
	assert_ok(s.env, shape_apply(&s.port, &both, &s.env->err));
	assert_true(holds(&s, "tc qdisc show dev $tap root |"
			      " grep -q 'tbf .*rate 10Mbit'"));
	assert_true(holds(&s, "tc qdisc show dev ${tap}i root |"
			      " grep -q 'tbf .*rate 20Mbit'"));
	assert_true(holds(&s, "tc filter show dev $tap ingress |"
			      " grep -q \"Redirect to device ${tap}i\""));
	assert_true(holds(&s, "[ -z \"$(ip -6 addr show dev ${tap}i)\" ]"));
	/* what has a limit is not given another */
	assert_int_equal(shape_apply(&s.port, &both, &s.env->err), -EEXIST);
	assert_int_equal(shape_apply(&s.port, &out, &s.env->err), -EEXIST);
	/* and what it has stays */
	assert_true(holds(&s, "tc qdisc show dev $tap root |"
			      " grep -q 'tbf .*rate 10Mbit'"));
	assert_true(holds(&s, "tc qdisc show dev ${tap}i root |"
			      " grep -q 'tbf .*rate 20Mbit'"));
	assert_true(holds(&s, "tc filter show dev $tap ingress |"
			      " grep -q \"Redirect to device ${tap}i\""));
	shaped_teardown(&s);
}

static void test_one_way(void **state)
{
	const struct shape_rates in = { .in_bits = 100000000000ULL };
	struct shaped s;

	shaped_setup(&s, state);
	assert_ok(s.env, shape_apply(&s.port, &in, &s.env->err));
	assert_true(holds(&s, "tc qdisc show dev $tap |"
			      " grep -q 'tbf .*rate 100Gbit'"));
	assert_false(holds(&s, "ip link show ${tap}i >/dev/null 2>&1"));
	shaped_teardown(&s);
}

/* The name of its device is taken: then nothing is limited, nothing touched. */
static void test_foreign(void **state)
{
	struct shaped s;

	shaped_setup(&s, state);
	assert_true(holds(&s, "ip link add ${tap}i type bridge"));
	assert_int_equal(shape_apply(&s.port, &both, &s.env->err), -EEXIST);
	assert_false(holds(&s, "tc qdisc show dev $tap |"
			       " grep -Eq 'tbf|ingress'"));
	assert_false(holds(&s, "ip link show ${tap}i |"
			       " grep -Eq 'alias|state UP|,UP'"));
	assert_ok(s.env, net_ports_detach(s.net, &s.port, 1, &s.env->err));
	assert_true(holds(&s, "ip link del ${tap}i"));
	shaped_teardown(&s);
}

static void test_no_tap(void **state)
{
	struct shaped s;

	shaped_setup(&s, state);
	close(s.fd);
	s.fd = -1;
	assert_int_equal(shape_apply(&s.port, &both, &s.env->err), -ENODEV);
	shaped_teardown(&s);
}

static bool is_alive(const char *owner, void *ctx)
{
	(void)owner;
	return *(bool *)ctx;
}

/* Its TAP has gone, and nobody detached it: gc finds it, whosever it was. */
static void test_gc(void **state)
{
	__json json_t *removed = json_array();
	bool alive = true;
	struct shaped s;

	shaped_setup(&s, state);
	assert_ok(s.env, shape_apply(&s.port, &both, &s.env->err));
	assert_ok(s.env, net_gc(s.env->state_fd, is_alive, &alive, removed,
				&s.env->err));
	assert_int_equal(json_array_size(removed), 0);
	assert_true(holds(&s, "ip link show ${tap}i >/dev/null"));
	close(s.fd);
	s.fd = -1;
	assert_ok(s.env, net_gc(s.env->state_fd, is_alive, &alive, removed,
				&s.env->err));
	assert_int_equal(json_array_size(removed), 1);
	assert_false(holds(&s, "ip link show ${tap}i >/dev/null 2>&1"));
	shaped_teardown(&s);
}

/* What is asked of the kernel in each of the ways that shaping asks. */
enum ask { ASK_QDISC, ASK_FILTER, ASK_ACTION, ASK_LINK, ASK_NUM };

static int filter_add(struct rtnl *rtnl, int ifindex, const char *kind,
		      const char *action)
{
	struct tcmsg tcm = { .tcm_parent = TC_H_MAKE(TC_H_INGRESS, 0),
			     .tcm_ifindex = ifindex,
			     .tcm_info = TC_H_MAKE(2 << 16, htons(ETH_P_ALL)) };
	struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL };
	struct nlattr *options, *actions, *first;
	struct nl_msg *msg = tc_add(rtnl, RTM_NEWTFILTER,
				    NLM_F_CREATE | NLM_F_EXCL, &tcm, kind);

	options = msg ? nla_nest_start(msg, TCA_OPTIONS) : NULL;
	if (!options || nla_put(msg, TCA_U32_SEL, sizeof(sel), &sel) < 0)
		return -ENOMEM;
	actions = action ? nla_nest_start(msg, TCA_U32_ACT) : NULL;
	if (actions) {
		first = nla_nest_start(msg, 1);
		if (!first || nla_put_string(msg, TCA_ACT_KIND, action) < 0)
			return -ENOMEM;
		nla_nest_end(msg, first);
		nla_nest_end(msg, actions);
	}
	nla_nest_end(msg, options);
	return 0;
}

static int link_add(struct rtnl *rtnl, const char *kind)
{
	struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg = rtnl_add_link(
		rtnl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, "link");
	struct nlattr *info = msg ? nla_nest_start(msg, IFLA_LINKINFO) : NULL;

	if (!info || nla_put_string(msg, IFLA_INFO_KIND, kind) < 0)
		return -ENOMEM;
	nla_nest_end(msg, info);
	return 0;
}

static int ask_add(struct rtnl *rtnl, enum ask ask, int ifindex)
{
	struct tcmsg root = { .tcm_parent = TC_H_ROOT, .tcm_ifindex = ifindex };

	switch (ask) {
	case ASK_QDISC:
		return tc_add(rtnl, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
			      &root, "none")
			       ? 0
			       : -ENOMEM;
	case ASK_FILTER:
		return filter_add(rtnl, ifindex, "none", NULL);
	case ASK_ACTION:
		return filter_add(rtnl, ifindex, "u32", "none");
	case ASK_LINK:
		return link_add(rtnl, "none");
	case ASK_NUM:
		break;
	}
	return -EINVAL;
}

/* What no kernel has is named; what was there stays. */
static void test_lacking(void **state)
{
	__rtnl struct rtnl rtnl = RTNL_INIT;
	struct shaped s;

	shaped_setup(&s, state);
	assert_ok(s.env, shape_apply(&s.port, &out, &s.env->err));
	assert_ok(s.env, rtnl_open(&rtnl, NETLINK_ROUTE, &s.env->err));
	for (int ask = 0; ask < ASK_NUM; ask++) {
		int added =
			ask_add(&rtnl, ask, (int)if_nametoindex(s.port.tap));

		assert_int_equal(added, 0);
		assert_int_equal(tc_commit(&rtnl, added,
					   "such thing (CONFIG_NONE)",
					   &s.env->err),
				 -EOPNOTSUPP);
		assert_string_equal(
			s.env->err.msg,
			"this kernel has no such thing (CONFIG_NONE)");
	}
	assert_int_equal(tc_commit(&rtnl, -ENOMEM, "it", &s.env->err), -ENOMEM);
	assert_true(holds(&s, "tc qdisc show dev ${tap}i root |"
			      " grep -q 'tbf .*rate 20Mbit'"));
	shaped_teardown(&s);
}

/* The source port of the next datagram that the gateway gets. */
static uint16_t heard_port(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct sockaddr_in from = { 0 };
	socklen_t len = sizeof(from);
	char text[8];

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail_msg("nothing within %d ms", TIMEOUT_MS);
	assert_int_equal(recvfrom(fd, text, sizeof(text), 0,
				  (struct sockaddr *)&from, &len),
			 4);
	return ntohs(from.sin_port);
}

/*
 * What went through the device comes by the pins all the same: of three packets
 * the one that may pass is heard.
 */
static void pinned_try(struct env *env, int flags)
{
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_port = htons(9) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const struct net_port *own, *other;
	struct frame f;
	struct lan lan;

	lan_up(&lan, env, flags);
	own = &lan.ports[0];
	other = &lan.ports[1];
	local.sin_addr = lan.conf->addr4;
	assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof(local)), 0);
	assert_ok(env, shape_apply(own, &both, &env->err));
	put_eth(&f, lan.conf->mac, other->mac, ETH_P_IP);
	put_ip4(&f, own->addr4[0], lan.conf->addr4, 0xaaaa, 7);
	frame_send(lan.fds[0], &f);
	put_eth(&f, lan.conf->mac, own->mac, ETH_P_IP);
	put_ip4(&f, other->addr4[0], lan.conf->addr4, 0xaaaa, 8);
	frame_send(lan.fds[0], &f);
	mark_build(&lan, &f);
	frame_send(lan.fds[0], &f);
	assert_int_equal(heard_port(fd), 9);
	close(fd);
	lan_down(&lan);
}

static void test_pinned_bridge(void **state)
{
	pinned_try(env_get(state), 0);
}

static void test_pinned_routed(void **state)
{
	pinned_try(env_get(state), LAN_ROUTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_apply),	      env_test(test_one_way),
		env_test(test_foreign),	      env_test(test_no_tap),
		env_test(test_lacking),	      env_test(test_gc),
		env_test(test_pinned_bridge), env_test(test_pinned_routed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
