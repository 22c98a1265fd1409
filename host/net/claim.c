// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/claim.h"
#include "net/pool.h"
#include "net/record.h"

/* Its own, the MAC's, and one of each address. */
#define INDICES_PER_PORT (2 + 2 * NET_ADDRS_MAX)

static int refuse(const struct net_conf *conf, const char *text,
		  const char *why, struct vf_err *err)
{
	return vf_err_set(err, EINVAL, "network %s: %s: %s", conf->name, text,
			  why);
}

static int mac_check(const struct net_conf *conf, const uint8_t mac[6],
		     struct vf_err *err)
{
	static const uint8_t zero[6];
	char text[MAC_TEXT_SIZE];

	mac_format(text, mac);
	if (mac[0] & 1)
		return refuse(conf, text, "is a multicast address", err);
	if (!memcmp(mac, zero, sizeof(zero)))
		return refuse(conf, text, "is no address", err);
	if (!memcmp(mac, conf->mac, sizeof(conf->mac)))
		return refuse(conf, text, "is the gateway's", err);
	return 0;
}

static int outside(const struct net_conf *conf, int family, const char *text,
		   struct vf_err *err)
{
	bool is4 = family == AF_INET;
	char gateway[INET6_ADDRSTRLEN];

	inet_ntop(family, is4 ? (void *)&conf->addr4 : (void *)&conf->addr6,
		  gateway, sizeof(gateway));
	return vf_err_set(err, EINVAL,
			  "network %s: %s: is not in its subnet, that of %s/%u",
			  conf->name, text, gateway,
			  is4 ? conf->prefix4 : conf->prefix6);
}

static int addr4_check(const struct net_conf *conf, struct in_addr addr,
		       struct vf_err *err)
{
	uint32_t host = pool_host4(conf, addr);
	char text[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &addr, text, sizeof(text));
	if (!net_contains(conf, net_addr_map(addr)))
		return outside(conf, AF_INET, text, err);
	if (addr.s_addr == conf->addr4.s_addr)
		return refuse(conf, text, "is the gateway's", err);
	if (!host)
		return refuse(conf, text, "is the subnet's own address", err);
	if (host > pool_last(conf))
		return refuse(conf, text, "is the broadcast address", err);
	return 0;
}

static int addr6_check(const struct net_conf *conf, struct in6_addr addr,
		       struct vf_err *err)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(AF_INET6, &addr, text, sizeof(text));
	if (!net_contains(conf, addr))
		return outside(conf, AF_INET6, text, err);
	if (IN6_ARE_ADDR_EQUAL(&addr, &conf->addr6))
		return refuse(conf, text, "is the gateway's", err);
	/* the routers' anycast address (RFC 4291, section 2.6.1) */
	if (!addr.s6_addr32[2] && !addr.s6_addr32[3])
		return refuse(conf, text, "is the subnet's own address", err);
	return 0;
}

static int prefix_check(const struct net_conf *conf, int family,
			unsigned int prefix, struct vf_err *err)
{
	unsigned int own = family == AF_INET ? conf->prefix4 : conf->prefix6;

	if (prefix == own)
		return 0;
	return vf_err_set(
		err, EINVAL, "network %s: %s prefix length %u: is not its, %u",
		conf->name, family == AF_INET ? "IPv4" : "IPv6", prefix, own);
}

int claim_check(const struct net_conf *conf, const struct net_port *port,
		struct vf_err *err)
{
	int ret = mac_check(conf, port->mac, err);

	if (!ret && port->num_addr4)
		ret = prefix_check(conf, AF_INET, port->prefix4, err);
	if (!ret && port->num_addr6)
		ret = prefix_check(conf, AF_INET6, port->prefix6, err);
	for (unsigned int i = 0; !ret && i < port->num_addr4; i++)
		ret = addr4_check(conf, port->addr4[i], err);
	for (unsigned int i = 0; !ret && i < port->num_addr6; i++)
		ret = addr6_check(conf, port->addr6[i], err);
	return ret;
}

static bool has_addr4(const struct net_port *port, struct in_addr addr)
{
	return net_port_has(port, net_addr_map(addr));
}

