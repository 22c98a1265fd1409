// SPDX-License-Identifier: MIT
/* Several links, routes of all kinds, and what is nobody's business. */
#include "agent_links.h"

static void apply(const struct vmfork_identity *id)
{
	static struct netcfg_result result; /* netcfg_dropped() needs it */

	assert_int_equal(netcfg_apply(&cfg, id, &result), 0);
	assert_int_equal(result.step, VMFORK_STEP_NONE);
}

/* What a command prints; the caller frees it. */
static char *text_of(const char *command)
{
	FILE *out = popen(command, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	assert_non_null(out);
	len = getdelim(&text, &size, '\0', out);
	assert_int_equal(pclose(out), 0);
	if (len < 0) {
		free(text); /* it has a buffer even if nothing is printed */
		text = strdup("");
	}
	return text;
}

/* Is each of the lines printed, which have to be that many? */
static void prints(const char *command, const char *const *lines)
{
	char *text = text_of(command), *at = text, *line;
	bool is_right = true;

	for (; *lines; lines++) {
		line = strsep(&at, "\n");
		if (!line || strcmp(line, *lines) != 0) {
			print_message("wanted %s\n   got %s\n", *lines,
				      line ? line : "nothing");
			is_right = false;
		}
	}
	if (at && *at) {
		print_message("more: %s", at);
		is_right = false;
	}
	free(text);
	assert_true(is_right);
}

#define PRINTS(command, ...)                                         \
	prints(command " | sed 's/ *$//;s/ pref medium//;s/^\t/ /'", \
	       (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#define ADDRS(dev) "ip -br addr show dev " dev " | tr -s ' ' '\\n' | sed 1,2d"

static char *third_link(void)
{
	return text_of("ip link show dev eth2; ip addr show dev eth2;"
		       "ip route show dev eth2; ip neigh show dev eth2;"
		       "ip -6 route show | grep -o 'via fd08.* eth2'");
}

static void test_two_links(void **state)
{
	struct vmfork_identity id = identity_two();
	char *third, *again;

	(void)state;
	setup_three();
	neighs_learn();
	third = third_link();
	cfg_open();
	apply(&id);
	PRINTS(ADDRS("eth0"), "10.1.0.5/16", "fd00:1::5/64",
	       "fe80::ff:fe00:99/64");
	PRINTS(ADDRS("eth1"), "10.9.0.7/24", "10.1.0.2/32",
	       "fe80::ff:fe00:98/64");
	PRINTS("ip -o link | sed -n 's/^.*\\(eth[01]\\):.* mtu \\([0-9]*\\)"
	       ".*ether \\([^ ]*\\).*/\\1 \\2 \\3/p'",
	       "eth0 1400 02:00:00:00:00:99", "eth1 1300 02:00:00:00:00:98");
	PRINTS("ip route | grep -v kernel",
	       "default via 10.1.0.1 dev eth0 proto static",
	       "default via 192.168.8.254 dev eth2",
	       "10.60.0.0/16 via 10.9.0.1 dev eth1 proto static",
	       "10.66.0.0/16 dev eth0 proto static scope link src 10.1.0.5 "
	       "metric 50",
	       "172.16.0.0/12 via 10.1.0.99 dev eth0 proto static",
	       "172.16.0.0/12 via 192.168.8.9 dev eth2", "172.27.0.0/16",
	       " nexthop via 10.1.0.9 dev eth0 weight 3",
	       " nexthop via 10.1.0.10 dev eth0 weight 1",
	       "172.28.0.0/16 via 172.29.1.1 dev eth0",
	       "172.29.1.1 dev eth0 scope link",
	       "blackhole 172.30.0.0/16 proto static",
	       "198.51.100.0/24 via 10.66.1.1 dev eth0 proto static",
	       "blackhole 203.0.113.0/24");
	again = third_link();
	assert_string_equal(third, again);
	free(third);
	free(again);
	netcfg_close(&cfg);
}

static void test_routes6(void **state)
{
	struct vmfork_identity id = identity_two();

	(void)state;
	setup_three();
	cfg_open();
	apply(&id);
	PRINTS("ip -6 route | grep -v kernel | sed 's/^\\t/ /' | LC_ALL=C sort",
	       " nexthop via fd00:1::1 dev eth0 weight 1",
	       " nexthop via fd00:1::77 dev eth0 weight 1",
	       " nexthop via fd08::9 dev eth2 weight 1",
	       " nexthop via fd08::fe dev eth2 weight 1",
	       "2001:db8:2::/48 dev eth0 proto static metric 1024",
	       "blackhole 2001:db8:1::/48 dev lo proto static metric 1024",
	       "default metric 1024", "fd77::/32 metric 5",
	       "fd78::/32 via fd07::9 dev eth1 metric 1024",
	       "prohibit 2001:db8:3::/48 dev lo metric 1024");
	netcfg_close(&cfg);
}

/* A fork of a fork is told the same routes again. */
static void test_same_again(void **state)
{
	static struct netstate before, after;
	struct vmfork_identity id = identity_two();

	(void)state;
	setup_three();
	cfg_open();
	apply(&id);
	state_take(&before);
	memcpy(id.link[1].match_mac, id.link[1].mac, 6);
	apply(&id);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

static void test_ipv6_only(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	run("ip route add 172.27.0.0/16 dev eth1 metric 3");
	run("ip route add default dev eth0 metric 9");
	id.link[0].num_addr4 = 0;
	id.link[0].has_gateway4 = false;
	cfg_open();
	apply(&id);
	PRINTS(ADDRS("eth0"), "fd00:1::5/64", "fe80::ff:fe00:99/64");
	PRINTS("ip route", "172.27.0.0/16 dev eth1 scope link metric 3",
	       "192.168.7.0/24 dev eth1 proto kernel scope link src "
	       "192.168.7.1");
	PRINTS("ip -6 route show default",
	       "default via fd00:1::1 dev eth0 metric 1024");
	netcfg_close(&cfg);
}

static void test_ipv4_only(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	run("ip -6 route add default via fd00:1::1 dev eth0 metric 77");
	id.link[0].num_addr6 = 0;
	id.link[0].has_gateway6 = false;
	cfg_open();
	apply(&id);
	PRINTS(ADDRS("eth0"), "10.1.0.5/16", "fe80::ff:fe00:99/64");
	PRINTS("ip -6 route show default");
	PRINTS("ip route show default",
	       "default via 10.1.0.1 dev eth0 proto static");
	netcfg_close(&cfg);
}

/* Of a default route that the mail does not speak of, the kernel decides. */
static void test_no_gateway(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	id.link[0].has_gateway4 = false;
	id.link[0].has_gateway6 = false;
	cfg_open();
	apply(&id);
	PRINTS("ip route show default",
	       "default via 10.1.0.1 dev eth0 metric 100");
	PRINTS("ip -6 route show default",
	       "default via fd00:1::1 dev eth0 metric 1024");
	netcfg_close(&cfg);
}

/* The gateway of a single address is reached by a route of the mail. */
static void test_gateway_by_route(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	id.link[0].addr4[0].prefix_len = 32;
	memcpy(id.link[0].gateway4, "\xa9\xfe\x01\x01", 4);
	route_add(&id.link[0], false, "169.254.1.1", 32);
	cfg_open();
	apply(&id);
	PRINTS("ip route show dev eth0", "default via 169.254.1.1 proto static",
	       "169.254.1.1 proto static scope link");
	netcfg_close(&cfg);
}

static void neighbours(bool with_mac)
{
	struct vmfork_identity id = identity();

	setup_three();
	neighs_learn();
	id.link[0].has_mac = with_mac;
	cfg_open();
	apply(&id);
	PRINTS("ip neigh show dev eth0 | LC_ALL=C sort",
	       "10.1.0.1 lladdr 02:ee:00:00:00:01 PERMANENT",
	       "10.1.0.77 lladdr 02:ff:00:00:00:77 PERMANENT",
	       "fd00:1::1 lladdr 02:ee:00:00:00:01 PERMANENT");
	PRINTS("ip neigh show dev eth1 | LC_ALL=C sort",
	       "10.1.0.50 lladdr 02:aa:00:00:00:01 STALE",
	       "192.168.7.77 lladdr 02:ff:00:00:01:77 PERMANENT",
	       "fd00:1::50 lladdr 02:aa:00:00:00:01 STALE");
	netcfg_close(&cfg);
}

static void test_neighbours(void **state)
{
	(void)state;
	neighbours(true);
}

static void test_neighbours_same_mac(void **state)
{
	(void)state;
	neighbours(false);
}

static void test_exchange(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	cfg_open();
	id.num_links = 2;
	id.link[1] = id.link[0];
	id.link[0].match = IDENTITY_MATCH_MAC;
	memcpy(id.link[0].match_mac, "\x02\x00\x00\x00\x00\x01", 6);
	memcpy(id.link[0].mac, "\x02\x00\x00\x00\x00\x02", 6);
	id.link[1].match = IDENTITY_MATCH_INDEX;
	id.link[1].match_index = if_nametoindex("eth1");
	memcpy(id.link[1].mac, "\x02\x00\x00\x00\x00\x01", 6);
	id.link[1].has_gateway4 = false;
	id.link[1].has_gateway6 = false;
	id.link[0].addr4[0] =
		(struct vmfork_addr4){ { 192, 168, 7, 1 }, 24, { 0 } };
	memcpy(id.link[0].gateway4, "\xc0\xa8\x07\xfe", 4);
	apply(&id);
	PRINTS("ip -o link | sed -n 's/^.*\\(eth[01]\\):.*ether \\([^ ]*\\).*/"
	       "\\1 \\2/p'",
	       "eth0 02:00:00:00:00:02", "eth1 02:00:00:00:00:01");
	PRINTS("ip -br -4 addr show dev eth0 | tr -s ' '",
	       "eth0 UNKNOWN 192.168.7.1/24");
	PRINTS("ip -br -4 addr show dev eth1 | tr -s ' '",
	       "eth1 UNKNOWN 10.1.0.5/16");
	assert_int_equal(netcfg_dropped(&cfg)->more, false);
	netcfg_close(&cfg);
}

static void test_one_link_twice(void **state)
{
	struct vmfork_identity id = identity_two();
	struct netcfg_result result;

	(void)state;
	setup_three();
	cfg_open();
	memcpy(id.link[1].match_mac, "\x02\x00\x00\x00\x00\x01", 6);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENOTUNIQ);
	assert_int_equal(result.step, VMFORK_STEP_MATCH);
	netcfg_close(&cfg);
}

/* More blackholes than are kept: only those that a mail claims are asked for. */
static void test_many_blackholes(void **state)
{
	static struct netstate before, after;
	struct vmfork_identity id = identity_two();

	(void)state;
	setup_three();
	run("for i in $(seq 0 255); do for j in 1 2; do"
	    " echo route add blackhole 100.$j.$i.0/24; done; done |"
	    " ip -batch -");
	cfg_open();
	assert_true(cfg.saved.more_rejects);
	assert_false(cfg.saved.is_partial);
	apply(&id);
	PRINTS("ip route show 198.51.100.0/24",
	       "198.51.100.0/24 via 10.66.1.1 dev eth0 proto static");
	PRINTS("ip route | grep -c blackhole.100", "512");
	/* fd78::/32 of eth1 is there still, with a gateway that is not */
	state_take(&before);
	memcpy(id.link[1].match_mac, id.link[1].mac, 6);
	id.link[0].gateway4[1] = 9;
	id.link[0].routes[1].metric = 1;
	assert_int_not_equal(
		netcfg_apply(&cfg, &id, &(struct netcfg_result){ 0 }), 0);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

static bool drops(const char *text)
{
	const struct netcfg_dropped *dropped = netcfg_dropped(&cfg);
	char addr[INET6_ADDRSTRLEN];

	for (unsigned int i = 0; i < dropped->num; i++) {
		inet_ntop(dropped->addr[i].is_ipv6 ? AF_INET6 : AF_INET,
			  dropped->addr[i].bytes, addr, sizeof(addr));
		if (!strcmp(addr, text))
			return true;
	}
	return false;
}

static void test_dropped(void **state)
{
	struct vmfork_identity id = identity_two();

	(void)state;
	setup_three();
	run("ip addr add 10.2.0.2/32 dev eth2");
	cfg_open();
	assert_int_equal(netcfg_dropped(&cfg)->num, 0);
	apply(&id);
	/* the state that it is made of is taken down again: it is known */
	assert_int_equal(netcfg_refresh(&cfg), 0);
	assert_true(drops("10.1.0.3"));
	assert_true(drops("fd00:1::2"));
	assert_true(drops("fd00:1::3"));
	assert_true(drops("fd00:2::2"));
	assert_true(drops("fe80::ff:fe00:1"));
	assert_true(drops("fe80::ff:fe00:2"));
	assert_true(drops("192.168.7.1"));
	assert_true(drops("fd07::1"));
	assert_false(drops("10.1.0.2")); /* it has moved to eth1 */
	assert_false(drops("10.2.0.2")); /* eth2 has it too */
	assert_int_equal(netcfg_dropped(&cfg)->num, 8);
	assert_int_equal(netcfg_apply(&cfg, &id, &(struct netcfg_result){ 0 }),
			 -ENODEV);
	assert_int_equal(netcfg_dropped(&cfg)->num, 0);
	netcfg_close(&cfg);
}

static void test_dropped_many(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	setup(true);
	run("for i in $(seq 1 100); do echo addr add 10.77.0.$i/24 dev eth0;"
	    " done | ip -batch -");
	cfg_open();
	apply(&id);
	assert_true(netcfg_dropped(&cfg)->more);
	assert_int_equal(netcfg_dropped(&cfg)->num, NETCFG_DROPPED_MAX);
	netcfg_close(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_links),
		cmocka_unit_test(test_routes6),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_ipv6_only),
		cmocka_unit_test(test_ipv4_only),
		cmocka_unit_test(test_no_gateway),
		cmocka_unit_test(test_gateway_by_route),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_neighbours_same_mac),
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_one_link_twice),
		cmocka_unit_test(test_many_blackholes),
		cmocka_unit_test(test_dropped),
		cmocka_unit_test(test_dropped_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
