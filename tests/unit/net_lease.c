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
	static const char *const keys[] = { "name", "bridge", "mac", "ipv4",
					    "ipv6", "open",   "nat" };
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
		assert_int_equal(record_from_json(&conf, json, &dir->err),
				 -EBADMSG);
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

#define dir_test(name) \
	cmocka_unit_test_setup_teardown(name, dir_setup, dir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		dir_test(test_record),	       dir_test(test_port),
		dir_test(test_leases),	       dir_test(test_leases_corrupt),
		dir_test(test_leases_foreign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
