// SPDX-License-Identifier: MIT
/*
 * Old TCP connections:
 *
 *	guest namespace                         host namespace
 *	eth0 10.1.0.2 fd00:1::2  <-- veth -->  host0 10.1.0.1 fd00:1::1
 *	     10.1.0.3 fd00:1::3
 *
 * The guest's first addresses go; what was bound to them has to end without a
 * byte on the wire, and all else has to stay.
 */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns.h"
#include "sockets.h"

#define PORT	  7000
#define NUM_MANY  1200 /* more than one send takes */
#define SETTLE_MS 300

static struct sockets sockets;
static struct rtnl route;
static struct rtnl_batch batch;
static int guest_ns = -1, host_ns = -1;

static void run(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static void enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

static int setup(void **state)
{
	char command[128];
	int ret = netns_enter();

	(void)state;
	if (ret < 0) {
		print_message("%s\n", netns_skip_reason(ret));
		return 0;
	}
	guest_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	enter(guest_ns);
	run("ip link add eth0 type veth peer name host0");
	snprintf(command, sizeof(command),
		 "ip link set host0 netns /proc/%d/fd/%d", getpid(), host_ns);
	run(command);
	run("ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0;"
	    "ip addr add 10.1.0.3/24 dev eth0;"
	    "ip addr add fd00:1::2/64 dev eth0 nodad;"
	    "ip addr add fd00:1::3/64 dev eth0 nodad");
	enter(host_ns);
	run("ip link set lo up; ip link set host0 up;"
	    "ip addr add 10.1.0.1/24 dev host0;"
	    "ip addr add fd00:1::1/64 dev host0 nodad");
	enter(guest_ns);
	memset(&sockets, 0, sizeof(sockets));
	return rtnl_open(&route, 0);
}

static int teardown(void **state)
{
	(void)state;
	sockets_close(&sockets);
	if (guest_ns >= 0) {
		rtnl_close(&route);
		close(guest_ns);
		close(host_ns);
	}
	guest_ns = host_ns = -1;
	return 0;
}

static void need_namespaces(void)
{
	if (guest_ns < 0)
		skip();
}

/* IPv4 addresses as IPv6 ones where @is_ipv6: "::ffff:10.1.0.2". */
static struct sockaddr_in6 address(const char *text, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
	return in6;
}

static struct sockaddr_in address4(const char *text, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port) };

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return in;
}

static int bound(const char *text, uint16_t port)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET, one = 1;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET) {
		struct sockaddr_in in = address4(text, port);

		assert_int_equal(bind(fd, (void *)&in, sizeof(in)), 0);
	} else {
		struct sockaddr_in6 in6 = address(text, port);

		assert_int_equal(bind(fd, (void *)&in6, sizeof(in6)), 0);
	}
	return fd;
}

static int listening(const char *text, uint16_t port)
{
	int fd = bound(text, port);

	assert_int_equal(listen(fd, NUM_MANY), 0);
	return fd;
}

static int connected(const char *from, const char *to, uint16_t port)
{
	int fd = bound(from, 0), ret;

	if (strchr(to, ':')) {
		struct sockaddr_in6 in6 = address(to, port);

		ret = connect(fd, (void *)&in6, sizeof(in6));
	} else {
		struct sockaddr_in in = address4(to, port);

		ret = connect(fd, (void *)&in, sizeof(in));
	}
	if (ret < 0)
		fail_msg("%s to %s: %s", from, to, strerror(errno));
	return fd;
}

/* What a program learns of its connection: 0 it is there, else errno. */
static int said(int fd)
{
	char byte;
	ssize_t len = recv(fd, &byte, 1, MSG_DONTWAIT);

	if (len == 0)
		return ENOTCONN; /* the end */
	return len > 0 || errno == EAGAIN ? 0 : errno;
}

static struct netcfg_dropped dropped(void)
{
	struct netcfg_dropped list = { .num = 2 };

	assert_int_equal(inet_pton(AF_INET, "10.1.0.2", list.addr[0].bytes), 1);
	list.addr[1].is_ipv6 = true;
	assert_int_equal(inet_pton(AF_INET6, "fd00:1::2", list.addr[1].bytes),
			 1);
	return list;
}

static void destroyed(uint32_t wanted)
{
	struct netcfg_dropped list = dropped();
	uint32_t num_killed = 0;

	assert_int_equal(
		sockets_destroy(&sockets, &route, &batch, &list, &num_killed),
		0);
	assert_int_equal(num_killed, wanted);
}

/* Frames of the guest's old addresses; all that is waiting is read. */
static unsigned int old_frames(int packet_fd)
{
	struct pollfd pfd = { .fd = packet_fd, .events = POLLIN };
	uint8_t buf[2048], old6[16];
	unsigned int num = 0;
	struct in_addr old4;
	ssize_t len;

	inet_pton(AF_INET, "10.1.0.2", &old4);
	inet_pton(AF_INET6, "fd00:1::2", old6);
	while (poll(&pfd, 1, SETTLE_MS) > 0) {
		len = recv(packet_fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len > 34 && buf[12] == 8 && buf[13] == 0)
			num += !memcmp(buf + 14 + 12, &old4, 4);
		else if (len > 54 && buf[12] == 0x86 && buf[13] == 0xdd)
			num += !memcmp(buf + 14 + 8, old6, 16) &&
			       buf[14 + 6] == IPPROTO_TCP;
	}
	return num;
}

static int capture(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	ll.sll_ifindex = (int)if_nametoindex("host0");
	assert_int_equal(bind(fd, (void *)&ll, sizeof(ll)), 0);
	return fd;
}

static void close_all(const int *fds, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		close(fds[i]);
}

