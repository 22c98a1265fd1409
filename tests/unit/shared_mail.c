// SPDX-License-Identifier: MIT
/* The page: offsets, mail, header; and the acknowledgement. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mail.h"
#include "vmclock.h"
#include "vmfork_ack.h"

#define ARM_SEQ 42
#define GPA	0x1234000

#define assert_at(type, field, at) \
	assert_int_equal(offsetof(struct type, field), at)

/* The numbers of the specification, written down a second time. */
static void offsets(void **state)
{
	(void)state;
	assert_at(vmfork_mailbox, header, 0);
	assert_at(vmfork_mailbox, mail, 256);
	assert_at(vmfork_mailbox, status, 3328);
	assert_at(vmfork_mailbox, request, 3840);
	assert_int_equal(sizeof(struct vmfork_mailbox), 4096);
	assert_at(vmfork_header, crc32c, 252);
	assert_at(vmfork_mail, crc32c, 60);
	assert_at(vmfork_mail, payload, 64);
	assert_at(vmfork_status, seq, 0);
	assert_at(vmfork_status, stage, 4);
	assert_at(vmfork_status, signal, 8);
	assert_at(vmfork_status, error, 12);
	assert_at(vmfork_status, step, 16);
	assert_at(vmfork_status, request_seen, 20);
	assert_at(vmfork_status, generation, 32);
	assert_at(vmfork_status, time_ns, 56);
	assert_at(vmfork_request, counter, 0);
	assert_at(vmfork_request, op, 4);
	assert_at(vmfork_ack, restore_id, 8);
	assert_at(vmfork_ack, nonce, 24);
	assert_at(vmfork_ack, time_ns, 88);
	assert_at(vmfork_ack, crc32c, 164);
	assert_int_equal(sizeof(struct vmfork_ack), 168);
	assert_int_equal(VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT, 1 << 8);
	assert_int_equal(VMCLOCK_FLAG_NOTIFICATION_PRESENT, 1 << 9);
}

static struct vmfork_mail mail_make(uint32_t payload_len)
{
	struct vmfork_mail mail = { .arm_seq = ARM_SEQ };

	memset(mail.restore_id, 1, sizeof(mail.restore_id));
	memset(mail.nonce, 2, sizeof(mail.nonce));
	memset(mail.payload, 3, payload_len);
	mail_seal(&mail, payload_len);
	return mail;
}

static void mail_is_checked(void **state)
{
	struct vmfork_mail mail = mail_make(100);

	(void)state;
	assert_int_equal(mail_check(&mail, ARM_SEQ), 0);
	assert_int_equal(mail_check(&mail, ARM_SEQ + 1), -ESTALE);
	mail.payload[99] ^= 1;
	assert_int_equal(mail_check(&mail, ARM_SEQ), -EBADMSG);
	mail.payload[99] ^= 1;
	mail.payload[100] ^= 1; /* not part of it */
	assert_int_equal(mail_check(&mail, ARM_SEQ), 0);
	mail.nonce[15] ^= 0x80;
	assert_int_equal(mail_check(&mail, ARM_SEQ), -EBADMSG);

	memset(mail.restore_id, 0, sizeof(mail.restore_id));
	mail_seal(&mail, 100);
	assert_int_equal(mail_check(&mail, ARM_SEQ), -ENOMSG);
}

static void mail_length(void **state)
{
	struct vmfork_mail mail = mail_make(VMFORK_PAYLOAD_MAX);

	(void)state;
	assert_int_equal(mail_check(&mail, ARM_SEQ), 0);
	mail.payload_len = VMFORK_PAYLOAD_MAX + 1;
	assert_int_equal(mail_check(&mail, ARM_SEQ), -EMSGSIZE);
	mail.payload_len = UINT32_MAX;
	assert_int_equal(mail_check(&mail, ARM_SEQ), -EMSGSIZE);
	mail = mail_make(0);
	assert_int_equal(mail_check(&mail, ARM_SEQ), 0);
}

