// SPDX-License-Identifier: MIT
/*
 * An identity applied to a real interface in a private namespace, and the same
 * with a failure at each message of the batch: then everything is as before, to
 * the order of the addresses.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netcfg.h"
#include "netns.h"

enum inject {
	INJECT_TYPE,	   /* the kernel knows no such message */
	INJECT_INDEX,	   /* no such interface */
	INJECT_ZERO,	   /* a payload that says nothing */
	INJECT_AFTERWARDS, /* it took effect, and is said to have failed */
	INJECT_TRANSPORT,  /* all of it took effect, and no answer came */
	INJECT_NUM
};

static struct netcfg cfg;
static struct netstate before, after;
static int taps[2] = { -1, -1 };

static struct {
	int at; /* message; -1: none */
	enum inject how;
	unsigned int num; /* out: messages of the first batch */
	bool done;
} inject;

static int inject_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)batch->buf;
	int len = (int)batch->len, ret;
	uint32_t index = 0x7fffffff;

	if (inject.done || inject.at < 0)
		return rtnl_batch_send(rtnl, batch);
	inject.done = true;
	inject.num = batch->num;
	for (int i = 0; i < inject.at && mnl_nlmsg_ok(msg, len); i++)
		msg = mnl_nlmsg_next(msg, &len);
	if (inject.how == INJECT_TYPE)
		msg->nlmsg_type = 0xfff0;
	if (inject.how == INJECT_INDEX)
		memcpy((char *)mnl_nlmsg_get_payload(msg) + 4, &index, 4);
	if (inject.how == INJECT_ZERO)
		memset(mnl_nlmsg_get_payload(msg), 0,
		       mnl_nlmsg_get_payload_len(msg));
	ret = rtnl_batch_send(rtnl, batch);
	if (inject.how == INJECT_AFTERWARDS)
		batch->msg[inject.at].error = ENOMEM;
	return inject.how == INJECT_TRANSPORT ? -ENOBUFS : ret;
}

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void tap_open(int i)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	if (taps[i] >= 0)
		close(taps[i]);
	taps[i] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (taps[i] < 0)
		skip();
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "eth%d", i);
	assert_int_equal(ioctl(taps[i], TUNSETIFF, &ifr), 0);
}

static void namespace_enter(void)
{
	int ret = netns_enter();

	if (ret < 0) {
		print_message("%s\n", netns_skip_reason(ret));
		skip();
	}
}

/* A parent's network: two of everything, and one thing nobody touches. */
static void setup_links(bool is_up)
{
	run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	tap_open(0);
	tap_open(1);
	run("ip link set eth0 address 02:00:00:00:00:01 mtu 1450");
	run("ip link set eth1 address 02:00:00:00:00:02 up");
	run("ip addr add 192.168.7.1/24 dev eth1");
	inject.at = -1;
	if (!is_up)
		return;
	run("ip link set eth0 up");
	run("ip addr add 10.1.0.2/16 brd + dev eth0");
	run("ip addr add 10.1.0.3/16 dev eth0");
	run("ip addr add 10.2.0.2/24 dev eth0");
	run("ip addr add fd00:1::2/64 dev eth0");
	run("ip addr add fd00:1::3/64 dev eth0 nodad");
	run("ip addr add fd00:2::2/64 dev eth0 valid_lft 5000 "
	    "preferred_lft 4000");
	run("ip route add default via 10.1.0.1 dev eth0 metric 100");
	run("ip route add 172.16.0.0/12 via 10.1.0.9 dev eth0");
	run("ip route add 172.16.0.0/12 via 10.2.0.9 dev eth0 metric 7");
	run("ip -6 route add default via fd00:1::1 dev eth0");
	run("ip -6 route add fd77::/32 via fd00:1::9 dev eth0 metric 5");
	run("ip neigh add 10.1.0.1 lladdr 02:ff:00:00:00:01 dev eth0");
	run("ip neigh add 10.1.0.77 lladdr 02:ff:00:00:00:77 dev eth0");
	run("ip neigh add fd00:1::1 lladdr 02:ff:00:00:00:01 dev eth0");
}

static void setup(bool is_up)
{
	namespace_enter();
	setup_links(is_up);
}

