// SPDX-License-Identifier: MIT
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <string.h>

#include "addr.h"
#include "announce.h"

static const uint8_t mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

static void test_arp(void **state)
{
	static const uint8_t want[ANNOUNCE_ARP_SIZE] = {
		255,  255,  255,  255, 255,  255,  0x02, 0x11, 0x22,
		0x33, 0x44, 0x55, 8,   6,    0,	   1,	 8,    0,
		6,    4,    0,	  1,   0x02, 0x11, 0x22, 0x33, 0x44,
		0x55, 10,   1,	  2,   3,    0,	   0,	 0,    0,
		0,    0,    10,	  1,   2,    3,
	};
	uint8_t frame[ANNOUNCE_ARP_SIZE];

	(void)state;
	announce_arp_frame(frame, mac, (const uint8_t *)"\x0a\x01\x02\x03");
	assert_memory_equal(frame, want, sizeof(want));
}

/* A receiver's sum, over the pseudo header and the checksum, is all ones. */
static uint16_t received_sum(const uint8_t *ip)
{
	uint32_t sum = 58 + 32;

	for (size_t i = 8; i < 40 + 32; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void test_na(void **state)
{
	uint8_t frame[ANNOUNCE_NA_SIZE], addr[16];
	const uint8_t *ip = frame + 14, *body = ip + 40;

	(void)state;
	addr_linklocal(addr, mac);
	for (int last = 0; last < 256; last++) {
		addr[15] = (uint8_t)last;
		announce_na_frame(frame, mac, addr);
		assert_int_equal(received_sum(ip), 0xffff);
	}
	assert_memory_equal(frame, "\x33\x33\0\0\0\1", 6);
	assert_memory_equal(frame + 6, mac, 6);
	assert_memory_equal(frame + 12, "\x86\xdd\x60\0\0\0\0\x20\x3a\xff", 10);
	assert_memory_equal(ip + 8, addr, 16);
	assert_int_equal(body[0], 136);
	assert_int_equal(body[4], 0x20);
	assert_memory_equal(body + 8, addr, 16);
	assert_memory_equal(body + 24, "\2\1", 2);
	assert_memory_equal(body + 26, mac, 6);
}

static void test_linklocal(void **state)
{
	static const uint8_t want[16] = { 0xfe, 0x80, 0,    0,	  0,	0,
					  0,	0,    0x00, 0x11, 0x22, 0xff,
					  0xfe, 0x33, 0x44, 0x55 };
	uint8_t addr[16];

	(void)state;
	addr_linklocal(addr, mac);
	assert_memory_equal(addr, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_na),
		cmocka_unit_test(test_linklocal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
