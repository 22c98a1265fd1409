// SPDX-License-Identifier: MIT
/* What a guest may say: frames written to TAPs by hand, captured elsewhere. */
#include "netns/net_env.h"

#include <arpa/inet.h>
#include <errno.h>
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

enum { LAN_OPEN = 1, LAN_NAT = 2 };

/* Two ports, and a capture on the bridge. */
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

static int capture_open(const char *name)
{
	struct sockaddr_ll addr = { .sll_family = AF_PACKET,
				    .sll_protocol = htons(ETH_P_ALL),
				    .sll_ifindex = if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (void *)&addr, sizeof(addr)), 0);
	return fd;
}

static void lan_up(struct lan *lan, struct env *env, int flags)
{
	struct net_conf conf = { .name = "lan",
				 .open = flags & LAN_OPEN,
				 .nat = flags & LAN_NAT };

	*lan = (struct lan){ .env = env };
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_open(&lan->net, env->state_fd, "lan", &env->err));
	lan->conf = net_get_conf(lan->net);
	ports_name(lan->ports, 2, "vm");
	assert_ok(env, net_ports_lease(lan->net, lan->ports, 2, &env->err));
	for (int i = 0; i < 2; i++) {
		lan->fds[i] = net_port_open(&lan->ports[i], &env->err);
		assert_true(lan->fds[i] >= 0);
	}
	assert_ok(env, net_ports_attach(lan->net, lan->ports, 2, &env->err));
	lan->bridge_fd = capture_open(lan->conf->bridge);
}

static void lan_down(struct lan *lan)
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

static void put(struct frame *frame, const void *data, size_t len)
{
	assert_true(frame->len + len <= FRAME_MAX);
	memcpy(frame->data + frame->len, data, len);
	frame->len += len;
}

static void put16(struct frame *frame, uint16_t value)
{
	value = htons(value);
	put(frame, &value, sizeof(value));
}

static void put_eth(struct frame *frame, const uint8_t *dst, const uint8_t *src,
		    uint16_t type)
{
	frame->len = 0;
	put(frame, dst, 6);
	put(frame, src, 6);
	put16(frame, type);
}

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += data[i] << 8 | data[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* A UDP packet; the serial number, in its IP header too, makes it unique. */
static void put_ip4(struct frame *frame, struct in_addr src, struct in_addr dst,
		    uint16_t serial, uint16_t sport)
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

static void put_arp(struct frame *frame, uint16_t op, const uint8_t *sha,
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

static void put_ip6(struct frame *frame, const struct in6_addr *src,
		    const struct in6_addr *dst, uint8_t next, uint16_t len)
{
	put16(frame, 0x6000);
	put16(frame, 0);
	put16(frame, len);
	put16(frame, next << 8 | 255);
	put(frame, src, 16);
	put(frame, dst, 16);
}

/* An ICMPv6 message; with a link-layer address option if @mac is given. */
static void put_nd(struct frame *frame, uint8_t type,
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

static void frame_send(int fd, const struct frame *frame)
{
	uint8_t buf[VNET_HDR_SIZE + FRAME_MAX] = { 0 };
	size_t len = VNET_HDR_SIZE + frame->len;

	memcpy(buf + VNET_HDR_SIZE, frame->data, frame->len);
	assert_int_equal(write(fd, buf, len), len);
}

/* The next frame that @fd gives; TAPs put a header in front. */
static size_t frame_receive(int fd, size_t skip_len, uint8_t *data)
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

static void mark_build(struct lan *lan, struct frame *mark)
{
	put_eth(mark, lan->conf->mac, lan->ports[0].mac, ETH_P_IP);
	put_ip4(mark, lan->ports[0].addr4, lan->conf->addr4, ++lan->serial, 9);
}

/*
 * Does a frame from port 0 reach the bridge? A frame that must pass follows it:
 * once that is seen, the first one was dropped or has been seen before.
 */
static bool reaches_bridge(struct lan *lan, const struct frame *frame)
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

static void test_own_passes(void **state)
{
	struct in6_addr ll = { .s6_addr = { 0xfe, 0x80 } }, own6;
	struct frame f;
	struct lan lan;
	uint8_t *mac;

	lan_up(&lan, env_get(state), 0);
	mac = lan.ports[0].mac;
	own6 = lan.ports[0].addr6;
	put_eth(&f, lan.conf->mac, mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 9);
	assert_true(reaches_bridge(&lan, &f));
	put_eth(&f, broadcast, mac, ETH_P_ARP);
	put_arp(&f, 1, mac, lan.ports[0].addr4, lan.ports[0].addr4);
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
		put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 9);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, i ? lan.ports[1].mac : parent,
			ETH_P_ARP);
		put_arp(&f, 1, lan.ports[0].mac, lan.ports[0].addr4,
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
			i == 0	 ? lan.ports[1].addr4
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
			i == 0	 ? &lan.ports[1].addr6
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
		put_arp(&f, op, me->mac, sibling->addr4, lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, me->mac, ETH_P_ARP);
		put_arp(&f, op, me->mac, lan.conf->addr4, lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
		put_eth(&f, broadcast, me->mac, ETH_P_ARP);
		put_arp(&f, op, sibling->mac, me->addr4, lan.conf->addr4);
		assert_false(reaches_bridge(&lan, &f));
	}
	put_eth(&f, broadcast, me->mac, ETH_P_ARP);
	put_arp(&f, 3, me->mac, me->addr4, me->addr4); /* RARP */
	assert_false(reaches_bridge(&lan, &f));
	lan_down(&lan);
}

static bool nd_passes(struct lan *lan, uint8_t type,
		      const struct in6_addr *target, uint8_t option,
		      const uint8_t *option_mac)
{
	struct frame f;

	put_eth(&f, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(&f, &lan->ports[0].addr6, &lan->conf->addr6, IPPROTO_ICMPV6,
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
	own6 = &lan.ports[0].addr6;
	sibling6 = &lan.ports[1].addr6;
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
		put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 9);
		assert_false(reaches_bridge(&lan, &f));
	}
	/* a DHCP server */
	put_eth(&f, broadcast, mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 67);
	assert_false(reaches_bridge(&lan, &f));
	lan_down(&lan);
}

/*
 * Does a frame from port 0 come out of port 1? The host sends a packet to the
 * guest of port 1 afterwards: once that is there, the frame will not come.
 */
static bool reaches_sibling(struct lan *lan, const struct frame *frame)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr = lan->ports[1].addr4 };
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

static void ip_forward(void)
{
	int fd = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, "1", 1), 1);
	close(fd);
}