/* More addresses than a state holds. */
static void addrs_add(const char *dev)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "for i in $(seq 1 250); do echo addr add 10.77.0.$i/24 dev %s;"
		 " done | ip -batch -",
		 dev);
	run(command);
}

static struct vmfork_identity identity(void)
{
	struct vmfork_identity id = { .num_links = 1 };
	struct identity_link *link = &id.link[0];

	link->match = IDENTITY_MATCH_NAME;
	strcpy(link->match_name, "eth0");
	link->has_mac = true;
	memcpy(link->mac, "\x02\x00\x00\x00\x00\x99", 6);
	link->mtu = 1400;
	link->num_addr4 = 1;
	link->addr4[0] = (struct vmfork_addr4){ { 10, 1, 0, 5 }, 16, { 0 } };
	link->num_addr6 = 1;
	memcpy(link->addr6[0].addr, "\xfd\x00\x00\x01", 4);
	link->addr6[0].addr[15] = 5;
	link->addr6[0].prefix_len = 64;
	link->has_gateway4 = true;
	memcpy(link->gateway4, "\x0a\x01\x00\x01", 4);
	link->has_gateway6 = true;
	memcpy(link->gateway6, "\xfd\x00\x00\x01", 4);
	link->gateway6[15] = 1;
	link->has_gateway_mac = true;
	memcpy(link->gateway_mac, "\x02\xee\x00\x00\x00\x01", 6);
	return id;
}

static void cfg_open(void)
{
	assert_int_equal(netcfg_open(&cfg), 0);
	assert_int_equal(netcfg_refresh(&cfg), 0);
	cfg.send = inject_send;
}

/* What counts down by itself says nothing. */
static void message_settle(struct nlmsghdr *msg, size_t head, uint16_t cache)
{
	const struct nlattr *attr = netstate_attr(msg, head, cache);

	msg->nlmsg_seq = 0;
	msg->nlmsg_pid = 0;
	if (attr)
		memset(mnl_attr_get_payload(attr), 0,
		       mnl_attr_get_payload_len(attr));
}

static void list_settle(struct netstate_list *list, size_t head, uint16_t cache)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at)))
		message_settle((struct nlmsghdr *)(uintptr_t)at, head, cache);
}

static bool link_is_eth(const struct netstate_link *link, const void *arg)
{
	(void)arg;
	return !strncmp(link->name, "eth", 3);
}

static void state_take(struct netstate *state)
{
	memset(state, 0, sizeof(*state));
	assert_int_equal(netstate_dump(state, &cfg.rtnl, link_is_eth, NULL), 0);
	assert_false(state->is_partial);
	list_settle(&state->addrs, sizeof(struct ifaddrmsg), IFA_CACHEINFO);
	list_settle(&state->routes, sizeof(struct rtmsg), RTA_CACHEINFO);
	list_settle(&state->neighs, sizeof(struct ndmsg), NDA_CACHEINFO);
}

static bool list_is_equal(const struct netstate_list *a,
			  const struct netstate_list *b)
{
	return a->len == b->len && !memcmp(a->buf, b->buf, a->len);
}

static bool state_is_equal(const struct netstate *a, const struct netstate *b)
{
	return a->num_links == b->num_links &&
	       !memcmp(a->links, b->links, sizeof(a->links)) &&
	       list_is_equal(&a->addrs, &b->addrs) &&
	       list_is_equal(&a->routes, &b->routes) &&
	       list_is_equal(&a->neighs, &b->neighs);
}

static bool dump_has(const char *dump, const char *text)
{
	return strstr(dump, text) != NULL;
}

