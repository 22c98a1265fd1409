// SPDX-License-Identifier: MIT
/* What a rate may look like. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>

#include "base/cleanup.h"
#include "net/network.h"
#include "net/shape.h"

static void rates(void **state)
{
	static const struct {
		const char *text;
		int ret;
		uint64_t bits;
	} cases[] = {
		{ "8000", 0, 8000 },
		{ "8kbit", 0, 8000 },
		{ "10mbit", 0, 10000000 },
		{ "1.5mbit", 0, 1500000 },
		{ "1gbit", 0, 1000000000 },
		{ "100gbit", 0, 100000000000 },
		{ "64000bit", 0, 64000 },
		{ "7999", -ERANGE, 0 },
		{ "0", -ERANGE, 0 },
		{ "100.1gbit", -ERANGE, 0 },
		{ "99999999999999999999999999999999999999gbit", -ERANGE, 0 },
		{ "", -EBADMSG, 0 },
		{ "mbit", -EBADMSG, 0 },
		{ "10mb", -EBADMSG, 0 },
		{ "10 mbit", -EBADMSG, 0 },
		{ " 10mbit", -EBADMSG, 0 },
		{ "10MBIT", -EBADMSG, 0 },
		{ "-10mbit", -EBADMSG, 0 },
		{ "+10mbit", -EBADMSG, 0 },
		{ ".5gbit", -EBADMSG, 0 },
		{ "1.2.3mbit", -EBADMSG, 0 },
		{ "1e6", -EBADMSG, 0 },
		{ "0x10mbit", -EBADMSG, 0 },
		{ "inf", -EBADMSG, 0 },
		{ "nan", -EBADMSG, 0 },
		{ "10mbit,", -EBADMSG, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bits = 0;
		int ret = shape_parse(&bits, cases[i].text);

		if (ret != cases[i].ret || bits != cases[i].bits)
			fail_msg("%s: %d, %llu", cases[i].text, ret,
				 (unsigned long long)bits);
	}
}

/* A TAP that is there keeps its device; what is not called so is none. */
static void strays(void **state)
{
	struct tap_link tap = { .name = "vf0a1b2c" };
	struct tap_links links = { .links = &tap };

	(void)state;
	assert_true(shape_is_stray("vf0a1b2ci", &links));
	links.num = 1;
	assert_false(shape_is_stray("vf0a1b2ci", &links));
	assert_true(shape_is_stray("vf0a1b2i", &links));
	assert_false(shape_is_stray("vf0a1b2c", &links));
	assert_false(shape_is_stray("i", &links));
	assert_false(shape_is_stray("", &links));
	assert_false(shape_is_stray("eth0i", &links));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(strays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
