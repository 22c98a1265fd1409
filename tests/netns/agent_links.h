/* SPDX-License-Identifier: MIT */
/* Three interfaces, of which an identity names two, and routes of every kind. */
#ifndef TESTS_AGENT_LINKS_H
#define TESTS_AGENT_LINKS_H

#include "agent_env.h"

/*
 * eth2 has an alternative to each route of the others that the identity
 * replaces. What is learned of neighbours stands for what was.
 */
static inline void setup_three(void)
{
	setup(true);
	tap_open(2);
	run("ip link set eth2 address 02:00:00:00:00:03 up");
	run("ip -batch - <<-'END'\n"
	    "addr add fd07::1/64 dev eth1\n"
	    "addr add 192.168.8.1/24 dev eth2\n"
	    "addr add fd08::1/64 dev eth2\n"
	    "route add default via 192.168.7.254 dev eth1\n"
	    "route append default via 192.168.8.254 dev eth2\n"
	    "route add 172.30.0.0/16 via 192.168.7.9 dev eth1\n"
	    "route add 172.31.0.0/16 via 192.168.7.9 dev eth1\n"
	    "route append 172.16.0.0/12 via 192.168.8.9 dev eth2\n"
	    "route add 172.29.1.1 dev eth0\n"
	    "route add 172.28.0.0/16 via 172.29.1.1 dev eth0\n"
	    "route add 172.27.0.0/16 nexthop via 10.1.0.9 dev eth0 weight 3"
	    " nexthop via 10.1.0.10 dev eth0\n"
	    "route add blackhole 198.51.100.0/24\n"
	    "route add blackhole 203.0.113.0/24\n"
	    "route append default via fd07::fe dev eth1\n"
	    "route append default via fd08::fe dev eth2\n"
	    "route append fd77::/32 via fd08::9 dev eth2 metric 5\n"
	    "route add fd78::/32 via fd07::9 dev eth1\n"
	    "route add blackhole 2001:db8:1::/48\n"
	    "route add unreachable 2001:db8:2::/48\n"
	    "route add prohibit 2001:db8:3::/48\n"
	    "neigh add 192.168.7.77 lladdr 02:ff:00:00:01:77 dev eth1\n"
	    "neigh add 192.168.8.77 lladdr 02:ff:00:00:02:77 dev eth2\n"
	    "END\n");
}

static inline void neighs_learn(void)
{
	run("for i in 0 1 2; do for a in 10.1.0.50 fd00:1::50; do "
	    "ip neigh add $a lladdr 02:aa:00:00:00:0$i dev eth$i nud stale || "
	    "exit; done; done");
}

static inline struct identity_route *route_add(struct identity_link *link,
					       bool is_ipv6, const char *dst,
					       uint8_t dst_len)
{
	struct identity_route *route = &link->routes[link->num_routes++];

	route->is_ipv6 = is_ipv6;
	route->dst_len = dst_len;
	assert_int_equal(
		inet_pton(is_ipv6 ? AF_INET6 : AF_INET, dst, route->dst), 1);
	return route;
}

static inline void route_via(struct identity_route *route, const char *gateway)
{
	route->has_gateway = true;
	assert_int_equal(inet_pton(route->is_ipv6 ? AF_INET6 : AF_INET, gateway,
				   route->gateway),
			 1);
}

static inline void route_metric(struct identity_route *route, uint32_t metric)
{
	route->has_metric = true;
	route->metric = metric;
}

static inline void route_source(struct identity_route *route,
				const char *source)
{
	route->has_source = true;
	assert_int_equal(inet_pton(route->is_ipv6 ? AF_INET6 : AF_INET, source,
				   route->source),
			 1);
}

static inline void identity_add_routes(struct identity_link *link)
{
	struct identity_route *route;

	route_via(route_add(link, false, "172.16.0.0", 12), "10.1.0.99");
	route_via(route_add(link, false, "198.51.100.0", 24), "10.66.1.1");
	route_add(link, false, "172.30.0.0", 16)->is_blackhole = true;
	route = route_add(link, false, "10.66.0.0", 16);
	route_metric(route, 50);
	route_source(route, "10.1.0.5");
	route = route_add(link, true, "fd77::", 32);
	route_via(route, "fd00:1::77");
	route_metric(route, 5);
	route_source(route, "fd00:1::5");
	route_add(link, true, "2001:db8:1::", 48)->is_blackhole = true;
	route_add(link, true, "2001:db8:2::", 48);
}

/* eth0 by its name with all there is, eth1 by its MAC with little. */
static inline struct vmfork_identity identity_two(void)
{
	struct vmfork_identity id = identity();
	struct identity_link *link = &id.link[1];

	identity_add_routes(&id.link[0]);
	id.num_links = 2;
	link->match = IDENTITY_MATCH_MAC;
	memcpy(link->match_mac, "\x02\x00\x00\x00\x00\x02", 6);
	link->has_mac = true;
	memcpy(link->mac, "\x02\x00\x00\x00\x00\x98", 6);
	link->mtu = 1300;
	link->num_addr4 = 2;
	link->addr4[0] = (struct vmfork_addr4){ { 10, 9, 0, 7 }, 24, { 0 } };
	link->addr4[1] = (struct vmfork_addr4){ { 10, 1, 0, 2 }, 32, { 0 } };
	route_via(route_add(link, false, "10.60.0.0", 16), "10.9.0.1");
	return id;
}

#endif
