/* SPDX-License-Identifier: MIT */
/* A parent's network and a new identity; each program includes it once. */
#ifndef TESTS_AGENT_ENV_H
#define TESTS_AGENT_ENV_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netcfg.h"
#include "netns.h"

static struct netcfg cfg;
static int taps[3] = { -1, -1, -1 };

static inline void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static inline void tap_open(int i)
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

static inline void namespace_enter(void)
{
	int ret = netns_enter();

	if (ret < 0) {
		print_message("%s\n", netns_skip_reason(ret));
		skip();
	}
}

/* A parent's network: two of everything, and one thing nobody touches. */
static inline void setup_links(bool is_up)
{
	run("echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad");
	tap_open(0);
	tap_open(1);
	run("ip link set eth0 address 02:00:00:00:00:01 mtu 1450");
	run("ip link set eth1 address 02:00:00:00:00:02 up");
	run("ip addr add 192.168.7.1/24 dev eth1");
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

static inline void setup(bool is_up)
{
	namespace_enter();
	setup_links(is_up);
}

/* More addresses than a state holds. */
static inline void addrs_add(const char *dev)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "for i in $(seq 1 250); do echo addr add 10.77.0.$i/24 dev %s;"
		 " done | ip -batch -",
		 dev);
	run(command);
}

static inline struct vmfork_identity identity(void)
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

static inline void cfg_open(void)
{
	assert_int_equal(netcfg_open(&cfg), 0);
	assert_int_equal(netcfg_refresh(&cfg), 0);
}

/* What counts down by itself says nothing. */
static inline void message_settle(struct nlmsghdr *msg, size_t head,
				  uint16_t cache)
{
	const struct nlattr *attr = netstate_attr(msg, head, cache);

	msg->nlmsg_seq = 0;
	msg->nlmsg_pid = 0;
	if (attr)
		memset(mnl_attr_get_payload(attr), 0,
		       mnl_attr_get_payload_len(attr));
}

static inline void list_settle(struct netstate_list *list, size_t head,
			       uint16_t cache)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(list, at)))
		message_settle((struct nlmsghdr *)(uintptr_t)at, head, cache);
}

static inline int message_compare(const void *a, const void *b)
{
	const struct nlmsghdr *x = *(const struct nlmsghdr *const *)a;
	const struct nlmsghdr *y = *(const struct nlmsghdr *const *)b;

	if (x->nlmsg_len != y->nlmsg_len)
		return x->nlmsg_len < y->nlmsg_len ? -1 : 1;
	return memcmp(x, y, x->nlmsg_len);
}

/* Sort the messages of a family, which come last in a dump; 0: all of them. */
static inline void list_sort(struct netstate_list *list, uint8_t family)
{
	static struct netstate_list sorted;
	const struct nlmsghdr *msg[256], *at = NULL;
	size_t num = 0;

	sorted.len = 0;
	while ((at = netstate_next(list, at))) {
		const struct rtgenmsg *gen = mnl_nlmsg_get_payload(at);

		assert_true(num < sizeof(msg) / sizeof(msg[0]));
		if (!family || gen->rtgen_family == family)
			msg[num++] = at;
		else
			sorted.len = (uint32_t)((const uint8_t *)at +
						NLMSG_ALIGN(at->nlmsg_len) -
						list->buf);
	}
	memcpy(sorted.buf, list->buf, sorted.len);
	qsort(msg, num, sizeof(msg[0]), message_compare);
	for (size_t i = 0; i < num; i++) {
		memcpy(sorted.buf + sorted.len, msg[i], msg[i]->nlmsg_len);
		sorted.len += NLMSG_ALIGN(msg[i]->nlmsg_len);
	}
	*list = sorted;
}

static inline bool link_is_eth(const struct netstate_link *link,
			       const void *arg)
{
	(void)arg;
	return !strncmp(link->name, "eth", 3);
}

static inline void state_take(struct netstate *state)
{
	struct netstate_filter filter = { .link = link_is_eth };

	memset(state, 0, sizeof(*state));
	assert_int_equal(netstate_dump(state, &cfg.rtnl, &filter), 0);
	assert_false(state->is_partial);
	list_settle(&state->addrs, sizeof(struct ifaddrmsg), IFA_CACHEINFO);
	list_settle(&state->routes, sizeof(struct rtmsg), RTA_CACHEINFO);
	/* none of several next hops is before another */
	list_sort(&state->routes, AF_INET6);
	list_settle(&state->rejects, sizeof(struct rtmsg), RTA_CACHEINFO);
	list_settle(&state->neighs, sizeof(struct ndmsg), NDA_CACHEINFO);
	list_sort(&state->neighs, 0); /* a hash has no order */
}

static inline bool state_is_tentative(const struct netstate *state)
{
	const struct nlmsghdr *at = NULL;

	while ((at = netstate_next(&state->addrs, at))) {
		const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(at);

		if (ifa->ifa_flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
			return true;
	}
	return false;
}

/* The same, once the kernel has done with what was added last. */
static inline void state_take_settled(struct netstate *state)
{
	struct pollfd pfd = { .fd = cfg.events.fd, .events = POLLIN };

	for (state_take(state); state_is_tentative(state); state_take(state)) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		netcfg_listen(&cfg);
	}
	assert_int_equal(netcfg_refresh(&cfg), 0);
}

static inline bool list_is_equal(const struct netstate_list *a,
				 const struct netstate_list *b)
{
	return a->len == b->len && !memcmp(a->buf, b->buf, a->len);
}

static inline bool state_is_equal(const struct netstate *a,
				  const struct netstate *b)
{
	return a->num_links == b->num_links &&
	       !memcmp(a->links, b->links, sizeof(a->links)) &&
	       list_is_equal(&a->addrs, &b->addrs) &&
	       list_is_equal(&a->routes, &b->routes) &&
	       list_is_equal(&a->rejects, &b->rejects) &&
	       list_is_equal(&a->neighs, &b->neighs);
}

static inline bool dump_has(const char *dump, const char *text)
{
	return strstr(dump, text) != NULL;
}

/* Of what stands before it in every dump there is more than is kept. */
static inline void setup_crowd(void)
{
	namespace_enter();
	run("for i in $(seq 1 20); do ip link add br$i type bridge; done");
	addrs_add("br1");
	setup_links(true);
}

#endif