/* What two ports have in common, as text; or NULL. */
static const char *common(const struct net_port *a, const struct net_port *b,
			  char text[INET6_ADDRSTRLEN])
{
	if (!memcmp(a->mac, b->mac, sizeof(a->mac))) {
		mac_format(text, a->mac);
		return text;
	}
	for (unsigned int i = 0; i < a->num_addr4; i++)
		if (has_addr4(b, a->addr4[i]))
			return inet_ntop(AF_INET, &a->addr4[i], text,
					 INET6_ADDRSTRLEN);
	for (unsigned int i = 0; i < a->num_addr6; i++)
		if (net_port_has(b, a->addr6[i]))
			return inet_ntop(AF_INET6, &a->addr6[i], text,
					 INET6_ADDRSTRLEN);
	return NULL;
}

int claim_conflict(const struct net_conf *conf, const struct leases *leases,
		   const struct net_port *port, struct vf_err *err)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < leases->num; i++) {
		const struct net_port *other = &leases->ports[i];

		if (strcmp(other->owner, port->owner) &&
		    common(other, port, text))
			return vf_err_set(err, EADDRINUSE,
					  "network %s: %s: is leased to %s",
					  conf->name, text, other->owner);
	}
	return 0;
}

bool claim_is_by_hand(const struct net_conf *conf, const struct net_port *port)
{
	struct net_port given = *port;

	pool_fill(conf, &given);
	return memcmp(port->mac, given.mac, sizeof(port->mac)) ||
	       port->num_addr4 != 1 || port->num_addr6 != 1 ||
	       port->addr4[0].s_addr != given.addr4[0].s_addr ||
	       !IN6_ARE_ADDR_EQUAL(&port->addr6[0], &given.addr6[0]);
}

/* Whatever the pool would make of these indices has something of the port. */
static unsigned int indices_of(const struct net_conf *conf,
			       const struct net_port *port,
			       uint32_t indices[INDICES_PER_PORT])
{
	unsigned int num = 0;

	indices[num++] = port->index;
	if (!memcmp(port->mac, conf->mac, 3))
		indices[num++] = (uint32_t)port->mac[3] << 16 |
				 port->mac[4] << 8 | port->mac[5];
	for (unsigned int i = 0; i < port->num_addr4; i++)
		indices[num++] = pool_host4(conf, port->addr4[i]);
	for (unsigned int i = 0; i < port->num_addr6; i++)
		if (!port->addr6[i].s6_addr32[2])
			indices[num++] = ntohl(port->addr6[i].s6_addr32[3]);
	return num;
}

static int index_compare(const void *a, const void *b)
{
	uint32_t index_a = *(const uint32_t *)a;
	uint32_t index_b = *(const uint32_t *)b;

	return index_a < index_b ? -1 : index_a > index_b;
}

int claimed_init(struct claimed *claimed, const struct net_conf *conf,
		 const struct leases *leases, unsigned int more)
{
	size_t all = 0, num = 0;
	uint32_t *indices;

	indices = calloc(leases->num * INDICES_PER_PORT + more + 1,
			 sizeof(*indices));
	if (!indices)
		return -ENOMEM;
	for (size_t i = 0; i < leases->num; i++)
		all += indices_of(conf, &leases->ports[i], &indices[all]);
	qsort(indices, all, sizeof(*indices), index_compare);
	for (size_t i = 0; i < all; i++)
		if (!num || indices[num - 1] != indices[i])
			indices[num++] = indices[i];
	*claimed = (struct claimed){ .indices = indices, .num = num };
	return 0;
}

void claimed_exit(struct claimed *claimed)
{
	free(claimed->indices);
	claimed->indices = NULL;
	claimed->num = 0;
}

void claimed_add(struct claimed *claimed, uint32_t index)
{
	size_t at = claimed->num++;

	for (; at > 0 && claimed->indices[at - 1] > index; at--)
		claimed->indices[at] = claimed->indices[at - 1];
	claimed->indices[at] = index;
}

bool claimed_has(const struct claimed *claimed, uint32_t index)
{
	return claimed->num && bsearch(&index, claimed->indices, claimed->num,
				       sizeof(index), index_compare);
}
