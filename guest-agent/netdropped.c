// SPDX-License-Identifier: MIT
/* What an apply took from the guest. netcfg.h has the contract. */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netcfg.h"

struct addr {
	bool is_ipv6;
	int index;
	const uint8_t *bytes;
};

static bool addr_read(struct addr *addr, const struct nlmsghdr *msg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attr = netstate_attr(msg, sizeof(*ifa), IFA_LOCAL);

	/* with a peer IFA_ADDRESS is that one's; without it IPv6 has no other */
	if (!attr)
		attr = netstate_attr(msg, sizeof(*ifa), IFA_ADDRESS);
	if (!attr)
		return false;
	addr->is_ipv6 = ifa->ifa_family == AF_INET6;
	addr->index = netstate_ifindex(msg);
	addr->bytes = mnl_attr_get_payload(attr);
	return mnl_attr_get_payload_len(attr) == (addr->is_ipv6 ? 16 : 4);
}

static bool addr_is_linklocal(const struct addr *addr)
{
	return addr->is_ipv6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

/* Do they mean the same to a connection? */
static bool addr_is_same(const struct addr *addr, const uint8_t *bytes,
			 int index)
{
	return !memcmp(addr->bytes, bytes, addr->is_ipv6 ? 16 : 4) &&
	       (addr->index == index || !addr_is_linklocal(addr));
}

static bool link_gets(const struct identity_link *want,
		      const struct netcfg_link *link, const struct addr *addr)
{
	uint8_t local[16];

	if (addr->is_ipv6 && !link->has_ipv6)
		return false;
	for (unsigned int i = 0; !addr->is_ipv6 && i < want->num_addr4; i++) {
		if (addr_is_same(addr, want->addr4[i].addr, link->index))
			return true;
	}
	for (unsigned int i = 0; addr->is_ipv6 && i < want->num_addr6; i++) {
		if (addr_is_same(addr, want->addr6[i].addr, link->index))
			return true;
	}
	netcfg_linklocal(local, link->mac);
	return addr->is_ipv6 && addr_is_same(addr, local, link->index);
}

static bool index_is_named(const struct netcfg *cfg, int index)
{
	for (unsigned int i = 0; i < cfg->applied->num_links; i++) {
		if (cfg->applied_to->links[i].index == index)
			return true;
	}
	return false;
}

/* Is it still there, on a link of the mail or on one that was left alone? */
static bool addr_is_left(const struct netcfg *cfg, const struct addr *addr)
{
	const struct nlmsghdr *at = NULL;
	struct addr other;

	for (unsigned int i = 0; i < cfg->applied->num_links; i++) {
		if (link_gets(&cfg->applied->link[i],
			      &cfg->applied_to->links[i], addr))
			return true;
	}
	while ((at = netstate_next(&cfg->saved.addrs, at))) {
		if (addr_read(&other, at) && other.is_ipv6 == addr->is_ipv6 &&
		    !index_is_named(cfg, other.index) &&
		    addr_is_same(addr, other.bytes, other.index))
			return true;
	}
	return false;
}

static void dropped_add(struct netcfg_dropped *dropped, const struct addr *addr)
{
	if (dropped->num == NETCFG_DROPPED_MAX) {
		dropped->more = true;
		return;
	}
	dropped->addr[dropped->num].is_ipv6 = addr->is_ipv6;
	dropped->addr[dropped->num].index = addr->index;
	memset(dropped->addr[dropped->num].bytes, 0, 16);
	memcpy(dropped->addr[dropped->num].bytes, addr->bytes,
	       addr->is_ipv6 ? 16 : 4);
	dropped->num++;
}

const struct netcfg_dropped *netcfg_dropped(struct netcfg *cfg)
{
	const struct nlmsghdr *at = NULL;
	struct addr addr;

	if (!cfg->applied)
		return &cfg->dropped;
	while ((at = netstate_next(&cfg->saved.addrs, at))) {
		if (addr_read(&addr, at) && index_is_named(cfg, addr.index) &&
		    !addr_is_left(cfg, &addr))
			dropped_add(&cfg->dropped, &addr);
	}
	cfg->applied = NULL;
	return &cfg->dropped;
}
