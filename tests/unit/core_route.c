// SPDX-License-Identifier: MIT
/* Routes as words: what is read, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "core/route.h"

static struct identity_route parse(const char *text)
{
	struct identity_route route;
	const char *why = "";

	if (route_parse(&route, text, &why) < 0)
		fail_msg("'%s': %s", text, why);
	return route;
}

static void test_unicast(void **state)
{
	struct identity_route r = parse("10.99.0.0/16 via 10.1.0.1 metric 7 "
					"src 10.1.0.9");

	(void)state;
	assert_false(r.is_ipv6 || r.is_blackhole);
	assert_true(r.has_gateway && r.has_metric && r.has_source);
	assert_int_equal(r.dst_len, 16);
	assert_memory_equal(r.dst, "\x0a\x63\0\0", 4);
	assert_memory_equal(r.gateway, "\x0a\1\0\1", 4);
	assert_memory_equal(r.source, "\x0a\1\0\x09", 4);
	assert_int_equal(r.metric, 7);

	r = parse("  fd00:1::/32   metric 4294967295 via fd00::1 ");
	assert_true(r.is_ipv6 && r.has_gateway && !r.has_source);
	assert_int_equal(r.dst_len, 32);
	assert_int_equal(r.metric, UINT32_MAX);
	assert_int_equal(r.gateway[15], 1);

	r = parse("192.0.2.1");
	assert_int_equal(r.dst_len, 32);
	assert_false(r.has_gateway || r.has_metric);
}

static void test_default(void **state)
{
	struct identity_route r = parse("default via 10.1.0.1");

	(void)state;
	assert_true(!r.is_ipv6 && r.has_gateway);
	assert_int_equal(r.dst_len, 0);
	r = parse("default metric 5 via fd00::1");
	assert_true(r.is_ipv6 && r.has_metric);
	assert_int_equal(r.dst_len, 0);
	r = parse("::/0 via fd00::1");
	assert_true(r.is_ipv6);
	assert_int_equal(r.dst_len, 0);
}

static void test_blackhole(void **state)
{
	struct identity_route r = parse("blackhole 198.51.100.0/24 metric 9");

	(void)state;
	assert_true(r.is_blackhole && !r.has_gateway && r.has_metric);
	assert_int_equal(r.dst_len, 24);
	r = parse("blackhole ::/0");
	assert_true(r.is_blackhole && r.is_ipv6);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"blackhole",
		"blackhole default",
		"blackhole 10.0.0.0/8 via 10.1.0.1",
		"blackhole 10.0.0.0/8 src 10.1.0.1",
		"default",
		"default metric 5",
		"default src 10.1.0.1 via fd00::1",
		"default via",
		"default via x",
		"10.0.0.1/8 via 10.1.0.1",
		"10.0.0.0/33 via 10.1.0.1",
		"10.0.0.0/ via 10.1.0.1",
		"10.0.0.0/-1 via 10.1.0.1",
		"10.0.0.0/8x via 10.1.0.1",
		"10.0.0/8 via 10.1.0.1",
		"fd00::1/64 via fd00::1",
		"fd00::/129 via fd00::1",
		"10.0.0.0/8 via fd00::1",
		"fd00::/64 via 10.1.0.1",
		"10.0.0.0/8 via 10.1.0.1 metric",
		"10.0.0.0/8 via 10.1.0.1 metric x",
		"10.0.0.0/8 via 10.1.0.1 metric -1",
		"10.0.0.0/8 via 10.1.0.1 metric 4294967296",
		"10.0.0.0/8 via 10.1.0.1 src fd00::1",
		"10.0.0.0/8 via 10.1.0.1 dev eth0",
		"10.0.0.0/8 10.1.0.1",
	};
	struct identity_route route;
	char text[300];
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		why = NULL;
		if (route_parse(&route, texts[i], &why) != -EINVAL || !why)
			fail_msg("'%s' is taken", texts[i]);
	}
	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(route_parse(&route, text, &why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unicast),
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_blackhole),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
