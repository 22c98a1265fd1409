/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the mailbox: find it, write a fork's mail into it, read what
 * became of that. Asking a running guest is request.h's. The page is hostile
 * input: it is copied once and the copy is validated; nothing in it is used as a
 * length or an address unchecked.
 */
#ifndef VF_MAILBOX_H
#define VF_MAILBOX_H

#include <errno.h>
#include <netinet/in.h>

#include "mail.h"
#include "net/net.h"
#include "vmm/vmm.h"

#define MAILBOX_CANDIDATES 8

/* What one VM is told, and the secret that its answer bears. */
struct letter {
	uint8_t restore_id[VMFORK_ID_LEN];
	uint8_t nonce[VMFORK_ID_LEN];
	/* when the time was written down, on vf_now_us()'s clock; 0: it was not */
	int64_t stamped_us;
	struct vmfork_identity identity;
};

/**
 * guest_errno() - An errno that a guest tells
 * @error:	as it came
 *
 * Return: it, if it is one; else EPROTO
 */
static inline int guest_errno(uint32_t error)
{
	return error >= 1 && error < 4096 ? (int)error : EPROTO;
}

/* One interface of a VM, as its letter tells of it. */
struct letter_link {
	const struct net_conf *conf; /* gateway */
	const struct net_port *port;
	const uint8_t *old_mac; /* that the interface has now */
	uint32_t mtu;		/* 0: the interface's own */
	unsigned int num_routes;
	const struct identity_route *routes;
};

/**
 * letter_init() - Write a VM's identity on its networks into a letter
 * @letter:	out; restore id and nonce are fresh random numbers
 * @links:	its interfaces; the acknowledgement comes over the first
 * @num:	how many, 1 to IDENTITY_LINKS_MAX
 * @ack_port:	UDP port where the acknowledgement is awaited; 0: nowhere
 * @err:	error
 *
 * Return: 0 or -errno
 */
int letter_init(struct letter *letter, const struct letter_link *links,
		unsigned int num, uint16_t ack_port, struct vf_err *err);

/**
 * letter_stamp() - Write down what time it is
 * @guest:	what a guest is told; untouched if it is not told the time
 */
void letter_stamp(struct identity_guest *guest);

/**
 * letter_check() - Would a guest take it?
 * @letter:	letter
 * @err:	error, which names the attribute that is wrong, or what could be
 *		shorter
 *
 * Return: 0 or -errno as identity_decode()'s, -EMSGSIZE if it is too long
 */
int letter_check(const struct letter *letter, struct vf_err *err);

/**
 * letter_seal() - Make the mail of a letter
 * @letter:	letter
 * @arm_seq:	arm sequence that it answers; 0: mail at boot
 * @mail:	out
 * @err:	error
 *
 * Return: 0 or -errno
 */
int letter_seal(const struct letter *letter, uint64_t arm_seq,
		struct vmfork_mail *mail, struct vf_err *err);

/**
 * mailbox_read() - Copy a mailbox page and validate its header
 * @vmm:	engine
 * @gpa:	where it is said to be
 * @page:	out
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if no armed mailbox is there
 */
int mailbox_read(struct vmm *vmm, uint64_t gpa, struct vmfork_mailbox *page,
		 struct vf_err *err);

/**
 * mailbox_is_spinning() - Was its agent looking at it all the time?
 * @page:	copy of a page of a moment in which the VM stood still
 *
 * Return: true if it says so
 */
static inline bool mailbox_is_spinning(const struct vmfork_mailbox *page)
{
	return !(page->status.seq & 1) && page->status.spinning == 1;
}

/**
 * mailbox_search() - Look for mailboxes in a memory image
 * @image_fd:	directory of the image
 * @file:	which of its files to search
 * @image:	image
 * @found:	out: guest-physical addresses
 * @err:	error
 *
 * Return: how many there are, at most MAILBOX_CANDIDATES, or -errno
 */
int mailbox_search(int image_fd, const char *file,
		   const struct vmm_image *image,
		   uint64_t found[MAILBOX_CANDIDATES], struct vf_err *err);

/**
 * mailbox_find() - Look for mailboxes in the memory of a VM that runs
 * @vmm:	engine
 * @is_fork:	its memory began as a snapshot's
 * @deadline_us: on vf_now_us()'s clock
 * @found:	out: guest-physical addresses
 * @err:	error
 *
 * Return: how many there are, at most MAILBOX_CANDIDATES, or -errno, -ETIMEDOUT,
 * -ECANCELED
 */
int mailbox_find(struct vmm *vmm, bool is_fork, int64_t deadline_us,
		 uint64_t found[MAILBOX_CANDIDATES], struct vf_err *err);

/**
 * mailbox_post() - Write mail into the mailbox of a VM whose vCPUs stand still
 * @vmm:	engine
 * @gpa:	mailbox
 * @letter:	what to write; it is stamped
 * @err:	error
 *
 * Mail that was there is written over: a snapshot may have been taken while it
 * was pending.
 *
 * Return: 0 or -errno
 */
int mailbox_post(struct vmm *vmm, uint64_t gpa, struct letter *letter,
		 struct vf_err *err);

/**
 * mailbox_status() - Read what the guest did with its last mail
 * @vmm:		engine, running or not
 * @gpa:		mailbox
 * @status:		out: a consistent copy
 * @deadline_us:	on vf_now_us()'s clock, for a guest that never stops
 *			writing it
 * @err:		error
 *
 * Return: 0 or -errno, -ETIMEDOUT
 */
int mailbox_status(struct vmm *vmm, uint64_t gpa, struct vmfork_status *status,
		   int64_t deadline_us, struct vf_err *err);

#endif
