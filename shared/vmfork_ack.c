// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>

#include "crc32c.h"
#include "vmfork_ack.h"

void vmfork_ack_seal(struct vmfork_ack *ack)
{
	ack->magic = VMFORK_ACK_MAGIC;
	ack->version = VMFORK_ACK_VERSION;
	ack->crc32c = crc32c(0, ack, offsetof(struct vmfork_ack, crc32c));
}

bool vmfork_ack_valid(const void *buf, size_t len)
{
	struct vmfork_ack ack;

	if (len != sizeof(ack))
		return false;
	memcpy(&ack, buf, sizeof(ack));
	return ack.magic == VMFORK_ACK_MAGIC &&
	       ack.version == VMFORK_ACK_VERSION &&
	       ack.kind > VMFORK_ACK_NONE && ack.kind < VMFORK_ACK_NUM &&
	       ack.crc32c ==
		       crc32c(0, &ack, offsetof(struct vmfork_ack, crc32c));
}

bool vmfork_id_equal(const __u8 *a, const __u8 *b)
{
	/* volatile: the compiler must not leave the loop early */
	volatile __u8 differs = 0;

	for (size_t i = 0; i < VMFORK_ID_LEN; i++)
		differs = differs | (a[i] ^ b[i]);
	return differs == 0;
}
