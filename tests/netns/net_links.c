// SPDX-License-Identifier: MIT
/* Identities asked for by hand, on the wire; one VM on two networks. */
#include "netns/net_frame.h"

#include <errno.h>

static bool passes4(struct lan *lan, struct in_addr src)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IP);
	put_ip4(&f, src, lan->conf->addr4, 0xaaaa, 9);
	return reaches_bridge(lan, &f);
}

static bool passes_arp(struct lan *lan, struct in_addr src)
{
	struct frame f;

	put_eth(&f, broadcast, lan->ports[0].mac, ETH_P_ARP);
	put_arp(&f, 1, lan->ports[0].mac, src, lan->conf->addr4);
	return reaches_bridge(lan, &f);
}

static bool passes6(struct lan *lan, const struct in6_addr *src)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(&f, src, &lan->conf->addr6, IPPROTO_NONE, 0);
	return reaches_bridge(lan, &f);
}

static bool passes_nd(struct lan *lan, const struct in6_addr *target)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(&f, &lan->ports[0].addr6[0], &lan->conf->addr6, IPPROTO_ICMPV6,
		24);
	put_nd(&f, 136, target, 2, NULL);
	return reaches_bridge(lan, &f);
}

/* The network's subnets are free ones: the wish is made once they are known. */
static void wish_make(struct env *env, struct net_wish *wish)
{
	struct net_conf conf = { .name = "lan" };
	char text[INET6_ADDRSTRLEN];

	*wish = (struct net_wish){ 0 };
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_remove(env->state_fd, "lan", &env->err));
	for (int i = 0; i < 2; i++) {
		conf.addr4.s_addr = (conf.addr4.s_addr & htonl(0xffff0000)) |
				    htonl(0x0707 + i);
		inet_ntop(AF_INET, &conf.addr4, text, sizeof(text));
		assert_int_equal(net_wish_addr(wish, text), 0);
	}
	assert_int_equal(net_wish_mac(wish, "06:01:02:03:04:05"), 0);
}

static void test_by_hand(void **state)
{
	struct env *env = env_get(state);
	struct net_wish wish;
	struct net_port *port;
	struct in6_addr stranger6;
	struct in_addr stranger;
	struct lan lan;

	wish_make(env, &wish);
	lan_up_wish(&lan, env, 0, &wish);
	port = &lan.ports[0];
	assert_int_equal(port->num_addr4, 2);
	assert_int_equal(port->mac[0], 6);
	/* the second address alone shows that the port is itself */
	assert_true(passes_arp(&lan, port->addr4[1]));
	assert_true(passes4(&lan, port->addr4[1]));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_true(port->verified);
	assert_false(lan.ports[1].verified);
	assert_true(passes_arp(&lan, port->addr4[0]));
	assert_true(passes4(&lan, port->addr4[0]));
	assert_true(passes6(&lan, &port->addr6[0]));
	assert_true(passes_nd(&lan, &port->addr6[0]));

	stranger.s_addr = port->addr4[1].s_addr + htonl(1);
	assert_false(passes4(&lan, stranger));
	assert_false(passes_arp(&lan, stranger));
	stranger6 = port->addr6[0];
	stranger6.s6_addr[14]++;
	assert_false(passes6(&lan, &stranger6));
	assert_false(passes_nd(&lan, &stranger6));
	lan_down(&lan);
}

static void test_ipv6_only(void **state)
{
	struct env *env = env_get(state);
	const struct net_wish wish = { .no_ipv4 = true };
	struct in_addr addr;
	struct lan lan;

	lan_up_wish(&lan, env, 0, &wish);
	assert_int_equal(lan.ports[0].num_addr4, 0);
	assert_true(passes6(&lan, &lan.ports[0].addr6[0]));
	/* neither any address nor what the pool would have given */
	addr.s_addr = lan.conf->addr4.s_addr + htonl(1);
	assert_false(passes4(&lan, addr));
	assert_false(passes_arp(&lan, addr));
	addr.s_addr = 0;
	assert_false(passes_arp(&lan, addr));
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_true(lan.ports[0].verified);
	lan_down(&lan);
}

static void test_ipv4_only(void **state)
{
	struct env *env = env_get(state);
	const struct net_wish wish = { .no_ipv6 = true };
	struct in6_addr addr;
	struct lan lan;

	lan_up_wish(&lan, env, 0, &wish);
	assert_int_equal(lan.ports[0].num_addr6, 0);
	assert_true(passes4(&lan, lan.ports[0].addr4[0]));
	addr = lan.ports[1].addr6[0];
	assert_false(passes6(&lan, &addr));
	addr.s6_addr[15]--; /* what the pool would have given */
	assert_false(passes6(&lan, &addr));
	lan_down(&lan);
}

static bool is_alive(const char *owner, void *ctx)
{
	(void)owner;
	return *(bool *)ctx;
}

struct two {
	struct env *env;
	struct net *net[2];
	struct net_port port[2];
	int fd[2];
};

static void two_up(struct two *two, struct env *env)
{
	static const char *const names[] = { "one", "two" };

	two->env = env;
	for (int i = 0; i < 2; i++) {
		struct net_conf conf = { 0 };

		strcpy(conf.name, names[i]);
		assert_ok(env, net_create(env->state_fd, &conf, &env->err));
		assert_ok(env, net_open(&two->net[i], env->state_fd, names[i],
					&env->err));
		two->port[i] = (struct net_port){ .owner = "vm" };
		assert_ok(env, net_ports_lease(two->net[i], NULL, &two->port[i],
					       1, &env->err));
		two->fd[i] = net_port_open(&two->port[i], &env->err);
		assert_true(two->fd[i] >= 0);
		assert_ok(env, net_ports_attach(two->net[i], &two->port[i], 1,
						&env->err));
	}
}

static bool is_on(const struct net_port *port, const char *bridge)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "ip -o link show dev %s | grep -q ' master %s '", port->tap,
		 bridge);
	return system(command) == 0;
}

/* One owner with a lease, a TAP and an alias on each of two networks. */
static void test_two_networks(void **state)
{
	struct env *env = env_get(state);
	__json json_t *removed = json_array();
	bool alive = true;
	struct net *again;
	struct two two;

	two_up(&two, env);
	assert_memory_not_equal(two.port[0].mac, two.port[1].mac, 6);
	assert_ok(env,
		  net_gc(env->state_fd, is_alive, &alive, removed, &env->err));
	assert_int_equal(json_array_size(removed), 0);

	/* a bridge that was lost gets its own port back, not the other's */
	assert_int_equal(system("ip link del vfb-two"), 0);
	assert_ok(env, net_open(&again, env->state_fd, "two", &env->err));
	net_close(again);
	assert_true(is_on(&two.port[0], "vfb-one"));
	assert_true(is_on(&two.port[1], "vfb-two"));

	alive = false;
	assert_ok(env,
		  net_gc(env->state_fd, is_alive, &alive, removed, &env->err));
	assert_true(json_array_size(removed) >= 4);
	for (int i = 0; i < 2; i++) {
		close(two.fd[i]);
		net_close(two.net[i]);
	}
	assert_ok(env, net_remove(env->state_fd, "one", &env->err));
	assert_ok(env, net_remove(env->state_fd, "two", &env->err));
	env_check_clean(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_by_hand),
		env_test(test_ipv6_only),
		env_test(test_ipv4_only),
		env_test(test_two_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
