// SPDX-License-Identifier: MIT
/* Records and leases as files: round trip, and what is refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "net/lease.h"
#include "net/pool.h"
#include "net/record.h"

struct dir {
	char path[32];
	int fd;
	struct net_conf conf;
	struct vf_err err;
};

static int dir_setup(void **state)
{
	struct dir *dir = calloc(1, sizeof(*dir));

	strcpy(dir->path, "/tmp/vmfork-lease-XXXXXX");
	assert_non_null(mkdtemp(dir->path));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	strcpy(dir->conf.name, "a");
	strcpy(dir->conf.bridge, "vfb-a");
	memcpy(dir->conf.mac, "\x02\x11\x22", 3);
	inet_pton(AF_INET, "10.231.0.1", &dir->conf.addr4);
	inet_pton(AF_INET6, "fd00:1:2::1", &dir->conf.addr6);
	dir->conf.prefix4 = 16;
	dir->conf.prefix6 = 64;
	assert_int_equal(pool_set_gateway(&dir->conf, &dir->err), 0);
	*state = dir;
	return 0;
}

static int dir_teardown(void **state)
{
	struct dir *dir = *state;

	close(dir->fd);
	vf_remove_tree(AT_FDCWD, dir->path);
	free(dir);
	return 0;
}

static void test_record(void **state)
{
	static const char *const keys[] = { "name", "bridge", "mode", "mac",
					    "ipv4", "ipv6",   "open", "nat" };
	static const char *const bad[] = { "",		 "/",
					   "10.231.0.1", "10.231.0.1/33",
					   "1.2.3/16",	 "02:00:00:00:00:0g",
					   "a b",	 "fd00::1/64x" };
	struct dir *dir = *state;
	struct net_conf conf;

	dir->conf.nat = true;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		__json json_t *json = record_to_json(&dir->conf);

		assert_int_equal(record_from_json(&conf, json, &dir->err), 0);
		assert_memory_equal(&conf, &dir->conf, sizeof(conf));
		json_object_del(json, keys[i]);
		/* before there were modes, each network had a bridge */
		assert_int_equal(record_from_json(&conf, json, &dir->err),
				 !strcmp(keys[i], "mode") ? 0 : -EBADMSG);
		for (size_t j = 0; j < ARRAY_SIZE(bad); j++) {
			if (i < 2 && j > 1)
				continue; /* names are less choosy */
			json_object_set_new(json, keys[i], json_string(bad[j]));
			assert_int_equal(
				record_from_json(&conf, json, &dir->err),
				-EBADMSG);
		}
	}
}

static void test_port(void **state)
{
	static const char *const keys[] = { "owner", "index", "tap",
					    "mac",   "ipv4",  "ipv6" };
	struct net_port port = { .owner = "vm", .tap = "vf123456", .index = 9 };
	struct dir *dir = *state;
	struct net_port loaded;

	pool_fill(&dir->conf, &port);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		__json json_t *json = net_port_save("a", &port);

		assert_int_equal(net_port_load(&loaded, json, &dir->err), 0);
		assert_memory_equal(&loaded, &port, sizeof(port));
		json_object_set_new(json, keys[i], json_string("x/y"));
		assert_int_equal(net_port_load(&loaded, json, &dir->err),
				 -EBADMSG);
		json_object_set_new(json, keys[i], json_integer(-1));
		assert_int_equal(net_port_load(&loaded, json, &dir->err),
				 -EBADMSG);
		json_object_del(json, keys[i]);
		assert_int_equal(net_port_load(&loaded, json, &dir->err),
				 -EBADMSG);
	}
}

static void test_leases(void **state)
{
	__leases struct leases leases = { 0 };
	struct net_port ports[3] = { { .owner = "x" }, { .owner = "y" } };
	struct dir *dir = *state;

	assert_int_equal(leases_load(dir->fd, &dir->conf, &leases, &dir->err),
			 0);
	assert_int_equal(leases.num, 0);
	leases_free(&leases);
	assert_int_equal(
		leases_add(dir->fd, &dir->conf, NULL, ports, 2, &dir->err), 0);
	assert_int_equal(leases_load(dir->fd, &dir->conf, &leases, &dir->err),
			 0);
	assert_int_equal(leases.num, 2);
	assert_memory_equal(leases_find(&leases, "y"), &ports[1],
			    sizeof(ports[1]));
	assert_null(leases_find(&leases, "z"));
	leases_free(&leases);
	assert_int_equal(
		leases_remove(dir->fd, &dir->conf, ports, 2, &dir->err), 0);
	assert_int_equal(leases_load(dir->fd, &dir->conf, &leases, &dir->err),
			 0);
	assert_int_equal(leases.num, 0);
	assert_int_equal(leases.cursor, 4);
}

