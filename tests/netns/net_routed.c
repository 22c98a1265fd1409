// SPDX-License-Identifier: MIT
/*
 * Routed networks: what a guest may say, and who meets whom. What the host took
 * from a port is counted behind the pins, by a table of the test's own.
 */
#include "netns/net_frame.h"

#include <errno.h>

#define PROBE	   "probe"
#define GRATUITOUS 2 /* ARP reply */

static const char probe[] =
	"table inet " PROBE " { counter taken { }\n"
	"chain c { type filter hook prerouting priority -200; }\n}\n"
	"table arp " PROBE " { counter taken { }\n"
	"chain c { type filter hook input priority 1; }\n}\n"
	"add rule inet " PROBE " c meta iifkind \"tun\" counter name taken\n"
	"add rule arp " PROBE " c iifgroup 7761254 counter name taken\n";

static void nft(const char *command)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	assert_non_null(ctx);
	assert_int_equal(nft_run_cmd_from_buffer(ctx, command), 0);
	nft_ctx_free(ctx);
}

static json_int_t taken(void)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	json_int_t packets = 0;
	__json json_t *root = NULL;
	json_t *part;
	size_t i;

	assert_non_null(ctx);
	nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON);
	nft_ctx_buffer_output(ctx);
	assert_int_equal(nft_run_cmd_from_buffer(ctx, "list counters"), 0);
	root = json_loads(nft_ctx_get_output_buffer(ctx), 0, NULL);
	nft_ctx_free(ctx);
	json_array_foreach(json_object_get(root, "nftables"), i, part)
		packets += json_integer_value(json_object_get(
			json_object_get(part, "counter"), "packets"));
	return packets;
}

static void routed_up(struct lan *lan, struct env *env, int flags)
{
	lan_up(lan, env, LAN_ROUTED | flags);
	nft(probe);
}

static void routed_down(struct lan *lan)
{
	nft("delete table inet " PROBE "\ndelete table arp " PROBE "\n");
	lan_down(lan);
}

/* Does a frame of port 0 come past the pins? One follows it that does. */
static bool passes(struct lan *lan, const struct frame *frame)
{
	json_int_t before = taken(), after;
	struct frame mark;

	frame_send(lan->fds[0], frame);
	mark_build(lan, &mark);
	frame_send(lan->fds[0], &mark);
	/* a packet is handled before write() returns */
	after = taken();
	assert_in_range(after - before, 1, 2);
	return after - before == 2;
}

static bool passes4(struct lan *lan, const uint8_t *mac, struct in_addr src)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, mac, ETH_P_IP);
	put_ip4(&f, src, lan->conf->addr4, 0xaaaa, 9);
	return passes(lan, &f);
}

static bool passes6(struct lan *lan, const uint8_t *mac, struct in6_addr src)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, mac, ETH_P_IPV6);
	put_ip6(&f, &src, &lan->conf->addr6, IPPROTO_NONE, 0);
	return passes(lan, &f);
}

static bool passes_arp(struct lan *lan, const uint8_t *mac, uint16_t op,
		       const uint8_t *sha, struct in_addr spa)
{
	struct frame f;

	put_eth(&f, broadcast, mac, ETH_P_ARP);
	put_arp(&f, op, sha, spa, spa);
	return passes(lan, &f);
}

static bool passes_nd(struct lan *lan, uint8_t type,
		      const struct in6_addr *target, uint8_t option,
		      const uint8_t *option_mac)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(&f, &lan->ports[0].addr6[0], &lan->conf->addr6, IPPROTO_ICMPV6,
		option_mac ? 32 : 24);
	put_nd(&f, type, target, option, option_mac);
	return passes(lan, &f);
}

static void test_own_passes(void **state)
{
	struct net_port *me;
	struct lan lan;

	routed_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	assert_true(passes4(&lan, me->mac, me->addr4[0]));
	assert_true(passes6(&lan, me->mac, me->addr6[0]));
	assert_true(passes_arp(&lan, me->mac, 1, me->mac, me->addr4[0]));
	assert_true(
		passes_arp(&lan, me->mac, GRATUITOUS, me->mac, me->addr4[0]));
	assert_true(passes_nd(&lan, 136, &me->addr6[0], 2, me->mac));
	assert_true(passes_nd(&lan, 135, &lan.conf->addr6, 1, me->mac));
	routed_down(&lan);
}

/* The parent's MAC, with its own address and with that of a fork. */
static void test_foreign_mac(void **state)
{
	static const uint8_t parent[6] = { 0x02, 1, 2, 3, 4, 5 };
	struct net_port *me;
	struct lan lan;

	routed_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	for (int i = 0; i < 2; i++) {
		const uint8_t *mac = i ? lan.ports[1].mac : parent;

		assert_false(passes4(&lan, mac, me->addr4[0]));
		assert_false(passes6(&lan, mac, me->addr6[0]));
		assert_false(passes_arp(&lan, mac, 1, me->mac, me->addr4[0]));
		assert_false(passes_arp(&lan, me->mac, 1, mac, me->addr4[0]));
	}
	routed_down(&lan);
}

