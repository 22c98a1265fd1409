// SPDX-License-Identifier: MIT
/*
 * Send frames that the kernel would not: any source, any claim.
 *
 *	rawsend DEV KIND SOURCE-MAC TARGET-MAC SOURCE-IP TARGET-IP
 *
 *	ip4, vlan	a UDP datagram, the second in an 802.1Q tag
 *	arp		a reply: SOURCE-IP is at SOURCE-MAC
 *	ip6		a UDP datagram
 *	na		a neighbour advertisement from SOURCE-IP: TARGET-IP is
 *			at SOURCE-MAC
 *	ra		a router advertisement from SOURCE-IP
 *
 * What speaks IP bears a mark, so that a capture knows it again: the id 0xbad0,
 * the flow label 0xbad01.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REPEAT	   3
#define MARK_ID	   0xbad0
#define MARK_LABEL 0xbad01
#define UDP_LEN	   26
#define ND_NA	   136
#define ND_RA	   134

struct frame {
	uint8_t bytes[256];
	size_t len;
};

static void put(struct frame *f, const void *bytes, size_t len)
{
	memcpy(f->bytes + f->len, bytes, len);
	f->len += len;
}

static void put8(struct frame *f, unsigned int v)
{
	f->bytes[f->len++] = (uint8_t)v;
}

static void put16(struct frame *f, unsigned int v)
{
	put8(f, v >> 8);
	put8(f, v);
}

static uint32_t sum(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static void put_sum(uint8_t *at, uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	at[0] = (uint8_t)(~s >> 8);
	at[1] = (uint8_t)~s;
}

/* Port 9 throws away what it gets; no checksum is one, over IPv4. */
static void put_udp(struct frame *f)
{
	put16(f, 9);
	put16(f, 9);
	put16(f, UDP_LEN);
	put16(f, 0);
	for (int i = 8; i < UDP_LEN; i++)
		put8(f, 'x');
}

static void put_ip4(struct frame *f, const uint8_t *source,
		    const uint8_t *target)
{
	size_t start = f->len;

	put16(f, 0x4500);
	put16(f, 20 + UDP_LEN);
	put16(f, MARK_ID);
	put16(f, 0);
	put16(f, 64 << 8 | IPPROTO_UDP);
	put16(f, 0);
	put(f, source, 4);
	put(f, target, 4);
	put_sum(f->bytes + start + 10, sum(f->bytes + start, 20));
	put_udp(f);
}

static void put_arp(struct frame *f, const uint8_t *source,
		    const uint8_t *target)
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 2 };

	put(f, head, sizeof(head));
	put(f, f->bytes + 6, 6);
	put(f, source, 4);
	put(f, f->bytes, 6);
	put(f, target, 4);
}

static void put_ip6(struct frame *f, unsigned int len, unsigned int protocol,
		    const uint8_t *source, const uint8_t *target)
{
	put16(f, 0x6000 | MARK_LABEL >> 16);
	put16(f, MARK_LABEL & 0xffff);
	put16(f, len);
	put16(f, protocol << 8 | 255);
	put(f, source, 16);
	put(f, target, 16);
}

/* The checksum of what follows an IPv6 header, with its pseudo header. */
static void sum_ip6(struct frame *f, size_t at, size_t sum_at,
		    uint32_t protocol)
{
	size_t len = f->len - at;

	put_sum(f->bytes + at + sum_at,
		sum(f->bytes + at - 32, len + 32) + (uint32_t)len + protocol);
}

static void put_udp6(struct frame *f, const uint8_t *source,
		     const uint8_t *target)
{
	size_t at;

	put_ip6(f, UDP_LEN, IPPROTO_UDP, source, target);
	at = f->len;
	put_udp(f);
	sum_ip6(f, at, 6, IPPROTO_UDP);
}

/* To all nodes, with the sender's MAC as its one option. */
static void put_advertisement(struct frame *f, unsigned int type,
			      const uint8_t *source, const uint8_t *claim)
{
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
	static const uint8_t lifetimes[8];
	size_t at;

	put_ip6(f, type == ND_NA ? 32 : 24, IPPROTO_ICMPV6, source, all_nodes);
	at = f->len;
	put16(f, type << 8);
	put16(f, 0);
	/* override; or hop limit 64 and a router's lifetime of 1800 s */
	put16(f, type == ND_NA ? 0x2000 : 64 << 8);
	put16(f, type == ND_NA ? 0 : 1800);
	if (type == ND_NA)
		put(f, claim, 16);
	else
		put(f, lifetimes, 8);
	put16(f, (type == ND_NA ? 2 : 1) << 8 | 1);
	put(f, f->bytes + 6, 6);
	sum_ip6(f, at, 2, IPPROTO_ICMPV6);
}

/* Everything behind the two MACs. */
static int put_body(struct frame *f, const char *kind, const uint8_t *source,
		    const uint8_t *target)
{
	if (!strcmp(kind, "vlan")) {
		put16(f, 0x8100);
		put16(f, 7);
	}
	if (!strcmp(kind, "ip4") || !strcmp(kind, "vlan")) {
		put16(f, 0x0800);
		put_ip4(f, source, target);
	} else if (!strcmp(kind, "arp")) {
		put16(f, 0x0806);
		put_arp(f, source, target);
	} else if (!strcmp(kind, "ip6")) {
		put16(f, 0x86dd);
		put_udp6(f, source, target);
	} else if (!strcmp(kind, "na") || !strcmp(kind, "ra")) {
		put16(f, 0x86dd);
		put_advertisement(f, kind[0] == 'n' ? ND_NA : ND_RA, source,
				  target);
	} else {
		return -1;
	}
	return 0;
}

static int put_mac(struct frame *f, const char *text)
{
	uint8_t m[6];

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &m[0], &m[1], &m[2],
		   &m[3], &m[4], &m[5]) != 6)
		return -1;
	put(f, m, sizeof(m));
	return 0;
}

static int transmit(const char *dev, const struct frame *f)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	for (int i = 0; i < REPEAT; i++)
		if (sendto(fd, f->bytes, f->len, 0, (struct sockaddr *)&to,
			   sizeof(to)) != (ssize_t)f->len)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct frame f = { .len = 0 };
	uint8_t source[16], target[16];
	int family;

	if (argc != 7) {
		fprintf(stderr, "usage: rawsend DEV KIND SOURCE-MAC TARGET-MAC "
				"SOURCE-IP TARGET-IP\n");
		return 2;
	}
	family = strchr(argv[5], ':') ? AF_INET6 : AF_INET;
	if (put_mac(&f, argv[4]) < 0 || put_mac(&f, argv[3]) < 0 ||
	    inet_pton(family, argv[5], source) != 1 ||
	    inet_pton(family, argv[6], target) != 1 ||
	    put_body(&f, argv[2], source, target) < 0) {
		fprintf(stderr, "rawsend: invalid\n");
		return 2;
	}
	if (transmit(argv[1], &f) < 0) {
		perror("rawsend");
		return 1;
	}
	return 0;
}
