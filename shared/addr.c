// SPDX-License-Identifier: MIT
#include <string.h>

#include "addr.h"

void addr_linklocal(uint8_t addr[16], const uint8_t mac[6])
{
	memset(addr, 0, 16);
	addr[0] = 0xfe;
	addr[1] = 0x80;
	memcpy(addr + 8, mac, 3);
	addr[8] ^= 2; /* universal/local bit */
	addr[11] = 0xff;
	addr[12] = 0xfe;
	memcpy(addr + 13, mac + 3, 3);
}

bool addr_is_prefix(const uint8_t *addr, unsigned int num_bits,
		    unsigned int prefix_len)
{
	for (unsigned int i = prefix_len; i < num_bits; i++) {
		if (addr[i / 8] & (0x80 >> i % 8))
			return false;
	}
	return true;
}