/* Another's address under any MAC, the parent's among them, goes nowhere. */
static void test_foreign_ip(void **state)
{
	struct in6_addr addrs6[3] = { { .s6_addr = { 0xfe, 0x80, [15] = 1 } } };
	struct in_addr addrs4[4] = { { 0 } };
	struct net_port *me;
	struct lan lan;

	routed_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	addrs4[1] = lan.ports[1].addr4[0];
	addrs4[2] = lan.conf->addr4;
	/* nobody's: a parent's that was here before */
	addrs4[3].s_addr = me->addr4[0].s_addr ^ htonl(0x700);
	for (size_t i = 0; i < ARRAY_SIZE(addrs4); i++) {
		assert_false(passes4(&lan, me->mac, addrs4[i]));
		assert_false(passes4(&lan, lan.ports[1].mac, addrs4[i]));
		for (int op = 1; op <= GRATUITOUS; op++)
			assert_false(passes_arp(&lan, me->mac, op, me->mac,
						addrs4[i]));
	}
	addrs6[1] = lan.ports[1].addr6[0];
	addrs6[2] = lan.conf->addr6;
	for (size_t i = 0; i < ARRAY_SIZE(addrs6); i++) {
		assert_false(passes6(&lan, me->mac, addrs6[i]));
		assert_false(passes_nd(&lan, 136, &addrs6[i], 2, me->mac));
	}
	assert_false(passes_nd(&lan, 136, &me->addr6[0], 2, lan.ports[1].mac));
	for (int type = 133; type <= 137; type += type == 134 ? 3 : 1)
		assert_false(passes_nd(&lan, type, &me->addr6[0], 1, NULL));
	routed_down(&lan);
}

static void test_other_protocols(void **state)
{
	static const uint16_t types[] = { 0x88cc, 0x888e, 0x8863, 0x0026 };
	struct net_port *me;
	struct frame f;
	struct lan lan;

	routed_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		put_eth(&f, lan.conf->mac, me->mac, types[i]);
		put(&f, (uint8_t[46]){ 0 }, 46);
		assert_false(passes(&lan, &f));
	}
	/* a VLAN, and a priority tag with what is not its own behind it */
	for (int i = 0; i < 2; i++) {
		put_eth(&f, lan.conf->mac, me->mac, ETH_P_8021Q);
		put16(&f, i ? 0 : 5);
		put16(&f, ETH_P_IP);
		put_ip4(&f, lan.ports[i].addr4[0], lan.conf->addr4, 0xaaaa, 9);
		assert_false(passes(&lan, &f));
	}
	put_eth(&f, broadcast, me->mac, ETH_P_IP);
	put_ip4(&f, me->addr4[0], lan.conf->addr4, 0xaaaa, 67);
	assert_false(passes(&lan, &f));
	routed_down(&lan);
}

/* The gateway answers on each TAP, under the MAC that guests know. */
static void test_gateway_answers(void **state)
{
	struct net_port *me;
	uint8_t data[2048];
	struct frame f;
	struct lan lan;
	size_t len;

	routed_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	put_eth(&f, broadcast, me->mac, ETH_P_ARP);
	put_arp(&f, 1, me->mac, me->addr4[0], lan.conf->addr4);
	frame_send(lan.fds[0], &f);
	do
		len = frame_receive(lan.fds[0], VNET_HDR_SIZE, data);
	while (len < 42 || data[12] != 8 || data[13] != 6);
	assert_memory_equal(data + 22, lan.conf->mac, 6);
	assert_memory_equal(data + 28, &lan.conf->addr4, 4);
	put_eth(&f, lan.conf->mac, me->mac, ETH_P_IPV6);
	put_ip6(&f, &me->addr6[0], &lan.conf->addr6, IPPROTO_ICMPV6, 24);
	put_nd(&f, 135, &lan.conf->addr6, 0, NULL);
	f.data[14 + 40 + 2] = 0;
	{
		/* checked by the kernel, other than by the pins */
		uint8_t sum[40 + 24] = { 0 };
		uint16_t value;

		memcpy(sum, f.data + 14 + 8, 32);
		sum[35] = 24;
		sum[39] = IPPROTO_ICMPV6;
		memset(f.data + 14 + 40 + 4, 0, 4);
		memcpy(sum + 40, f.data + 14 + 40, 24);
		value = htons(checksum(sum, sizeof(sum)));
		memcpy(f.data + 14 + 40 + 2, &value, 2);
	}
	frame_send(lan.fds[0], &f);
	do
		len = frame_receive(lan.fds[0], VNET_HDR_SIZE, data);
	while (len < 78 || data[12] != 0x86 || data[14 + 40] != 136);
	assert_memory_equal(data + 6, lan.conf->mac, 6);
	assert_memory_equal(data + 14 + 40 + 8, &lan.conf->addr6, 16);
	routed_down(&lan);
}

