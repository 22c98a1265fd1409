// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "crc32c.h"
#include "mail.h"

static const uint8_t magic[VMFORK_MAGIC_LEN] = VMFORK_MAGIC;

static uint32_t mail_crc(const struct vmfork_mail *mail, size_t payload_len)
{
	uint32_t crc = crc32c(0, mail, offsetof(struct vmfork_mail, crc32c));

	return crc32c(crc, mail->payload, payload_len);
}

void mail_seal(struct vmfork_mail *mail, uint32_t payload_len)
{
	mail->payload_len = payload_len;
	mail->crc32c = mail_crc(mail, payload_len);
}

int mail_check(const struct vmfork_mail *mail, uint64_t arm_seq)
{
	static const uint8_t none[VMFORK_ID_LEN];

	if (!memcmp(mail->restore_id, none, sizeof(none)))
		return -ENOMSG;
	if (mail->payload_len > VMFORK_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (mail->crc32c != mail_crc(mail, mail->payload_len))
		return -EBADMSG;
	if (mail->arm_seq != arm_seq)
		return -ESTALE;
	return 0;
}

void header_seal(struct vmfork_header *header)
{
	memcpy(header->magic, magic, sizeof(magic));
	header->version = VMFORK_MAILBOX_VERSION;
	header->page_size = VMFORK_MAILBOX_SIZE;
	header->crc32c =
		crc32c(0, header, offsetof(struct vmfork_header, crc32c));
}

int header_check(const struct vmfork_header *header, uint64_t gpa)
{
	if (memcmp(header->magic, magic, sizeof(magic)))
		return -ENOMSG;
	if (header->crc32c !=
	    crc32c(0, header, offsetof(struct vmfork_header, crc32c)))
		return -EBADMSG;
	if (header->version != VMFORK_MAILBOX_VERSION ||
	    header->page_size != VMFORK_MAILBOX_SIZE)
		return -EPROTONOSUPPORT;
	if (header->gpa != gpa)
		return -EADDRNOTAVAIL;
	return 0;
}