static void test_apply(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump;

	(void)state;
	setup(true);
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	dump = netns_dump();
	assert_non_null(dump);
	assert_true(dump_has(dump, "02:00:00:00:00:99"));
	assert_true(dump_has(dump, "1400"));
	assert_true(dump_has(dump, "10.1.0.5/16"));
	assert_true(dump_has(dump, "fd00:1::5/64"));
	assert_true(dump_has(dump, "fe80::ff:fe00:99/64"));
	assert_true(dump_has(dump, "02:ee:00:00:00:01"));
	assert_true(dump_has(dump, "192.168.7.1/24"));
	/* a static route and a permanent neighbour that still make sense */
	assert_true(dump_has(dump, "172.16.0.0/12"));
	assert_true(dump_has(dump, "02:ff:00:00:00:77"));
	assert_true(dump_has(dump, "fd77::/32"));
	assert_false(dump_has(dump, "10.1.0.2/16"));
	assert_false(dump_has(dump, "10.2.0.2"));
	assert_false(dump_has(dump, "fd00:1::2/64"));
	assert_false(dump_has(dump, "fe80::ff:fe00:1/64"));
	assert_false(dump_has(dump, "02:ff:00:00:00:01"));
	free(dump);
	netcfg_close(&cfg);
}

/* The second time everything is there already, and stays. */
static void test_apply_again(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	state_take(&before);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

static bool address_is_tentative(void)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(&after.addrs, at))) {
		const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(at);

		if (ifa->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
			return true;
	}
	return false;
}

/* A VM that boots: the link is down, and addresses are probed as usual. */
static void test_apply_down(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(false);
	run("echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad");
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	assert_false(result.links[0].was_up);
	state_take(&after);
	assert_false(address_is_tentative());
	assert_true(after.links[0].flags & IFF_UP);
	netcfg_close(&cfg);
}

static void test_no_ipv6(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	run("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6");
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	assert_false(result.links[0].has_ipv6);
	netcfg_close(&cfg);
}

static void test_no_match(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take(&before);
	strcpy(id.link[0].match_name, "eth7");
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENODEV);
	assert_int_equal(result.step, VMFORK_STEP_MATCH);
	assert_int_equal(result.error, ENODEV);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

/* The second of two links fails: the first goes back as well. */
static void test_gateway_unreachable(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take(&before);
	id.num_links = 2;
	id.link[1] = id.link[0];
	id.link[1].match = IDENTITY_MATCH_MAC;
	memcpy(id.link[1].match_mac, "\x02\x00\x00\x00\x00\x02", 6);
	id.link[1].mac[5] = 0x98;
	id.link[1].addr4[0].addr[1] = 9;
	id.link[1].gateway4[1] = 8;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENETUNREACH);
	assert_int_equal(result.step, VMFORK_STEP_ROUTE);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

/* Of what stands before it in every dump there is more than is kept. */
static void setup_crowd(void)
{
	namespace_enter();
	run("for i in $(seq 1 20); do ip link add br$i type bridge; done");
	addrs_add("br1");
	setup_links(true);
}

static void test_crowd(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump;

	(void)state;
	setup_crowd();
	cfg_open();
	assert_true(cfg.saved.more_links);
	assert_true(cfg.saved.is_partial);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	dump = netns_dump();
	assert_non_null(dump);
	assert_true(dump_has(dump, "10.1.0.5/16"));
	assert_true(dump_has(dump, "fd77::/32"));
	assert_false(dump_has(dump, "10.1.0.2/16"));
	assert_false(dump_has(dump, "fd00:1::2/64"));
	assert_true(dump_has(dump, "10.77.0.250/24"));
	free(dump);
	/* and the state is that of all links again */
	assert_int_equal(netcfg_refresh(&cfg), 0);
	assert_true(cfg.saved.more_links);
	netcfg_close(&cfg);
}

static void test_crowd_is_undone(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup_crowd();
	cfg_open();
	state_take(&before);
	memcpy(id.link[0].gateway4, "\x0a\x09\x00\x01", 4);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENETUNREACH);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	/* a link that is not there is told from one that did not fit */
	strcpy(id.link[0].match_name, "eth7");
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENODEV);
	netcfg_close(&cfg);
}

/* More than could be put back: nothing is begun. */
static void test_too_much(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump, *again;

	(void)state;
	setup(true);
	addrs_add("eth0");
	cfg_open();
	dump = netns_dump();
	inject.at = 0;
	inject.done = false;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -E2BIG);
	assert_int_equal(result.step, VMFORK_STEP_MATCH);
	assert_false(inject.done); /* nothing was sent */
	again = netns_dump();
	assert_non_null(dump);
	assert_non_null(again);
	assert_string_equal(dump, again);
	free(dump);
	free(again);
	netcfg_close(&cfg);
}