static void siblings_try(struct env *env, bool open)
{
	struct frame f;
	struct lan lan;

	lan_up(&lan, env, LAN_ROUTED | (open ? LAN_OPEN : 0));
	ip_forward();
	put_eth(&f, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.ports[1].addr4[0], 0xbbbb, 9);
	assert_int_equal(reaches_sibling(&lan, &f), open);
	/* a sibling's MAC, or everybody's, is no way there */
	memcpy(f.data, lan.ports[1].mac, 6);
	assert_false(reaches_sibling(&lan, &f));
	memcpy(f.data, broadcast, 6);
	assert_false(reaches_sibling(&lan, &f));
	lan_down(&lan);
}

static void test_siblings_closed(void **state)
{
	siblings_try(env_get(state), false);
}

static void test_siblings_open(void **state)
{
	siblings_try(env_get(state), true);
}

/* Without rules the host's routes still tell whose address is whose. */
static void test_rules_lost(void **state)
{
	struct env *env = env_get(state);
	__free char *rules = NULL, *rules_after = NULL;
	struct net *again;
	struct lan lan;

	lan_up(&lan, env, LAN_ROUTED);
	rules = env_rules();
	nft("flush ruleset");
	/* as a packet that the host takes for itself */
	nft("table inet " PROBE " { counter taken { }\n"
	    "chain c { type filter hook input priority 0; }\n}\n"
	    "add rule inet " PROBE
	    " c meta iifkind \"tun\" counter name taken\n");
	assert_true(passes4(&lan, lan.ports[0].mac, lan.ports[0].addr4[0]));
	assert_false(passes4(&lan, lan.ports[0].mac, lan.ports[1].addr4[0]));
	nft("flush ruleset");
	assert_ok(env, net_open(&again, env->state_fd, "lan", &env->err));
	net_close(again);
	rules_after = env_rules();
	assert_string_equal(rules_after, rules);
	nft(probe);
	assert_false(passes4(&lan, lan.ports[0].mac, lan.ports[1].addr4[0]));
	routed_down(&lan);
}

/* A route that somebody else has made stays, and the port has none. */
static void test_route_foreign(void **state)
{
	char addr[INET_ADDRSTRLEN];
	struct env *env = env_get(state);
	struct lan lan;

	routed_up(&lan, env, 0);
	inet_ntop(AF_INET, &lan.ports[0].addr4[0], addr, sizeof(addr));
	setenv("addr", addr, 1);
	setenv("tap", lan.ports[0].tap, 1);
	/* its own is no obstacle */
	assert_ok(env, net_ports_attach(lan.net, lan.ports, 2, &env->err));
	assert_int_equal(system("ip route replace $addr/32 dev lo"), 0);
	assert_int_equal(net_ports_attach(lan.net, lan.ports, 2, &env->err),
			 -EEXIST);
	assert_int_equal(system("ip route show $addr/32 | grep -q 'dev lo'"),
			 0);
	assert_int_equal(system("ip route del $addr/32 dev lo"), 0);
	assert_ok(env, net_ports_attach(lan.net, lan.ports, 2, &env->err));
	assert_int_equal(
		system("ip route show $addr/32 | grep -q \"dev $tap\""), 0);
	routed_down(&lan);
}

/* What a guest says of routers is not for the host. */
static void test_no_ra(void **state)
{
	struct lan lan;

	routed_up(&lan, env_get(state), 0);
	setenv("tap", lan.ports[0].tap, 1);
	assert_int_equal(
		system("[ $(cat /proc/sys/net/ipv6/conf/$tap/accept_ra) = 0 ]"),
		0);
	routed_down(&lan);
}

static void test_verify(void **state)
{
	struct env *env = env_get(state);
	struct lan lan;

	routed_up(&lan, env, 0);
	passes4(&lan, lan.ports[1].mac, lan.ports[0].addr4[0]);
	/* what follows a frame is of port 0 */
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_true(lan.ports[0].verified);
	assert_false(lan.ports[1].verified);
	assert_ok(env, net_ports_attach(lan.net, lan.ports, 1, &env->err));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_false(lan.ports[0].verified);
	assert_true(passes_arp(&lan, lan.ports[0].mac, GRATUITOUS,
			       lan.ports[0].mac, lan.ports[0].addr4[0]));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 1, &env->err));
	assert_true(lan.ports[0].verified);
	routed_down(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_own_passes),	env_test(test_foreign_mac),
		env_test(test_foreign_ip),	env_test(test_other_protocols),
		env_test(test_gateway_answers), env_test(test_siblings_closed),
		env_test(test_siblings_open),	env_test(test_rules_lost),
		env_test(test_verify),		env_test(test_route_foreign),
		env_test(test_no_ra),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
