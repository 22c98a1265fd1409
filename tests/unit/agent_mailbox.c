// SPDX-License-Identifier: MIT
/* The page's life, on a page of the test's own. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>

#include "mail.h"
#include "mailbox.h"

static struct vmfork_mailbox page;

static struct mailbox setup(void)
{
	memset(&page, 0, sizeof(page));
	return (struct mailbox){
		.page = &page, .page_fd = -1, .pagemap_fd = -1, .gpa = 4096
	};
}

static void mail_put(uint8_t id)
{
	memset(page.mail.restore_id, id, VMFORK_ID_LEN);
	memset(page.mail.payload, id, 64);
	page.mail.arm_seq = page.header.arm_seq;
	mail_seal(&page.mail, 64);
}

static void test_arm(void **state)
{
	struct mailbox mbox = setup();
	uint64_t seq;

	(void)state;
	assert_int_equal(mailbox_arm(&mbox), 0);
	assert_int_equal(header_check(&page.header, mbox.gpa), 0);
	seq = page.header.arm_seq;
	assert_int_equal(mailbox_arm(&mbox), 0);
	assert_int_not_equal(page.header.arm_seq, seq);
	mbox.arm_seq = UINT64_MAX;
	assert_int_equal(mailbox_arm(&mbox), 0);
	assert_int_not_equal(page.header.arm_seq, 0);
}

static void test_take(void **state)
{
	struct mailbox mbox = setup();
	struct vmfork_mail mail;

	(void)state;
	mailbox_arm(&mbox);
	assert_false(mailbox_has_mail(&mbox));
	mail_put(7);
	assert_true(mailbox_has_mail(&mbox));
	mailbox_take(&mbox, &mail);
	assert_int_equal(mail_check(&mail, mbox.arm_seq), 0);
	assert_false(mailbox_has_mail(&mbox));
	/* what may be secret is gone before the page is armed again */
	for (size_t i = 0; i < sizeof(page.mail.payload); i++)
		assert_int_equal(page.mail.payload[i], 0);
	assert_int_equal(mailbox_arm(&mbox), 0);
	assert_int_equal(mail_check(&page.mail, mbox.arm_seq), -ENOMSG);
	mail_put(7); /* the same fork again, by another hand */
	assert_true(mailbox_has_mail(&mbox));
}

/* A fork of a fork: its mail came before the parent's agent armed again. */
static void test_mail_before_arm(void **state)
{
	struct mailbox mbox = setup();
	struct vmfork_mail mail;

	(void)state;
	mbox.gpa = 4096;
	mailbox_arm(&mbox);
	mbox.gpa = 4096; /* of a page whose address is known */
	mail_put(7);
	mailbox_take(&mbox, &mail);
	mail_put(8);
	assert_int_equal(mailbox_arm(&mbox), -EAGAIN);
	assert_int_equal(memcmp(page.header.magic, (uint8_t[])VMFORK_MAGIC,
				VMFORK_MAGIC_LEN),
			 0);
	assert_true(mailbox_has_mail(&mbox));
	mailbox_take(&mbox, &mail);
	assert_int_equal(mail_check(&mail, mbox.arm_seq), 0);
	assert_int_equal(mailbox_arm(&mbox), 0);
}

static void test_request(void **state)
{
	struct mailbox mbox = setup();
	struct vmfork_request request;

	(void)state;
	assert_false(mailbox_next_request(&mbox, &request));
	page.request.op = VMFORK_REQUEST_PROBE;
	page.request.counter = 5;
	assert_true(mailbox_next_request(&mbox, &request));
	assert_int_equal(request.op, VMFORK_REQUEST_PROBE);
	assert_int_equal(mbox.request_seen, 5);
	assert_false(mailbox_next_request(&mbox, &request));
}

static void test_publish(void **state)
{
	struct vmfork_status status = { .generation = 3, .seq = 99 };
	struct mailbox mbox = setup();

	(void)state;
	mailbox_publish(&mbox, &status);
	assert_int_equal(page.status.seq, 2);
	mailbox_publish(&mbox, &status);
	assert_int_equal(page.status.seq, 4);
	assert_int_equal(page.status.generation, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arm),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_mail_before_arm),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_publish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
