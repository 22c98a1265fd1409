// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/pool.h"
#include "net/record.h"
#include "net/wish.h"

/* A prefix length that was given must be the same for all of a family. */
static int prefix_note(uint8_t *noted, const char *text, unsigned int max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < 1 || value > max)
		return -EBADMSG;
	if (*noted && *noted != value)
		return -EDOM;
	*noted = value;
	return 0;
}

int net_wish_addr(struct net_wish *wish, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	bool is4 = !strchr(text, ':');
	unsigned int *num = is4 ? &wish->num_addr4 : &wish->num_addr6;
	void *addr;
	int ret = 0;

	if (len >= sizeof(host))
		return -EBADMSG;
	if (*num == NET_ADDRS_MAX)
		return -E2BIG;
	memcpy(host, text, len);
	host[len] = '\0';
	addr = is4 ? (void *)&wish->addr4[*num] : (void *)&wish->addr6[*num];
	if (inet_pton(is4 ? AF_INET : AF_INET6, host, addr) != 1)
		return -EBADMSG;
	for (unsigned int i = 0; i < *num; i++)
		if (is4 ? wish->addr4[i].s_addr == wish->addr4[*num].s_addr
			: IN6_ARE_ADDR_EQUAL(&wish->addr6[i],
					     &wish->addr6[*num]))
			return -EEXIST;
	if (slash)
		ret = prefix_note(is4 ? &wish->prefix4 : &wish->prefix6,
				  slash + 1, is4 ? 32 : 128);
	if (!ret)
		++*num;
	return ret;
}

int net_wish_mac(struct net_wish *wish, const char *text)
{
	if (mac_parse(wish->mac, text) < 0)
		return -EBADMSG;
	wish->has_mac = true;
	return 0;
}

bool net_wish_is_personal(const struct net_wish *wish)
{
	return wish->has_mac || wish->num_addr4 || wish->num_addr6;
}

uint32_t wish_index(const struct net_conf *conf, const struct net_wish *wish)
{
	return wish && wish->num_addr4 ? pool_host4(conf, wish->addr4[0]) : 0;
}

void wish_fill(const struct net_wish *wish, struct net_port *port)
{
	if (!wish)
		return;
	if (wish->has_mac)
		memcpy(port->mac, wish->mac, sizeof(port->mac));
	if (wish->num_addr4 || wish->no_ipv4) {
		memcpy(port->addr4, wish->addr4, sizeof(port->addr4));
		port->num_addr4 = wish->num_addr4;
	}
	if (wish->num_addr6 || wish->no_ipv6) {
		memcpy(port->addr6, wish->addr6, sizeof(port->addr6));
		port->num_addr6 = wish->num_addr6;
	}
	if (wish->prefix4 || !port->num_addr4)
		port->prefix4 = wish->prefix4;
	if (wish->prefix6 || !port->num_addr6)
		port->prefix6 = wish->prefix6;
}
