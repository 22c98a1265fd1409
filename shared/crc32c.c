// SPDX-License-Identifier: MIT
#include <string.h>

#include "crc32c.h"

#define LONG_BYTES 8192

/*
 * A nibble at a time: 64 bytes of table. In a fork whose code and data are all
 * cold, a few more instructions cost less than the page faults of a large table.
 */
static const uint32_t nibbles[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t update(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return crc;
}

/* sparse knows neither */
#if defined(__x86_64__) && __has_builtin(__builtin_cpu_supports)
#define HAS_WORDS
#define SSE42 __attribute__((target("sse4.2")))

/* Forty times as fast: a host checks a device state of 600 KB at each fork. */
static SSE42 uint32_t update_words(uint32_t crc, const uint8_t *p, size_t num)
{
	uint64_t sum = crc, word;

	while (num--) {
		memcpy(&word, p, sizeof(word));
		sum = __builtin_ia32_crc32di(sum, word);
		p += sizeof(word);
	}
	return (uint32_t)sum;
}
#endif

uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	crc = ~crc;
#ifdef HAS_WORDS
	if (len >= LONG_BYTES && __builtin_cpu_supports("sse4.2")) {
		crc = update_words(crc, p, len / 8);
		p += len / 8 * 8;
		len %= 8;
	}
#endif
	return ~update(crc, p, len);
}
