// SPDX-License-Identifier: MIT
/* The arithmetic of addresses and indices. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/pool.h"

static struct net_conf conf_make(const char *addr4, uint8_t prefix4)
{
	struct net_conf conf = { .name = "a",
				 .mac = { 0x02, 0xab, 0xcd },
				 .prefix4 = prefix4,
				 .prefix6 = 64 };
	struct vf_err err;

	inet_pton(AF_INET, addr4, &conf.addr4);
	inet_pton(AF_INET6, "fd12:3456:789a::", &conf.addr6);
	assert_int_equal(pool_set_gateway(&conf, &err), 0);
	return conf;
}

static void test_gateway(void **state)
{
	static const uint8_t mac[6] = { 0x02, 0xab, 0xcd, 0, 0, 1 };
	struct net_conf conf = conf_make("10.231.0.0", 16);
	char text[64];

	(void)state;
	assert_int_equal(ntohl(conf.addr4.s_addr), 0x0ae70001);
	assert_memory_equal(conf.mac, mac, 6);
	inet_ntop(AF_INET6, &conf.addr6, text, sizeof(text));
	assert_string_equal(text, "fd12:3456:789a::1");
	assert_int_equal(pool_last(&conf), 65534);
	assert_true(pool_is_gateway(&conf, 1));
	assert_false(pool_is_gateway(&conf, 2));
	/* a bridge elsewhere in its subnet: both of its host parts are taken */
	conf = conf_make("10.231.1.44", 16);
	assert_int_equal(conf.mac[4], 1);
	assert_int_equal(conf.mac[5], 44);
	assert_true(pool_is_gateway(&conf, 300));
	assert_true(pool_is_gateway(&conf, 1));
}

static void test_gateway_refused(void **state)
{
	struct net_conf good = conf_make("10.231.0.1", 24), conf;
	struct vf_err err;

	(void)state;
	conf = good;
	conf.prefix4 = 7;
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf.prefix4 = 29;
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf = good;
	conf.prefix6 = 63;
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf = good;
	conf.addr4.s_addr = htonl(0x0ae700ff); /* broadcast */
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf.addr4.s_addr = htonl(0x7f000001);
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf.addr4.s_addr = htonl(0xe0000001);
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
	conf = good;
	conf.addr6.s6_addr[0] = 0xff;
	assert_int_equal(pool_set_gateway(&conf, &err), -EINVAL);
}

static void test_fill(void **state)
{
	static const uint8_t mac[6] = { 0x02, 0xab, 0xcd, 0x01, 0x02, 0x03 };
	struct net_conf conf = conf_make("10.0.0.1", 8);
	struct net_port port = { .index = 0x010203 };
	struct in6_addr link_local;
	char text[64];

	(void)state;
	pool_fill(&conf, &port);
	assert_memory_equal(port.mac, mac, 6);
	assert_int_equal(ntohl(port.addr4[0].s_addr), 0x0a010203);
	inet_ntop(AF_INET6, &port.addr6[0], text, sizeof(text));
	assert_string_equal(text, "fd12:3456:789a::1:203");
	link_local = pool_link_local(port.mac);
	inet_ntop(AF_INET6, &link_local, text, sizeof(text));
	assert_string_equal(text, "fe80::ab:cdff:fe01:203");
}

static void test_find(void **state)
{
	struct net_conf conf = conf_make("10.1.1.0", 28); /* 2 to 14 */
	uint32_t all[13];
	const uint32_t some[] = { 2, 3, 5, 14 };

	(void)state;
	assert_int_equal(pool_find(&conf, 0, NULL, 0), 2);
	assert_int_equal(pool_find(&conf, 1, NULL, 0), 2);
	assert_int_equal(pool_find(&conf, 7, NULL, 0), 7);
	assert_int_equal(pool_find(&conf, 15, NULL, 0), 2);
	assert_int_equal(pool_find(&conf, UINT32_MAX, NULL, 0), 2);
	assert_int_equal(pool_find(&conf, 1, some, 4), 4);
	assert_int_equal(pool_find(&conf, 5, some, 4), 6);
	assert_int_equal(pool_find(&conf, 14, some, 4), 4);
	for (uint32_t i = 0; i < 13; i++)
		all[i] = i + 2;
	for (uint32_t cursor = 0; cursor < 17; cursor++)
		assert_int_equal(pool_find(&conf, cursor, all, 13), 0);
	assert_int_equal(pool_find(&conf, 3, all, 12), 14);
	assert_int_equal(pool_find(&conf, 9, all + 1, 12), 2);
}

static void test_overlaps(void **state)
{
	struct in_addr a, b;

	(void)state;
	inet_pton(AF_INET, "10.231.0.1", &a);
	inet_pton(AF_INET, "10.231.255.9", &b);
	assert_true(pool_overlaps(a, 16, b, 32));
	assert_true(pool_overlaps(a, 16, b, 8));
	assert_false(pool_overlaps(a, 24, b, 24));
	assert_true(pool_overlaps(a, 32, a, 32));
	assert_false(pool_overlaps(a, 32, b, 32));
	assert_true(pool_overlaps(a, 0, b, 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_gateway_refused),
		cmocka_unit_test(test_fill),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
