// SPDX-License-Identifier: MIT
/* Who meets whom: siblings, directly and through the gateway, and the world. */
#include "netns/net_frame.h"

static void siblings_try(struct env *env, bool open)
{
	struct frame f;
	struct lan lan;

	lan_up(&lan, env, open ? LAN_OPEN : 0);
	ip_forward();
	put_eth(&f, lan.ports[1].mac, lan.ports[0].mac, ETH_P_IP);
	put_ip4(&f, lan.ports[0].addr4[0], lan.ports[1].addr4[0], 0xbbbb, 9);
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
		system("ip link set up0 group default && "
		       "ip addr add 198.51.100.1/24 dev up0 && "
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
	put_ip6(frame, &lan->ports[0].addr6[0], dst, IPPROTO_UDP, 12);
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
	put_ip4(&f, lan.ports[0].addr4[0], dst4, 0xcccc, 9);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_siblings_closed),
		env_test(test_siblings_open),
		env_test(test_nat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