static unsigned int sends;

/* Somebody else fills the link before the way back is taken. */
static int crowded_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	int ret = rtnl_batch_send(rtnl, batch);

	if (++sends == 1)
		addrs_add("eth0");
	return sends == 1 ? -ENOBUFS : ret;
}

static void test_undo_of_much(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take(&before);
	sends = 0;
	cfg.send = crowded_send;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENOBUFS);
	assert_int_equal(result.step, VMFORK_STEP_LINK);
	assert_true(cfg.failed.num_links);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

/* The batch fails, then the way back does. */
static int lost_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	if (++sends == 1) {
		rtnl_batch_send(rtnl, batch);
		return -ETIMEDOUT;
	}
	return -ENOBUFS;
}

static void test_undo_is_lost(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	sends = 0;
	cfg.send = lost_send;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENOBUFS);
	assert_int_equal(result.step, VMFORK_STEP_UNDO);
	assert_int_equal(result.error, ENOBUFS);
	netcfg_close(&cfg);
}

/* The kernel refuses what the way back sends. */
static void test_undo_is_refused(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	memcpy(id.link[0].gateway4, "\x0a\x09\x00\x01", 4);
	cfg.saved.links[0].mtu = 3; /* below what any link may have */
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -EINVAL);
	assert_int_equal(result.step, VMFORK_STEP_UNDO);
	assert_int_equal(result.error, EINVAL);
	netcfg_close(&cfg);
}

/* Return: true if the failure was noticed, and undone */
static bool failure_is_undone(const struct vmfork_identity *id)
{
	struct netcfg_result result;

	inject.done = false;
	if (netcfg_apply(&cfg, id, &result) == 0)
		return false;
	assert_int_not_equal(result.error, 0);
	assert_int_not_equal(result.step, VMFORK_STEP_NONE);
	assert_int_not_equal(result.step, VMFORK_STEP_UNDO);
	state_take(&after);
	if (!state_is_equal(&before, &after)) {
		print_message("message %d, way %d\n", inject.at, inject.how);
		run("ip addr; ip route; ip -6 route; ip neigh");
		fail();
	}
	return true;
}

static void test_failure_at_each_step(void **state)
{
	struct vmfork_identity id = identity();
	unsigned int undone = 0;

	(void)state;
	setup(true);
	cfg_open();
	state_take(&before);
	inject.num = 1;
	for (unsigned int k = 0; k < inject.num; k++) {
		for (unsigned int how = 0; how < INJECT_NUM; how++) {
			inject.at = (int)k;
			inject.how = (enum inject)how;
			if (failure_is_undone(&id)) {
				undone++;
				continue;
			}
			/* a message that may fail: begin afresh */
			netcfg_close(&cfg);
			setup(true);
			cfg_open();
			state_take(&before);
		}
	}
	print_message("%u messages, %u failures undone\n", inject.num, undone);
	assert_true(undone > inject.num * INJECT_NUM / 2);
	netcfg_close(&cfg);
}

/* An event makes the saved state stale; the next apply knows better. */
static void test_events(void **state)
{
	(void)state;
	setup(true);
	cfg_open();
	assert_false(cfg.is_stale);
	run("ip addr add 10.3.0.1/24 dev eth0");
	netcfg_listen(&cfg);
	assert_true(cfg.is_stale);
	assert_int_equal(netcfg_refresh(&cfg), 0);
	assert_false(cfg.is_stale);
	run("ip neigh del 10.1.0.77 dev eth0");
	netcfg_listen(&cfg);
	assert_true(cfg.is_stale);
	netcfg_close(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_apply_again),
		cmocka_unit_test(test_apply_down),
		cmocka_unit_test(test_no_ipv6),
		cmocka_unit_test(test_no_match),
		cmocka_unit_test(test_gateway_unreachable),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_crowd_is_undone),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_undo_of_much),
		cmocka_unit_test(test_undo_is_lost),
		cmocka_unit_test(test_undo_is_refused),
		cmocka_unit_test(test_failure_at_each_step),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
