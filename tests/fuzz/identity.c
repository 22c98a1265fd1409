// SPDX-License-Identifier: MIT
// time: 600
/*
 * Mail from a stranger: what a guest reads from its page, and a host from a
 * snapshot. The crc is put right for most inputs, so that mutation gets behind
 * it; what decodes must come back the same after another round.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mail.h"
#include "rules.h"
#include "vmfork_ack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct vmfork_identity *id)
{
	static uint8_t payload[2 * VMFORK_PAYLOAD_MAX];
	struct vmfork_identity copy;
	uint32_t detail;
	int len = identity_encode(id, payload, sizeof(payload));

	if (len < 0 || identity_decode(&copy, payload, (size_t)len, &detail) ||
	    copy.guest.payload_len != id->guest.payload_len ||
	    (copy.guest.payload_len &&
	     memcmp(copy.guest.payload, id->guest.payload,
		    copy.guest.payload_len) != 0))
		abort();
	copy.guest.payload = id->guest.payload;
	if (memcmp(id, &copy, sizeof(copy)) != 0)
		abort();
}

/* A heap copy of exactly that size: AddressSanitizer sees each byte too many. */
static void decode(const uint8_t *data, size_t size)
{
	struct vmfork_identity id;
	uint32_t detail = 0;
	uint8_t *payload = malloc(size ? size : 1);

	if (!payload)
		abort();
	memcpy(payload, data, size);
	if (identity_decode(&id, payload, size, &detail) == 0)
		check_round_trip(&id);
	else if ((detail & 0xff) == VMFORK_WHY_NONE)
		abort();
	free(payload);
}

/* A guest's words about what it refused are as hostile as anything else. */
static void describe(const uint8_t *data, size_t size)
{
	char text[RULES_TEXT_SIZE];
	uint32_t detail;

	if (size < sizeof(detail))
		return;
	memcpy(&detail, data, sizeof(detail));
	if (strlen(rules_describe(detail, text)) >= sizeof(text))
		abort();
}

static void receive(const uint8_t *data, size_t size)
{
	struct vmfork_mail mail = { 0 };
	struct vmfork_header header = { 0 };

	memcpy(&mail, data, size < sizeof(mail) ? size : sizeof(mail));
	if (size % 4 && mail.payload_len <= VMFORK_PAYLOAD_MAX)
		mail_seal(&mail, mail.payload_len);
	if (mail_check(&mail, mail.arm_seq) == 0)
		decode(mail.payload, mail.payload_len);
	memcpy(&header, data, size < sizeof(header) ? size : sizeof(header));
	header_check(&header, header.gpa);
	vmfork_ack_valid(data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	receive(data, size);
	describe(data, size);
	if (size <= UINT16_MAX)
		decode(data, size);
	return 0;
}
