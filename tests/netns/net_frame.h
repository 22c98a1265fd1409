/* SPDX-License-Identifier: MIT */
/* Two ports of a network, and frames built by hand that go through them. */
#ifndef TESTS_NET_FRAME_H
#define TESTS_NET_FRAME_H

#include "netns/net_env.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>

#define VNET_HDR_SIZE 10
#define FRAME_MAX     256
#define TIMEOUT_MS    2000

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
};

enum { LAN_OPEN = 1, LAN_NAT = 2, LAN_ROUTED = 4 };

/* Two ports, and a capture on the bridge. What is wished for is port 0's. */
struct lan {
	struct env *env;
	struct net *net;
	const struct net_conf *conf;
	struct net_port ports[2];
	int fds[2];
	int bridge_fd;
	uint16_t serial;
};

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static inline int capture_open(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline void lan_up_wish(struct lan *lan, struct env *env, int flags,
			       const struct net_wish *wish)
{
	struct net_conf conf = { .name = "lan",
				 .mode = flags & LAN_ROUTED ? NET_MODE_ROUTED
							    : NET_MODE_BRIDGE,
				 .open = flags & LAN_OPEN,
				 .nat = flags & LAN_NAT };

	*lan = (struct lan){ .env = env };
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_open(&lan->net, env->state_fd, "lan", &env->err));
	lan->conf = net_get_conf(lan->net);
	ports_name(lan->ports, 2, "vm");
	assert_ok(env,
		  net_ports_lease(lan->net, wish, lan->ports, 1, &env->err));
	assert_ok(env, net_ports_lease(lan->net, NULL, &lan->ports[1], 1,
				       &env->err));
	for (int i = 0; i < 2; i++) {
		lan->fds[i] = net_port_open(&lan->ports[i], &env->err);
		assert_true(lan->fds[i] >= 0);
	}
	assert_ok(env, net_ports_attach(lan->net, lan->ports, 2, &env->err));
	lan->bridge_fd = capture_open(lan->conf->bridge);
}

static inline void lan_up(struct lan *lan, struct env *env, int flags)
{
	lan_up_wish(lan, env, flags, NULL);
}

static inline void lan_down(struct lan *lan)
{
	struct env *env = lan->env;

	close(lan->bridge_fd);
	close(lan->fds[0]);
	close(lan->fds[1]);
	assert_ok(env, net_ports_detach(lan->net, lan->ports, 2, &env->err));
	assert_ok(env, net_ports_release(lan->net, lan->ports, 2, &env->err));
	net_close(lan->net);
	assert_ok(env, net_remove(env->state_fd, "lan", &env->err));
	env_check_clean(env);
}

static inline void put(struct frame *frame, const void *data, size_t len)
{
	assert_true(frame->len + len <= FRAME_MAX);
	memcpy(frame->data + frame->len, data, len);
	frame->len += len;
}

static inline void put16(struct frame *frame, uint16_t value)
{
	value = htons(value);
	put(frame, &value, sizeof(value));
}

static inline void put_eth(struct frame *frame, const uint8_t *dst,
			   const uint8_t *src, uint16_t type)
{
	frame->len = 0;
	put(frame, dst, 6);
	put(frame, src, 6);
	put16(frame, type);
}

static inline uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A UDP packet; the serial number, in its IP header too, makes it unique. */
static inline void put_ip4(struct frame *frame, struct in_addr src,
			   struct in_addr dst, uint16_t serial, uint16_t sport)
{
	size_t start = frame->len;
	uint16_t sum;

	put16(frame, 0x4500);
	put16(frame, 20 + 8 + 4);
	put16(frame, serial);
	put16(frame, 0);
	put16(frame, 64 << 8 | IPPROTO_UDP);
	put16(frame, 0);
	put(frame, &src, 4);
	put(frame, &dst, 4);
	sum = htons(checksum(frame->data + start, 20));
	memcpy(frame->data + start + 10, &sum, 2);
	put16(frame, sport);
	put16(frame, 9); /* discard */
	put16(frame, 8 + 4);
	put16(frame, 0);
	put(frame, "mark", 4);
}