/* What is bound to a dropped address ends, whatever its state and family. */
static void test_which(void **state)
{
	int servers[5], gone[6], kept[6];

	(void)state;
	need_namespaces();
	enter(host_ns);
	servers[0] = listening("10.1.0.1", PORT);
	servers[1] = listening("fd00:1::1", PORT);
	enter(guest_ns);
	gone[0] = connected("10.1.0.2", "10.1.0.1", PORT);
	gone[1] = connected("fd00:1::2", "fd00:1::1", PORT);
	gone[2] = connected("::ffff:10.1.0.2", "::ffff:10.1.0.1", PORT);
	gone[3] = listening("10.1.0.2", PORT);
	gone[4] = listening("fd00:1::2", PORT);
	gone[5] = connected("10.1.0.2", "10.1.0.1", PORT);
	assert_int_equal(shutdown(gone[5], SHUT_WR), 0); /* half closed */
	kept[0] = connected("10.1.0.3", "10.1.0.1", PORT);
	kept[1] = connected("fd00:1::3", "fd00:1::1", PORT);
	kept[2] = connected("::ffff:10.1.0.3", "::ffff:10.1.0.1", PORT);
	servers[2] = listening("::", PORT + 1);
	servers[3] = listening("0.0.0.0", PORT + 2);
	kept[3] = connected("127.0.0.1", "127.0.0.1", PORT + 2);
	kept[4] = bound("10.1.0.2", PORT + 3);
	kept[5] = listening("10.1.0.3", PORT);
	destroyed(6);
	assert_int_equal(said(gone[0]), ECONNABORTED);
	assert_int_equal(said(gone[1]), ECONNABORTED);
	assert_int_equal(said(gone[2]), ECONNABORTED);
	for (int i = 0; i < 4; i++)
		assert_int_equal(said(kept[i]), 0);
	/* who listened anywhere goes on to */
	servers[4] = connected("10.1.0.3", "10.1.0.3", PORT + 2);
	close(connected("fd00:1::3", "fd00:1::3", PORT + 1));
	destroyed(0);
	close_all(servers, 5);
	close_all(gone, 6);
	close_all(kept, 6);
}

/* The address is gone by then, as in a fork: not a byte tells the peers. */
static void test_silence(void **state)
{
	const char *const from[] = { "10.1.0.2", "fd00:1::2" };
	const char *const to[] = { "10.1.0.1", "fd00:1::1" };
	int servers[2], clients[100], peers[100], packet_fd;

	(void)state;
	need_namespaces();
	enter(host_ns);
	for (int i = 0; i < 2; i++)
		servers[i] = listening(to[i], PORT);
	enter(guest_ns);
	for (int i = 0; i < 100; i++) {
		clients[i] = connected(from[i % 2], to[i % 2], PORT);
		peers[i] = accept4(servers[i % 2], NULL, NULL, SOCK_CLOEXEC);
		assert_true(peers[i] >= 0);
	}
	run("ip addr del 10.1.0.2/24 dev eth0; ip addr add 10.1.0.5/24 dev "
	    "eth0;"
	    "ip addr del fd00:1::2/64 dev eth0;"
	    "ip addr add fd00:1::5/64 dev eth0 nodad");
	enter(host_ns);
	packet_fd = capture();
	enter(guest_ns);
	destroyed(100);
	assert_int_equal(old_frames(packet_fd), 0);
	run("[ -z \"$(ip -6 rule show pref 1)\" ]");
	for (int i = 0; i < 100; i++) {
		assert_int_equal(said(clients[i]), ECONNABORTED);
		assert_int_equal(said(peers[i]), 0);
	}
	close(packet_fd);
	close_all(servers, 2);
	close_all(clients, 100);
	close_all(peers, 100);
}

/* More than fit one message to the kernel. */
static void test_many(void **state)
{
	struct rlimit limit;
	int *clients, server;

	(void)state;
	need_namespaces();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < NUM_MANY + 64)
		skip();
	clients = calloc(NUM_MANY, sizeof(*clients));
	assert_non_null(clients);
	enter(host_ns);
	server = listening("10.1.0.1", PORT);
	enter(guest_ns);
	for (int i = 0; i < NUM_MANY; i++)
		clients[i] = connected("10.1.0.2", "10.1.0.1", PORT);
	destroyed(NUM_MANY);
	for (int i = 0; i < NUM_MANY; i++)
		assert_int_equal(said(clients[i]), ECONNABORTED);
	close(server);
	close_all(clients, NUM_MANY);
	free(clients);
}

/* As many addresses as there may be: the filter holds them all. */
static void test_many_addresses(void **state)
{
	struct netcfg_dropped list = { .num = NETCFG_DROPPED_MAX };
	uint32_t num_killed = 0;
	int server, client;

	(void)state;
	need_namespaces();
	for (unsigned int i = 0; i < list.num; i++) {
		list.addr[i].is_ipv6 = true;
		inet_pton(AF_INET6, "fd00:9::1", list.addr[i].bytes);
		list.addr[i].bytes[15] = (uint8_t)i;
	}
	inet_pton(AF_INET6, "fd00:1::2", list.addr[list.num - 1].bytes);
	enter(host_ns);
	server = listening("fd00:1::1", PORT);
	enter(guest_ns);
	client = connected("fd00:1::2", "fd00:1::1", PORT);
	assert_int_equal(
		sockets_destroy(&sockets, &route, &batch, &list, &num_killed),
		0);
	assert_int_equal(num_killed, 1);
	assert_int_equal(said(client), ECONNABORTED);
	close(server);
	close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_which),
		TEST(test_silence),
		TEST(test_many),
		TEST(test_many_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
