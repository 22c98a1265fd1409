/* SPDX-License-Identifier: MIT */
/* The mailbox page, as its guest side sees it. */
#ifndef AGENT_MAILBOX_H
#define AGENT_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "vmfork_mailbox.h"

struct mailbox {
	struct vmfork_mailbox *page;
	int page_fd;	/* keeps the page's memory; -1: anonymous memory */
	int pagemap_fd; /* /proc/self/pagemap; -1: not needed */
	uint64_t gpa;
	uint64_t module_gpa; /* of the module's page; 0: it is ours */
	uint64_t arm_seq;
	uint32_t capabilities;
	uint16_t hint_port;
	uint32_t request_seen;
	uint8_t taken_id[VMFORK_ID_LEN]; /* the mail that was taken last */
};

/**
 * mailbox_open() - Get the page; it is not armed yet
 * @mbox:		out: mailbox
 * @hint_port:		UDP port of hints
 * @capabilities:	VMFORK_CAP_*, without VMFORK_CAP_PINNED
 *
 * Return: 0 or -errno, -EPERM if the page's address is not to be had
 */
int mailbox_open(struct mailbox *mbox, uint16_t hint_port,
		 uint32_t capabilities);

/**
 * mailbox_close() - Disarm, and give the page back
 * @mbox:	mailbox
 */
void mailbox_close(struct mailbox *mbox);

/**
 * mailbox_arm() - Clear the mail, be ready for the next restore
 * @mbox:	mailbox
 *
 * Return: 0, or -EAGAIN if there is mail that was not taken: the old arming
 * stands, the mail is left for mailbox_take()
 */
int mailbox_arm(struct mailbox *mbox);

/**
 * mailbox_has_mail() - Is there mail that was not taken yet?
 * @mbox:	mailbox
 *
 * Return: true if so; nothing says yet that it is valid
 */
bool mailbox_has_mail(const struct mailbox *mbox);

/**
 * mailbox_take() - Move the mail: its payload is in the copy alone then
 * @mbox:	mailbox
 * @mail:	out: private copy, to be checked
 */
void mailbox_take(struct mailbox *mbox, struct vmfork_mail *mail);

/**
 * mailbox_has_moved() - Did the kernel move the page?
 * @mbox:	mailbox
 *
 * Return: true if it did, and mailbox_arm() is due
 */
bool mailbox_has_moved(const struct mailbox *mbox);

/**
 * mailbox_has_request() - Is there a request that was not answered?
 * @mbox:	mailbox
 *
 * Return: true if so; mailbox_next_request() tells which
 */
bool mailbox_has_request(const struct mailbox *mbox);

/**
 * mailbox_next_request() - Look for a request that was not answered
 * @mbox:	mailbox
 * @request:	out: private copy of what is asked; hostile
 *
 * Return: true if there is one; it counts as answered from here on
 */
bool mailbox_next_request(struct mailbox *mbox, struct vmfork_request *request);

/**
 * mailbox_publish() - Write the page's status part
 * @mbox:	mailbox
 * @status:	what it shall say; seq is ours
 */
void mailbox_publish(struct mailbox *mbox, const struct vmfork_status *status);

#endif
