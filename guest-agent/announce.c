// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "addr.h"
#include "announce.h"

#define IP6_HEADER  40
#define NA_LEN	    32 /* ICMPv6, with the link-layer address option */
#define ICMPV6	    58
#define ND_NA	    136
#define NA_OVERRIDE 0x20
#define OPT_TLLADDR 2

int announce_open(void)
{
	/* Protocol 0: it sends, and receives nothing. */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

static uint8_t *put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

static uint8_t *put_ether(uint8_t *at, const uint8_t *dst, const uint8_t *src,
			  uint16_t proto)
{
	at = put(at, dst, ETH_ALEN);
	at = put(at, src, ETH_ALEN);
	return put16(at, proto);
}

void announce_arp_frame(uint8_t *frame, const uint8_t *mac, const uint8_t *addr)
{
	static const uint8_t all[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
	static const uint8_t none[ETH_ALEN];
	uint8_t *at = put_ether(frame, all, mac, ETH_P_ARP);

	at = put16(at, 1); /* Ethernet */
	at = put16(at, ETH_P_IP);
	*at++ = ETH_ALEN;
	*at++ = 4;
	at = put16(at, 1); /* request */
	at = put(at, mac, ETH_ALEN);
	at = put(at, addr, 4);
	at = put(at, none, ETH_ALEN);
	put(at, addr, 4);
}

/* RFC 4443, section 2.3: over source, destination, length, next header, body */
static uint16_t icmp6_checksum(const uint8_t *addrs, const uint8_t *body,
			       size_t len)
{
	uint32_t sum = (uint32_t)len + ICMPV6;

	for (size_t i = 0; i < 32; i += 2)
		sum += (uint32_t)(addrs[i] << 8 | addrs[i + 1]);
	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(body[i] << 8 | body[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

void announce_na_frame(uint8_t *frame, const uint8_t *mac, const uint8_t *addr)
{
	static const uint8_t all_mac[ETH_ALEN] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
	uint8_t *ip = put_ether(frame, all_mac, mac, ETH_P_IPV6), *at = ip;
	uint8_t *body = ip + IP6_HEADER;

	memset(at, 0, IP6_HEADER + NA_LEN);
	at[0] = 0x60;
	at = put16(at + 4, NA_LEN);
	*at++ = ICMPV6;
	*at++ = 255; /* a router's hop would make it less: none is trusted */
	at = put(at, addr, 16);
	put(at, all_nodes, 16);
	body[0] = ND_NA;
	body[4] = NA_OVERRIDE;
	at = put(body + 8, addr, 16);
	*at++ = OPT_TLLADDR;
	*at++ = 1; /* in units of 8 bytes */
	put(at, mac, ETH_ALEN);
	put16(body + 2, icmp6_checksum(ip + 8, body, NA_LEN));
}

/* An announcement that is lost delays somebody; it is no failure of ours. */
static void send_frame(int fd, int ifindex, const uint8_t *frame, size_t len)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ifindex,
		.sll_halen = ETH_ALEN,
	};

	memcpy(to.sll_addr, frame, ETH_ALEN);
	memcpy(&to.sll_protocol, frame + 12, 2);
	sendto(fd, frame, len, MSG_DONTWAIT, (struct sockaddr *)&to,
	       sizeof(to));
}

void announce_arp(int fd, int ifindex, const uint8_t *mac, const uint8_t *addr)
{
	uint8_t frame[ANNOUNCE_ARP_SIZE];

	announce_arp_frame(frame, mac, addr);
	send_frame(fd, ifindex, frame, sizeof(frame));
}

void announce_na(int fd, int ifindex, const uint8_t *mac, const uint8_t *addr)
{
	uint8_t frame[ANNOUNCE_NA_SIZE];

	announce_na_frame(frame, mac, addr);
	send_frame(fd, ifindex, frame, sizeof(frame));
}

static void announce_link(int fd, const struct identity_link *want,
			  const struct netcfg_link *link)
{
	uint8_t local[16];

	for (unsigned int i = 0; i < want->num_addr4; i++)
		announce_arp(fd, link->index, link->mac, want->addr4[i].addr);
	if (!link->has_ipv6)
		return;
	for (unsigned int i = 0; i < want->num_addr6; i++)
		announce_na(fd, link->index, link->mac, want->addr6[i].addr);
	addr_linklocal(local, link->mac);
	announce_na(fd, link->index, link->mac, local);
}

void announce_identity(int fd, const struct vmfork_identity *id,
		       const struct netcfg_result *result)
{
	for (unsigned int i = 0; i < id->num_links; i++) {
		if (result->links[i].index)
			announce_link(fd, &id->link[i], &result->links[i]);
	}
}
