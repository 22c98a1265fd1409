// SPDX-License-Identifier: MIT
/* What a guest may say: frames written to TAPs by hand, captured elsewhere. */
#include "netns/net_frame.h"

#include <errno.h>

static void test_own_passes(void **state)
{
	struct in6_addr ll = { .s6_addr = { 0xfe, 0x80 } }, own6;
	struct frame f;
	struct lan lan;
	uint8_t *mac;

	lan_up(&lan, env_get(state), 0);
	mac = lan.ports[0].mac;
	own6 = lan.ports[0].addr6[0];
	put_eth(&f, lan.conf->mac, mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 9);
	assert_true(reaches_bridge(&lan, &f));
	put_eth(&f, broadcast, mac, ETH_P_ARP);
	put_arp(&f, 1, mac, lan.ports[0].addr4[0], lan.ports[0].addr4[0]);
	assert_true(reaches_bridge(&lan, &f));
	put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
	put_ip6(&f, &own6, &lan.conf->addr6, IPPROTO_NONE, 0);
	assert_true(reaches_bridge(&lan, &f));
	ll.s6_addr[8] = mac[0] ^ 2;
	memcpy(&ll.s6_addr[9], &mac[1], 2);
	ll.s6_addr[11] = 0xff;
	ll.s6_addr[12] = 0xfe;
	memcpy(&ll.s6_addr[13], &mac[3], 3);
	put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
	put_ip6(&f, &ll, &lan.conf->addr6, IPPROTO_NONE, 0);
	assert_true(reaches_bridge(&lan, &f));
	for (int with_mac = 0; with_mac < 2; with_mac++) {
		put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
		put_ip6(&f, &own6, &lan.conf->addr6, IPPROTO_ICMPV6,
			with_mac ? 32 : 24);
		put_nd(&f, 136, &own6, 2, with_mac ? mac : NULL);
		assert_true(reaches_bridge(&lan, &f));
		f.data[14 + 40] = 135;
		f.data[14 + 40 + 24] = 1;
		assert_true(reaches_bridge(&lan, &f));
	}
	lan_down(&lan);
}

static void test_foreign_mac(void **state)
{
	static const uint8_t parent[6] = { 0x02, 1, 2, 3, 4, 5 };
	struct frame f;
	struct lan lan;

	lan_up(&lan, env_get(state), 0);
	for (int i = 0; i < 2; i++) {
		put_eth(&f, broadcast, i ? lan.ports[1].mac : parent, ETH_P_IP);
		put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 9);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, i ? lan.ports[1].mac : parent,
			ETH_P_ARP);
		put_arp(&f, 1, lan.ports[0].mac, lan.ports[0].addr4[0],
			lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
	}
	lan_down(&lan);
}

static void test_foreign_ip(void **state)
{
	struct in6_addr any = IN6ADDR_ANY_INIT, other = { 0 };
	const struct in_addr zero = { 0 };
	struct frame f;
	struct lan lan;
	uint8_t *mac;

	lan_up(&lan, env_get(state), 0);
	mac = lan.ports[0].mac;
	for (int i = 0; i < 3; i++) {
		put_eth(&f, lan.conf->mac, mac, ETH_P_IP);
		put_ip4(&f,
			i == 0	 ? lan.ports[1].addr4[0]
			: i == 1 ? lan.conf->addr4
				 : zero,
			lan.conf->addr4, 0xaaaa, 9);
		assert_false(reaches_bridge(&lan, &f));
	}
	other.s6_addr[0] = 0xfe;
	other.s6_addr[1] = 0x80;
	other.s6_addr[15] = 1;
	for (int i = 0; i < 4; i++) {
		put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
		put_ip6(&f,
			i == 0	 ? &lan.ports[1].addr6[0]
			: i == 1 ? &lan.conf->addr6
			: i == 2 ? &any
				 : &other,
			&lan.conf->addr6, IPPROTO_NONE, 0);
		assert_false(reaches_bridge(&lan, &f));
	}
	lan_down(&lan);
}

static void test_forged_arp(void **state)
{
	struct net_port *me, *sibling;
	struct frame f;
	struct lan lan;

	lan_up(&lan, env_get(state), 0);
	me = &lan.ports[0];
	sibling = &lan.ports[1];
	for (int op = 1; op <= 2; op++) {
		put_eth(&f, broadcast, me->mac, ETH_P_ARP);
		put_arp(&f, op, me->mac, sibling->addr4[0], lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, me->mac, ETH_P_ARP);
		put_arp(&f, op, me->mac, lan.conf->addr4, lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, me->mac, ETH_P_ARP);
		put_arp(&f, op, sibling->mac, me->addr4[0], lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
	}
	put_eth(&f, broadcast, me->mac, ETH_P_ARP);
	put_arp(&f, 3, me->mac, me->addr4[0], me->addr4[0]); /* RARP */
	assert_false(reaches_bridge(&lan, &f));
	lan_down(&lan);
}

static bool nd_passes(struct lan *lan, uint8_t type,
		      const struct in6_addr *target, uint8_t option,
		      const uint8_t *option_mac)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(&f, &lan->ports[0].addr6[0], &lan->conf->addr6, IPPROTO_ICMPV6,
		option_mac ? 32 : 24);
	put_nd(&f, type, target, option, option_mac);
	return reaches_bridge(lan, &f);
}