/* Each bit of what is sealed matters. */
static void mail_single_bits(void **state)
{
	struct vmfork_mail mail = mail_make(16);
	uint8_t *bytes = (uint8_t *)&mail;

	(void)state;
	for (size_t bit = 0; bit < (VMFORK_MAIL_HEAD_SIZE + 16) * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(mail_check(&mail, ARM_SEQ) < 0);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(mail_check(&mail, ARM_SEQ), 0);
}

static void header_is_checked(void **state)
{
	struct vmfork_header header = { .gpa = GPA, .arm_seq = ARM_SEQ };
	struct vmfork_header bad;

	(void)state;
	header_seal(&header);
	assert_int_equal(header_check(&header, GPA), 0);
	/* a copy elsewhere, as in the page cache */
	assert_int_equal(header_check(&header, GPA + 4096), -EADDRNOTAVAIL);
	bad = header;
	bad.magic[0] = 0;
	assert_int_equal(header_check(&bad, GPA), -ENOMSG);
	bad = header;
	bad.gpa += 4096; /* a decoy that moved itself without a new crc */
	assert_int_equal(header_check(&bad, GPA + 4096), -EBADMSG);
	bad = header;
	header_seal(&bad);
	bad.version++;
	assert_int_equal(header_check(&bad, GPA), -EBADMSG);
	memset(&bad, 0, sizeof(bad));
	assert_int_equal(header_check(&bad, 0), -ENOMSG);
}

static void ack_is_checked(void **state)
{
	uint8_t buf[VMFORK_ACK_SIZE + 1];
	struct vmfork_ack ack = { .kind = VMFORK_ACK_APPLIED };

	(void)state;
	vmfork_ack_seal(&ack);
	memcpy(buf, &ack, sizeof(ack));
	assert_true(vmfork_ack_valid(buf, sizeof(ack)));
	assert_false(vmfork_ack_valid(buf, sizeof(ack) - 1));
	assert_false(vmfork_ack_valid(buf, sizeof(ack) + 1));
	assert_false(vmfork_ack_valid(buf, 0));
	memmove(buf + 1, buf, sizeof(ack)); /* alignment is no matter */
	assert_true(vmfork_ack_valid(buf + 1, sizeof(ack)));
	for (size_t bit = 0; bit < sizeof(ack) * 8; bit++) {
		memcpy(buf, &ack, sizeof(ack));
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(vmfork_ack_valid(buf, sizeof(ack)));
	}
}

static void ack_kinds(void **state)
{
	struct vmfork_ack ack = { 0 };

	(void)state;
	for (uint16_t kind = 0; kind < VMFORK_ACK_NUM + 2; kind++) {
		ack.kind = kind;
		vmfork_ack_seal(&ack);
		assert_int_equal(vmfork_ack_valid(&ack, sizeof(ack)),
				 kind > VMFORK_ACK_NONE &&
					 kind < VMFORK_ACK_NUM);
	}
}

static void ids_are_compared_whole(void **state)
{
	uint8_t a[VMFORK_ID_LEN] = { 0 }, b[VMFORK_ID_LEN] = { 0 };

	(void)state;
	assert_true(vmfork_id_equal(a, b));
	for (size_t i = 0; i < VMFORK_ID_LEN; i++) {
		b[i] = 0x80;
		assert_false(vmfork_id_equal(a, b));
		a[i] = 0x80;
		assert_true(vmfork_id_equal(a, b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offsets),
		cmocka_unit_test(mail_is_checked),
		cmocka_unit_test(mail_length),
		cmocka_unit_test(mail_single_bits),
		cmocka_unit_test(header_is_checked),
		cmocka_unit_test(ack_is_checked),
		cmocka_unit_test(ack_kinds),
		cmocka_unit_test(ids_are_compared_whole),
	};

	return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
