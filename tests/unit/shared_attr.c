// SPDX-License-Identifier: MIT
/* The attribute codec: round trips, and lists that are not lists. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "attr.h"
#include "crc32c.h"
#include "vmfork_payload.h"

/* RFC 3720, appendix B.4 */
static void crc32c_vectors(void **state)
{
	uint8_t buf[32];

	(void)state;
	memset(buf, 0, sizeof(buf));
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x46dd794e);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(31 - i);
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x113fdb5c);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* What is long goes another way, to the same end. */
static void crc32c_of_much(void **state)
{
	static uint8_t buf[20003];
	uint32_t crc = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(buf); i++)
		crc = crc32c(crc, buf + i, 1);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(
			crc32c(crc32c(0, buf, i), buf + i, sizeof(buf) - i),
			crc);
}

static void crc32c_in_parts(void **state)
{
	const char *text = "123456789";

	(void)state;
	for (size_t i = 0; i <= 9; i++)
		assert_int_equal(crc32c(crc32c(0, text, i), text + i, 9 - i),
				 0xe3069283);
}

static void round_trip(void **state)
{
	uint8_t buf[64];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	const uint8_t *list = buf, *inner;
	struct attr a;
	size_t nest, len, inner_len;

	(void)state;
	attr_put(&w, 7, "abc", 3);
	nest = attr_nest_start(&w, 9 | VMFORK_ATTR_MANDATORY);
	attr_put(&w, 1, NULL, 0);
	attr_put(&w, 2, "wxyz", 4);
	attr_nest_end(&w, nest);
	assert_false(w.overflow);
	assert_int_equal(w.len, 8 + 4 + 4 + 8);

	len = w.len;
	assert_int_equal(attr_next(&list, &len, &a), 1);
	assert_int_equal(a.type, 7);
	assert_false(a.nested || a.mandatory);
	assert_int_equal(a.len, 3);
	assert_memory_equal(a.value, "abc", 4); /* the padding is zero */
	assert_int_equal(attr_next(&list, &len, &a), 1);
	assert_int_equal(a.type, 9);
	assert_true(a.nested && a.mandatory);
	inner = a.value;
	inner_len = a.len;
	assert_int_equal(attr_next(&list, &len, &a), 0);

	assert_int_equal(attr_next(&inner, &inner_len, &a), 1);
	assert_int_equal(a.len, 0);
	assert_int_equal(attr_next(&inner, &inner_len, &a), 1);
	assert_memory_equal(a.value, "wxyz", 4);
	assert_int_equal(attr_next(&inner, &inner_len, &a), 0);
}

static void last_without_padding(void **state)
{
	const uint8_t buf[] = { 5, 0, 1, 0, 'x' };
	const uint8_t *list = buf;
	size_t len = sizeof(buf);
	struct attr a;

	(void)state;
	assert_int_equal(attr_next(&list, &len, &a), 1);
	assert_int_equal(a.len, 1);
	assert_int_equal(len, 0);
	assert_int_equal(attr_next(&list, &len, &a), 0);
}

static void malformed(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t len;
	} lists[] = {
		{ { 4 }, 1 },			/* half a head */
		{ { 4, 0, 1 }, 3 },		/* most of a head */
		{ { 0, 0, 1, 0 }, 4 },		/* length 0: would never end */
		{ { 3, 0, 1, 0 }, 4 },		/* shorter than its head */
		{ { 5, 0, 1, 0 }, 4 },		/* one byte past the end */
		{ { 0xff, 0xff, 1, 0, 0 }, 5 }, /* far past the end */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const uint8_t *list = lists[i].bytes;
		size_t len = lists[i].len;
		struct attr a;

		assert_int_equal(attr_next(&list, &len, &a), -EBADMSG);
		assert_int_equal(len, lists[i].len);
	}
}

static void overflow_is_remembered(void **state)
{
	uint8_t buf[17];
	struct attr_writer w = { .buf = buf, .size = 16 };
	size_t nest;

	(void)state;
	buf[16] = 0xee;
	attr_put(&w, 1, "12345678", 8);
	assert_false(w.overflow);
	nest = attr_nest_start(&w, 2);
	assert_false(w.overflow);
	attr_put(&w, 3, NULL, 0);
	assert_true(w.overflow);
	assert_int_equal(w.len, 16);
	attr_nest_end(&w, nest);
	attr_put(&w, 4, NULL, 0);
	assert_true(w.overflow);
	assert_int_equal(buf[16], 0xee);
}

static void value_longer_than_a_length_says(void **state)
{
	static uint8_t buf[3 * 65536], value[65536];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct attr_writer nested = w;
	size_t nest;

	(void)state;
	attr_put(&w, 1, value, 65535 - 4);
	assert_false(w.overflow);
	attr_put(&w, 1, value, 65535 - 3);
	assert_true(w.overflow);

	nest = attr_nest_start(&nested, 1);
	attr_put(&nested, 2, value, 40000);
	attr_put(&nested, 2, value, 40000);
	assert_false(nested.overflow);
	attr_nest_end(&nested, nest);
	assert_true(nested.overflow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_vectors),
		cmocka_unit_test(crc32c_in_parts),
		cmocka_unit_test(crc32c_of_much),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(last_without_padding),
		cmocka_unit_test(malformed),
		cmocka_unit_test(overflow_is_remembered),
		cmocka_unit_test(value_longer_than_a_length_says),
	};

	return cmocka_run_group_tests_name("attr", tests, NULL, NULL);
}