static void test_forged_nd(void **state)
{
	const struct in6_addr *own6, *sibling6;
	const uint8_t *mac, *sibling;
	struct frame f;
	struct lan lan;

	lan_up(&lan, env_get(state), 0);
	mac = lan.ports[0].mac;
	sibling = lan.ports[1].mac;
	own6 = &lan.ports[0].addr6[0];
	sibling6 = &lan.ports[1].addr6[0];
	/* another's address, with and without an option */
	assert_false(nd_passes(&lan, 136, sibling6, 2, mac));
	assert_false(nd_passes(&lan, 136, sibling6, 2, NULL));
	assert_false(nd_passes(&lan, 136, &lan.conf->addr6, 2, mac));
	/* another's MAC in the option, or an option of another type first */
	assert_false(nd_passes(&lan, 136, own6, 2, sibling));
	assert_false(nd_passes(&lan, 135, &lan.conf->addr6, 1, sibling));
	assert_false(nd_passes(&lan, 135, &lan.conf->addr6, 14, mac));
	/* a second option hides behind the first */
	put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
	put_ip6(&f, own6, &lan.conf->addr6, IPPROTO_ICMPV6, 40);
	put_nd(&f, 136, own6, 2, mac);
	put16(&f, 0x0201);
	put(&f, sibling, 6);
	assert_false(reaches_bridge(&lan, &f));
	/* behind an extension header: destination options, 8 bytes */
	put_eth(&f, lan.conf->mac, mac, ETH_P_IPV6);
	put_ip6(&f, own6, &lan.conf->addr6, IPPROTO_DSTOPTS, 40);
	put(&f, "\x3a\x00\x01\x04\x00\x00\x00\x00", 8);
	put_nd(&f, 136, sibling6, 2, mac);
	assert_false(reaches_bridge(&lan, &f));
	/* a router's messages */
	assert_false(nd_passes(&lan, 133, own6, 1, NULL));
	assert_false(nd_passes(&lan, 134, own6, 1, NULL));
	assert_false(nd_passes(&lan, 137, own6, 2, mac));
	lan_down(&lan);
}

static void test_other_protocols(void **state)
{
	static const uint16_t types[] = { 0x88cc, 0x888e, 0x8863, 0x0026 };
	static const uint16_t tags[] = { ETH_P_8021Q, ETH_P_8021AD };
	struct frame f;
	struct lan lan;
	uint8_t *mac;

	lan_up(&lan, env_get(state), 0);
	mac = lan.ports[0].mac;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		put_eth(&f, broadcast, mac, types[i]);
		put(&f, (uint8_t[46]){ 0 }, 46);
		assert_false(reaches_bridge(&lan, &f));
	}
	/* VLANs, priority tags too, with what would pass without a tag */
	for (size_t i = 0; i < ARRAY_SIZE(tags) * 2; i++) {
		put_eth(&f, lan.conf->mac, mac, tags[i / 2]);
		put16(&f, i % 2 ? 5 : 0);
		put16(&f, ETH_P_IP);
		put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 9);
		assert_false(reaches_bridge(&lan, &f));
	}
	/* a DHCP server */
	put_eth(&f, broadcast, mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 67);
	assert_false(reaches_bridge(&lan, &f));
	lan_down(&lan);
}

static void test_verify(void **state)
{
	struct env *env = env_get(state);
	struct frame f;
	struct lan lan;

	lan_up(&lan, env, 0);
	/* the right address from a wrong MAC does not count */
	put_eth(&f, lan.conf->mac, lan.ports[1].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 9);
	frame_send(lan.fds[0], &f);
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_false(lan.ports[0].verified);
	assert_false(lan.ports[1].verified);
	put_eth(&f, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.conf->addr4, 0xaaaa, 9);
	assert_true(reaches_bridge(&lan, &f));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_true(lan.ports[0].verified);
	assert_false(lan.ports[1].verified);
	/* attached anew, it must speak anew */
	assert_ok(env, net_ports_attach(lan.net, lan.ports, 1, &env->err));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_false(lan.ports[0].verified);
	lan_down(&lan);
}

/*
 * Somebody flushed the ruleset, and repair does not come to its end: ports are
 * not found, for their leases are unreadable. They say nothing meanwhile, and
 * the next one who opens the network puts them back.
 */
static void test_repair_fails(void **state)
{
	struct env *env = env_get(state);
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	__close int dir_fd = -1;
	struct frame forged, own;
	struct net *again;
	struct lan lan;

	lan_up(&lan, env, 0);
	put_eth(&forged, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&forged, lan.ports[1].addr4[0], lan.conf->addr4, 0xaaaa, 9);
	put_eth(&own, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&own, lan.ports[0].addr4[0], lan.conf->addr4, 0xbbbb, 9);
	assert_int_equal(nft_run_cmd_from_buffer(ctx, "flush ruleset"), 0);
	nft_ctx_free(ctx);
	dir_fd = openat(env->state_fd, "lan", O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(renameat(dir_fd, "leases.json", dir_fd, "kept"), 0);
	assert_ok(env, vf_write_file(dir_fd, "leases.json", "?", 1, false,
				     &env->err));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			net_open(&again, env->state_fd, "lan", &env->err),
			-EBADMSG);
		frame_send(lan.fds[0], &forged);
	}
	assert_int_equal(renameat(dir_fd, "kept", dir_fd, "leases.json"), 0);
	assert_ok(env, net_open(&again, env->state_fd, "lan", &env->err));
	net_close(again);
	/* the first that the bridge sees */
	assert_false(reaches_bridge(&lan, &forged));
	assert_true(reaches_bridge(&lan, &own));
	lan_down(&lan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_own_passes), env_test(test_foreign_mac),
		env_test(test_foreign_ip), env_test(test_forged_arp),
		env_test(test_forged_nd),  env_test(test_other_protocols),
		env_test(test_verify),	   env_test(test_repair_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