/* Neither read as empty, which would hand addresses out twice, nor replaced. */
static void test_leases_corrupt(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"cursor\": -1, \"leases\": {}}",
		"{\"cursor\": 1, \"leases\": []}",
		"{\"cursor\": 1, \"leases\": {\"x\": {}}}",
		"{\"cursor\": 1, \"leases\": {\"x\": 7}}",
	};
	struct net_port port = { .owner = "new" };
	struct dir *dir = *state;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		__free char *text = NULL;

		assert_int_equal(vf_write_file(dir->fd, "leases.json", texts[i],
					       strlen(texts[i]), false,
					       &dir->err),
				 0);
		assert_int_equal(leases_add(dir->fd, &dir->conf, NULL, &port, 1,
					    &dir->err),
				 -EBADMSG);
		assert_non_null(strstr(dir->err.msg, "network a: leases.json"));
		assert_int_equal(vf_read_file(dir->fd, "leases.json", 4096,
					      &text, NULL, &dir->err),
				 0);
		assert_string_equal(text, texts[i]);
	}
}

/* Leases that are well formed, but not this network's, or two of one index. */
static void test_leases_foreign(void **state)
{
	struct net_port ports[2] = { { .owner = "x" }, { .owner = "y" } };
	struct dir *dir = *state;
	struct net_conf other = dir->conf;
	__json json_t *root = NULL;
	json_t *all;

	assert_int_equal(
		leases_add(dir->fd, &dir->conf, NULL, ports, 2, &dir->err), 0);
	other.mac[1]++;
	assert_int_equal(leases_remove(dir->fd, &other, ports, 1, &dir->err),
			 -EBADMSG);
	assert_int_equal(vf_json_load(dir->fd, "leases.json", &root, &dir->err),
			 0);
	all = json_object_get(root, "leases");
	ports[1].index = ports[0].index;
	pool_fill(&dir->conf, &ports[1]);
	json_object_set_new(all, "y", net_port_save("a", &ports[1]));
	assert_int_equal(
		vf_json_save(dir->fd, "leases.json", root, false, &dir->err),
		0);
	assert_int_equal(
		leases_remove(dir->fd, &dir->conf, ports, 1, &dir->err),
		-EBADMSG);
	assert_non_null(strstr(dir->err.msg, "one index"));
}

/* Ask for one port; its lease, read back, is the same. */
static int wish_one(struct dir *dir, const char *owner,
		    const struct net_wish *wish, struct net_port *port)
{
	__leases struct leases leases = { 0 };
	int ret;

	*port = (struct net_port){ 0 };
	strcpy(port->owner, owner);
	ret = leases_add(dir->fd, &dir->conf, wish, port, 1, &dir->err);
	if (ret < 0)
		return ret;
	assert_int_equal(leases_load(dir->fd, &dir->conf, &leases, &dir->err),
			 0);
	assert_memory_equal(leases_find(&leases, owner), port, sizeof(*port));
	return 0;
}

static struct net_wish wish_of(const char *const *addrs, const char *mac)
{
	struct net_wish wish = { 0 };

	for (; addrs && *addrs; addrs++)
		assert_int_equal(net_wish_addr(&wish, *addrs), 0);
	if (mac)
		assert_int_equal(net_wish_mac(&wish, mac), 0);
	return wish;
}

static void test_wish(void **state)
{
	static const char *const addrs[] = { "10.231.7.9", "fd00:1:2::abcd",
					     "10.231.0.3/16", NULL };
	struct net_wish wish = wish_of(addrs, "06:00:00:00:00:01");
	struct net_wish no_ipv4 = { .no_ipv4 = true };
	struct dir *dir = *state;
	struct net_port port;

	assert_int_equal(wish_one(dir, "x", &wish, &port), 0);
	assert_true(port.by_hand);
	assert_int_equal(port.index, 0x709);
	assert_int_equal(port.num_addr4, 2);
	assert_int_equal(ntohl(port.addr4[0].s_addr), 0x0ae70709);
	assert_int_equal(ntohl(port.addr4[1].s_addr), 0x0ae70003);
	assert_int_equal(port.num_addr6, 1);
	assert_int_equal(port.addr6[0].s6_addr[14], 0xab);
	assert_memory_equal(port.mac, "\6\0\0\0\0\1", 6);

	assert_int_equal(wish_one(dir, "six", &no_ipv4, &port), 0);
	assert_int_equal(port.num_addr4, 0);
	assert_int_equal(port.num_addr6, 1);
	assert_int_equal(port.index, 2);
	/* 3 is not the pool's any more, although no lease has that index */
	assert_int_equal(wish_one(dir, "y", NULL, &port), 0);
	assert_false(port.by_hand);
	assert_int_equal(port.index, 4);
}