static void siblings_try(struct env *env, bool open)
{
	struct frame f;
	struct lan lan;

	lan_up(&lan, env, open ? LAN_OPEN : 0);
	ip_forward();
	put_eth(&f, lan.ports[1].mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4, lan.ports[1].addr4, 0xbbbb, 9);
	assert_int_equal(reaches_sibling(&lan, &f), open);
	memcpy(f.data, broadcast, 6);
	assert_int_equal(reaches_sibling(&lan, &f), open);
	/* through the gateway */
	memcpy(f.data, lan.conf->mac, 6);
	assert_int_equal(reaches_sibling(&lan, &f), open);
	lan_down(&lan);
}

static void test_siblings_closed(void **state)
{
	siblings_try(env_get(state), 0);
}

static void test_siblings_open(void **state)
{
	siblings_try(env_get(state), true);
}

/* A link to the world: a TAP with an address and a neighbour to send to. */
static int uplink_open(struct env *env)
{
	struct net_port port = { .owner = "world", .tap = "up0" };
	int fd = net_port_open(&port, &env->err);

	assert_true(fd >= 0);
	assert_int_equal(
		system("ip addr add 198.51.100.1/24 dev up0 && "
		       "ip addr add 2001:db8::1/64 dev up0 nodad && "
		       "ip link set up0 up && "
		       "ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 "
		       "dev up0 && "
		       "ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 "
		       "dev up0"),
		0);
	return fd;
}

/* The source address that the world sees on the guest's next packet. */
static void uplink_receive(int fd, uint16_t type, size_t offset, void *src,
			   size_t len)
{
	uint8_t data[2048], wanted[2] = { type >> 8, type };
	static const uint8_t world[6] = { 0x02, 0, 0, 0, 0, 0x09 };

	do {
		frame_receive(fd, VNET_HDR_SIZE, data);
	} while (memcmp(data, world, 6) || memcmp(data + 12, wanted, 2));
	memcpy(src, data + 14 + offset, len);
}

static void put_udp6(struct frame *frame, struct lan *lan,
		     const struct in6_addr *dst)
{
	uint8_t pseudo[40 + 12] = { 0 };
	uint16_t sum;

	put_eth(frame, lan->conf->mac, lan->ports[0].mac, ETH_P_IPV6);
	put_ip6(frame, &lan->ports[0].addr6, dst, IPPROTO_UDP, 12);
	put(frame, "\x00\x09\x00\x09\x00\x0c\x00\x00mark", 12);
	memcpy(pseudo, frame->data + 14 + 8, 32);
	pseudo[35] = 12;
	pseudo[39] = IPPROTO_UDP;
	memcpy(pseudo + 40, frame->data + 14 + 40, 12);
	sum = htons(checksum(pseudo, sizeof(pseudo)));
	memcpy(frame->data + 14 + 40 + 6, &sum, 2);
}

static void test_nat(void **state)
{
	struct env *env = env_get(state);
	struct in6_addr src6, dst6, up6;
	struct in_addr src4, dst4;
	struct frame f;
	struct lan lan;
	int fd;

	lan_up(&lan, env, LAN_NAT);
	fd = uplink_open(env);
	inet_pton(AF_INET, "198.51.100.9", &dst4);
	put_eth(&f, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4, dst4, 0xcccc, 9);
	frame_send(lan.fds[0], &f);
	uplink_receive(fd, ETH_P_IP, 12, &src4, sizeof(src4));
	assert_string_equal(inet_ntoa(src4), "198.51.100.1");
	inet_pton(AF_INET6, "2001:db8::9", &dst6);
	inet_pton(AF_INET6, "2001:db8::1", &up6);
	/* with a wrong checksum it is not tracked, and must not leave as it is */
	put_udp6(&f, &lan, &dst6);
	f.data[14 + 40 + 6] ^= 0x55;
	frame_send(lan.fds[0], &f);
	f.data[14 + 40 + 6] ^= 0x55;
	frame_send(lan.fds[0], &f);
	uplink_receive(fd, ETH_P_IPV6, 8, &src6, sizeof(src6));
	assert_memory_equal(&src6, &up6, sizeof(src6));
	close(fd);
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
	put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 9);
	frame_send(lan.fds[0], &f);
	assert_ok(env, net_ports_verify(lan.net, lan.ports, 2, &env->err));
	assert_false(lan.ports[0].verified);
	assert_false(lan.ports[1].verified);
	put_eth(&f, lan.conf->mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4, lan.conf->addr4, 0xaaaa, 9);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_own_passes),
		env_test(test_foreign_mac),
		env_test(test_foreign_ip),
		env_test(test_forged_arp),
		env_test(test_forged_nd),
		env_test(test_other_protocols),
		env_test(test_siblings_closed),
		env_test(test_siblings_open),
		env_test(test_nat),
		env_test(test_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
