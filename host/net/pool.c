// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "net/pool.h"

static uint32_t prefix_mask(unsigned int prefix)
{
	return prefix ? ~0U << (32 - prefix) : 0;
}

uint32_t pool_host4(const struct net_conf *conf, struct in_addr addr)
{
	return ntohl(addr.s_addr) & ~prefix_mask(conf->prefix4);
}

static uint32_t host_part4(const struct net_conf *conf)
{
	return pool_host4(conf, conf->addr4);
}

uint32_t pool_last(const struct net_conf *conf)
{
	return ~prefix_mask(conf->prefix4) - 1;
}

bool pool_is_gateway(const struct net_conf *conf, uint32_t index)
{
	struct in6_addr addr6 = conf->addr6;

	addr6.s6_addr32[2] = 0;
	addr6.s6_addr32[3] = htonl(index);
	return index == host_part4(conf) ||
	       !memcmp(&addr6, &conf->addr6, sizeof(addr6));
}

uint32_t pool_find(const struct net_conf *conf, uint32_t cursor,
		   const uint32_t *used, size_t num)
{
	uint32_t last = pool_last(conf), index, tried;
	size_t at = 0;

	index = cursor < 1 || cursor > last ? 1 : cursor;
	for (tried = 0; tried < last; tried++) {
		while (at < num && used[at] < index)
			at++;
		if ((at == num || used[at] != index) &&
		    !pool_is_gateway(conf, index))
			return index;
		if (index++ == last) {
			index = 1;
			at = 0;
		}
	}
	return 0;
}

void pool_fill(const struct net_conf *conf, struct net_port *port)
{
	uint32_t net = ntohl(conf->addr4.s_addr) & prefix_mask(conf->prefix4);

	memcpy(port->mac, conf->mac, 3);
	port->mac[3] = port->index >> 16;
	port->mac[4] = port->index >> 8;
	port->mac[5] = port->index;
	port->num_addr4 = 1;
	port->addr4[0].s_addr = htonl(net | port->index);
	port->prefix4 = conf->prefix4;
	port->num_addr6 = 1;
	port->addr6[0] = conf->addr6;
	port->prefix6 = conf->prefix6;
	port->addr6[0].s6_addr32[2] = 0;
	port->addr6[0].s6_addr32[3] = htonl(port->index);
}

struct in6_addr net_port_addr(const struct net_port *port)
{
	if (port->num_addr4)
		return net_addr_map(port->addr4[0]);
	return port->num_addr6 ? port->addr6[0] : in6addr_any;
}

bool net_port_has(const struct net_port *port, struct in6_addr addr)
{
	if (IN6_IS_ADDR_V4MAPPED(&addr)) {
		for (unsigned int i = 0; i < port->num_addr4; i++)
			if (port->addr4[i].s_addr == addr.s6_addr32[3])
				return true;
		return false;
	}
	for (unsigned int i = 0; i < port->num_addr6; i++)
		if (IN6_ARE_ADDR_EQUAL(&port->addr6[i], &addr))
			return true;
	return false;
}

struct in6_addr pool_link_local(const uint8_t mac[6])
{
	struct in6_addr addr = { 0 };

	addr_linklocal(addr.s6_addr, mac);
	return addr;
}

bool pool_overlaps(struct in_addr a, unsigned int prefix_a, struct in_addr b,
		   unsigned int prefix_b)
{
	uint32_t mask = prefix_mask(prefix_a < prefix_b ? prefix_a : prefix_b);

	return !((ntohl(a.s_addr) ^ ntohl(b.s_addr)) & mask);
}

bool net_contains(const struct net_conf *conf, struct in6_addr addr)
{
	struct in_addr addr4 = { addr.s6_addr32[3] };

	if (IN6_IS_ADDR_V4MAPPED(&addr))
		return pool_overlaps(conf->addr4, conf->prefix4, addr4, 32);
	return !memcmp(&addr, &conf->addr6, POOL_PREFIX6 / 8);
}

static bool is_unicast4(struct in_addr addr)
{
	uint32_t first = ntohl(addr.s_addr) >> 24;

	return first != 0 && first != 127 && first < 224;
}

int pool_set_gateway(struct net_conf *conf, struct vf_err *err)
{
	const uint8_t *a6 = conf->addr6.s6_addr;
	uint32_t host;

	if (conf->prefix4 < POOL_PREFIX4_MIN ||
	    conf->prefix4 > POOL_PREFIX4_MAX)
		return vf_err_set(err, EINVAL,
				  "network %s: IPv4 prefix length %u: not %d "
				  "to %d",
				  conf->name, conf->prefix4, POOL_PREFIX4_MIN,
				  POOL_PREFIX4_MAX);
	if (conf->prefix6 != POOL_PREFIX6)
		return vf_err_set(err, EINVAL,
				  "network %s: IPv6 prefix length %u: not %d",
				  conf->name, conf->prefix6, POOL_PREFIX6);
	if (!is_unicast4(conf->addr4) || a6[0] == 0xff || a6[0] == 0xfe)
		return vf_err_set(err, EINVAL,
				  "network %s: its addresses are not those of "
				  "a subnet",
				  conf->name);
	if (!host_part4(conf))
		conf->addr4.s_addr |= htonl(1);
	host = host_part4(conf);
	if (host > pool_last(conf))
		return vf_err_set(err, EINVAL,
				  "network %s: the bridge's IPv4 address is "
				  "the broadcast address",
				  conf->name);
	if (!conf->addr6.s6_addr32[2] && !conf->addr6.s6_addr32[3])
		conf->addr6.s6_addr[15] = 1;
	conf->mac[0] = 0x02; /* locally administered, unicast */
	conf->mac[3] = host >> 16;
	conf->mac[4] = host >> 8;
	conf->mac[5] = host;
	return 0;
}