static inline void put_arp(struct frame *frame, uint16_t op, const uint8_t *sha,
			   struct in_addr spa, struct in_addr tpa)
{
	put16(frame, 1);
	put16(frame, ETH_P_IP);
	put16(frame, 6 << 8 | 4);
	put16(frame, op);
	put(frame, sha, 6);
	put(frame, &spa, 4);
	put(frame, broadcast, 6);
	put(frame, &tpa, 4);
}

static inline void put_ip6(struct frame *frame, const struct in6_addr *src,
			   const struct in6_addr *dst, uint8_t next,
			   uint16_t len)
{
	put16(frame, 0x6000);
	put16(frame, 0);
	put16(frame, len);
	put16(frame, next << 8 | 255);
	put(frame, src, 16);
	put(frame, dst, 16);
}

/* An ICMPv6 message; with a link-layer address option if @mac is given. */
static inline void put_nd(struct frame *frame, uint8_t type,
			  const struct in6_addr *target, uint8_t option,
			  const uint8_t *mac)
{
	put16(frame, type << 8);
	put16(frame, 0);
	put16(frame, 0x2000);
	put16(frame, 0);
	put(frame, target, 16);
	if (!mac)
		return;
	put16(frame, option << 8 | 1);
	put(frame, mac, 6);
}

static inline void frame_send(int fd, const struct frame *frame)
{
	uint8_t buf[VNET_HDR_SIZE + FRAME_MAX] = { 0 };
	size_t len = VNET_HDR_SIZE + frame->len;

	memcpy(buf + VNET_HDR_SIZE, frame->data, frame->len);
	assert_int_equal(write(fd, buf, len), len);
}

/* A frame of port 0's that passes, and that no other is like. */
static inline void mark_build(struct lan *lan, struct frame *mark)
{
	const struct net_port *port = &lan->ports[0];

	put_eth(mark, lan->conf->mac, port->mac,
		port->num_addr4 ? ETH_P_IP : ETH_P_IPV6);
	if (port->num_addr4) {
		put_ip4(mark, port->addr4[0], lan->conf->addr4, ++lan->serial,
			9);
		return;
	}
	put_ip6(mark, &port->addr6[0], &lan->conf->addr6, IPPROTO_NONE, 2);
	put16(mark, ++lan->serial);
}

/* The next frame that @fd gives; TAPs put a header in front. */
static inline size_t frame_receive(int fd, size_t skip_len, uint8_t *data)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t buf[2048];
	ssize_t len;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail_msg("no frame within %d ms", TIMEOUT_MS);
	len = read(fd, buf, sizeof(buf));
	assert_true(len >= (ssize_t)skip_len);
	memcpy(data, buf + skip_len, len - skip_len);
	return len - skip_len;
}

/*
 * Does a frame from port 0 reach the bridge? A frame that must pass follows it:
 * once that is seen, the first one was dropped or has been seen before.
 */
static inline bool reaches_bridge(struct lan *lan, const struct frame *frame)
{
	uint8_t data[2048];
	struct frame mark;
	bool seen = false;
	size_t len;

	frame_send(lan->fds[0], frame);
	mark_build(lan, &mark);
	frame_send(lan->fds[0], &mark);
	for (;;) {
		len = frame_receive(lan->bridge_fd, 0, data);
		seen |= len >= frame->len &&
			!memcmp(data, frame->data, frame->len);
		if (len == mark.len && !memcmp(data, mark.data, mark.len))
			return seen;
	}
}

/*
 * Does a frame from port 0 come out of port 1? The host sends a packet to the
 * guest of port 1 afterwards: once that is there, the frame will not come.
 */
static inline bool reaches_sibling(struct lan *lan, const struct frame *frame)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr = lan->ports[1].addr4[0] };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t id = 14 + 4, len;
	uint8_t data[2048];
	bool seen = false;

	frame_send(lan->fds[0], frame);
	assert_int_equal(sendto(fd, "end", 3, 0, (void *)&to, sizeof(to)), 3);
	close(fd);
	for (;;) {
		len = frame_receive(lan->fds[1], VNET_HDR_SIZE, data);
		if (len >= 14 + 28 + 3 && !memcmp(data + 14 + 28, "end", 3))
			return seen;
		/* forwarding changes MACs and TTL, not the serial number */
		seen |= len >= frame->len &&
			!memcmp(data + id, frame->data + id, 2) &&
			!memcmp(data + 14 + 28, "mark", 4);
	}
}

static inline void ip_forward(void)
{
	int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

#endif
