/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The acknowledgement: one UDP datagram of exactly VMFORK_ACK_SIZE bytes, from
 * the fork's new address to the address and port that its mail named.
 *
 * It holds no text and no length. The restore id says which fork it is about,
 * the nonce proves that the sender has read that fork's mail. The guest repeats
 * it with growing pauses until the host answers with the same datagram, its
 * kind set to VMFORK_ACK_ANSWER and its answer field to the kind that it
 * answers; after VMFORK_ACK_GIVE_UP_S seconds the status part of the mailbox
 * alone tells. A repeated datagram differs from the first in attempt and crc.
 *
 * Where the mail has VMFORK_A_STAGES, there is a VMFORK_ACK_STAGE more for each
 * stage that is reached, its stage field saying which. Nothing gets through
 * before the network is new, so the first three come together, right before
 * VMFORK_ACK_APPLIED. They are neither repeated nor answered: some may be lost.
 */
#ifndef VMFORK_ACK_H
#define VMFORK_ACK_H

#include "vmfork_mailbox.h"

#define VMFORK_ACK_MAGIC     0x4b434156 /* "VACK" */
#define VMFORK_ACK_VERSION   1
#define VMFORK_ACK_SIZE	     168
#define VMFORK_ACK_GIVE_UP_S 60

enum vmfork_ack_kind {
	VMFORK_ACK_NONE,
	VMFORK_ACK_ARMED,   /* mail at boot was applied; the page is armed */
	VMFORK_ACK_APPLIED, /* the new address works */
	VMFORK_ACK_SETTLED, /* all is done and the page is armed again */
	VMFORK_ACK_FAILED,  /* error and step say why; old network kept */
	VMFORK_ACK_ANSWER,  /* host to guest */
	VMFORK_ACK_STAGE,   /* a stage was reached */
	VMFORK_ACK_NUM
};

struct vmfork_ack {
	__le32 magic;
	__le16 version;
	__le16 kind; /* enum vmfork_ack_kind */
	__u8 restore_id[VMFORK_ID_LEN];
	__u8 nonce[VMFORK_ID_LEN];
	__le64 gpa; /* of the mailbox page */
	__le64 arm_seq;
	__le64 generation;
	__le32 stage;	   /* enum vmfork_stage */
	__le32 signal;	   /* enum vmfork_signal */
	__le32 error;	   /* errno */
	__le32 step;	   /* enum vmfork_step */
	__le32 attempt;	   /* counts from 0 */
	__le32 answer;	   /* VMFORK_ACK_ANSWER: the kind answered */
	__le64 time_ns[8]; /* guest's CLOCK_MONOTONIC at each stage */
	__le64 sent_ns;	   /* the same clock, as it is about to be sent */
	__le32 detail;	   /* of VMFORK_STEP_DECODE: see struct vmfork_status */
	__le32 crc32c;	   /* over all that precedes it */
};

/**
 * vmfork_ack_seal() - Fill in magic, version and crc of a datagram
 * @ack:	datagram, all other fields set
 */
void vmfork_ack_seal(struct vmfork_ack *ack);

/**
 * vmfork_ack_valid() - Check a received datagram's form
 * @buf:	what was received
 * @len:	its length in bytes
 *
 * The nonce is not looked at: see vmfork_id_equal().
 *
 * Return: true if @buf holds a whole acknowledgement of a known kind
 */
_Bool vmfork_ack_valid(const void *buf, size_t len);

/**
 * vmfork_id_equal() - Compare two ids or nonces in constant time
 * @a:		VMFORK_ID_LEN bytes
 * @b:		VMFORK_ID_LEN bytes
 *
 * Return: true if they are the same
 */
_Bool vmfork_id_equal(const __u8 *a, const __u8 *b);

static_assert(sizeof(struct vmfork_ack) == VMFORK_ACK_SIZE, "ack");

#endif