static void test_wish_refused(void **state)
{
	static const struct {
		const char *addr;
		const char *mac;
		const char *why;
	} refused[] = {
		{ "10.232.0.2", NULL, "10.232.0.2: is not in its subnet" },
		{ "fd00:1:3::2", NULL, "fd00:1:3::2: is not in its subnet" },
		{ "fe80::1", NULL, "not in its subnet" },
		{ "10.231.0.1", NULL, "is the gateway's" },
		{ "fd00:1:2::1", NULL, "is the gateway's" },
		{ "10.231.0.0", NULL, "is the subnet's own address" },
		{ "fd00:1:2::", NULL, "is the subnet's own address" },
		{ "10.231.255.255", NULL, "is the broadcast address" },
		{ "10.231.0.9/24", NULL, "IPv4 prefix length 24" },
		{ "fd00:1:2::9/48", NULL, "IPv6 prefix length 48" },
		{ NULL, "01:00:5e:00:00:01", "is a multicast address" },
		{ NULL, "ff:ff:ff:ff:ff:ff", "is a multicast address" },
		{ NULL, "00:00:00:00:00:00", "is no address" },
		{ NULL, "02:11:22:00:00:01", "is the gateway's" },
	};
	struct dir *dir = *state;
	struct net_port port;

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		const char *const addrs[] = { refused[i].addr, NULL };
		struct net_wish wish = wish_of(addrs, refused[i].mac);

		assert_int_equal(wish_one(dir, "x", &wish, &port), -EINVAL);
		if (!strstr(dir->err.msg, refused[i].why))
			fail_msg("%s: not '%s'", dir->err.msg, refused[i].why);
	}
	assert_int_equal(wish_one(dir, "x", NULL, &port), 0);
}

/* Whatever one has, by hand or from the pool, no other gets. */
static void test_wish_taken(void **state)
{
	static const char *const first[] = { "10.231.0.2", "10.231.0.77",
					     "fd00:1:2::88", NULL };
	static const char *const taken[][2] = {
		{ "10.231.0.2" },
		{ "10.231.0.77" },
		{ "fd00:1:2::88" },
		{ "fd00:1:2::0:0:0:3" },
	};
	struct net_wish wish = wish_of(first, "02:11:22:00:00:63");
	struct dir *dir = *state;
	struct net_port port;

	assert_int_equal(wish_one(dir, "x", &wish, &port), 0);
	assert_int_equal(wish_one(dir, "y", NULL, &port), 0);
	assert_int_equal(port.index, 3); /* 2 is whole x's */
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		wish = wish_of(taken[i], NULL);
		assert_int_equal(wish_one(dir, "z", &wish, &port), -EADDRINUSE);
		assert_non_null(strstr(dir->err.msg,
				       i == 3 ? "leased to y" : "leased to x"));
	}
	wish = wish_of(NULL, "02:11:22:00:00:63");
	assert_int_equal(wish_one(dir, "z", &wish, &port), -EADDRINUSE);
	wish = wish_of(NULL, "02:11:22:00:00:03");
	assert_int_equal(wish_one(dir, "z", &wish, &port), -EADDRINUSE);
	/* the pool passes by 77, 0x58 = 88 and the MAC's 0x63 */
	for (uint32_t i = 4; i < 120; i++) {
		char owner[8];

		snprintf(owner, sizeof(owner), "p%u", i);
		assert_int_equal(wish_one(dir, owner, NULL, &port), 0);
		assert_int_not_equal(port.index, 77);
		assert_int_not_equal(port.index, 0x88);
		assert_int_not_equal(port.index, 0x63);
	}
	/* one wish for two ports is one too many */
	wish = wish_of((const char *const[]){ "10.231.1.1", NULL }, NULL);
	assert_int_equal(leases_add(dir->fd, &dir->conf, &wish,
				    (struct net_port[2]){ { .owner = "q" },
							  { .owner = "r" } },
				    2, &dir->err),
			 -EADDRINUSE);
	assert_int_equal(wish_one(dir, "q", &wish, &port), 0);
}

static void test_wish_words(void **state)
{
	static const char *const bad[] = {
		"",
		"/16",
		"10.231.0",
		"10.231.0.256",
		"10.231.0.9/",
		"10.231.0.9/0",
		"10.1.1.1/33",
		"10.1.1.1/16x",
		"10.1.1.1/-1",
		"::1/129",
		"fd00::g",
		" 10.1.1.1",
		"x",
		"0xa.1.1.1",
	};
	static const char *const bad_macs[] = {
		"",
		"02:00:00:00:00",
		"02:00:00:00:00:0",
		"02:00:00:00:00:0g",
		"2:00:00:00:00:000",
		"02-00-00-00-00-01",
		"02:00:00:00:00:01 ",
		"+2:00:00:00:00:01",
		"02:00:00:00:00:01:02",
	};
	struct net_wish wish = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (net_wish_addr(&wish, bad[i]) != -EBADMSG)
			fail_msg("'%s' is taken", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad_macs); i++)
		if (net_wish_mac(&wish, bad_macs[i]) != -EBADMSG)
			fail_msg("'%s' is taken", bad_macs[i]);
	assert_false(net_wish_is_personal(&wish));
	assert_int_equal(net_wish_addr(&wish, "10.1.1.1/16"), 0);
	assert_int_equal(net_wish_addr(&wish, "10.1.1.1"), -EEXIST);
	assert_int_equal(net_wish_addr(&wish, "10.1.1.2/24"), -EDOM);
	for (int i = 2; i <= 4; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.1.1.%d", i);
		assert_int_equal(net_wish_addr(&wish, text), 0);
	}
	assert_int_equal(net_wish_addr(&wish, "10.1.1.5"), -E2BIG);
	assert_int_equal(net_wish_addr(&wish, "fd00::1"), 0);
	assert_true(net_wish_is_personal(&wish));
}

/* A lease by hand is checked as one that is asked for now. */
static void test_wish_corrupt(void **state)
{
	static const struct {
		const char *key;
		const char *value;
	} changes[] = {
		{ "ipv4", "10.231.0.4/16" },	{ "ipv4", "10.231.0.1/16" },
		{ "ipv4", "10.231.0.9/24" },	{ "ipv4", "10.232.0.9/16" },
		{ "ipv6", "fd00:1:2::4/64" },	{ "mac", "02:11:22:00:00:04" },
		{ "mac", "01:11:22:00:00:09" }, { "tap", "a/b" },
	};
	struct net_wish wish =
		wish_of((const char *const[]){ "10.231.0.9", NULL }, NULL);
	struct dir *dir = *state;
	struct net_port port;

	wish.no_ipv6 = true;
	assert_int_equal(wish_one(dir, "x", &wish, &port), 0);
	wish = wish_of((const char *const[]){ "10.231.0.4", NULL }, NULL);
	assert_int_equal(wish_one(dir, "y", &wish, &port), 0);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		__leases struct leases leases = { 0 };
		__json json_t *root = NULL, *copy = NULL;

		assert_int_equal(
			vf_json_load(dir->fd, "leases.json", &root, &dir->err),
			0);
		copy = json_deep_copy(root);
		json_object_set_new(
			json_object_get(json_object_get(root, "leases"), "x"),
			changes[i].key, json_string(changes[i].value));
		assert_int_equal(vf_json_save(dir->fd, "leases.json", root,
					      false, &dir->err),
				 0);
		if (leases_load(dir->fd, &dir->conf, &leases, &dir->err) !=
		    -EBADMSG)
			fail_msg("%s: taken", changes[i].value);
		assert_int_equal(vf_json_save(dir->fd, "leases.json", copy,
					      false, &dir->err),
				 0);
	}
}

#define dir_test(name) \
	cmocka_unit_test_setup_teardown(name, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dir_test(test_record),
		dir_test(test_port),
		dir_test(test_leases),
		dir_test(test_leases_corrupt),
		dir_test(test_leases_foreign),
		dir_test(test_wish),
		dir_test(test_wish_refused),
		dir_test(test_wish_taken),
		dir_test(test_wish_corrupt),
		cmocka_unit_test(test_wish_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
