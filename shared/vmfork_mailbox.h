/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The resume network mailbox: ABI version 1.
 *
 * The mailbox is one 4096-byte page of guest memory, page aligned, at an
 * address that does not change while it is armed. A guest agent owns it; the
 * host writes into it while a fork's vCPUs stand still. It is how a restored VM
 * learns who it is without being asked anything over a network that, as it
 * wakes up, is still its parent's.
 *
 * All integers are little endian and naturally aligned, all reserved bytes are
 * zero. The page has four parts and each has one writer:
 *
 *	   0  header   guest, when it arms
 *	 256  mail     host, into a VM whose vCPUs stand still (cleared by the
 *		       guest when it arms again)
 *	3328  status   guest, at any time, under a sequence lock
 *	3840  request  host, into a running guest, at any time
 *
 * HEADER. The guest fills it when it *arms*, that is, when it is ready for the
 * next restore: magic, version, page size, the guest-physical address of the
 * page itself, the arm sequence (which differs at each arming), what the agent
 * can do, the UDP port where it listens for hints, and the crc32c of all that.
 * A host that searches for the page looks at page boundaries only, checks the
 * crc, and believes a page only if the address that it claims is the one where
 * it stands; so a copy in the page cache is no mailbox. An agent that ends in
 * an orderly way clears the magic. A page whose agent was killed remains as a
 * corpse until the kernel reuses it: a host that has to be sure that a page
 * lives asks it (see REQUEST).
 *
 * MAIL. One message: a restore id (128 random bits, never zero, unique even
 * among the forks of one snapshot), a nonce (128 random bits, the secret that
 * authenticates the acknowledgement), the arm sequence that it answers, and a
 * payload of attributes. The crc32c covers the mail's first 60 bytes followed
 * by the payload. There is mail if and only if the restore id is not zero. The
 * guest refuses mail whose crc, length or arm sequence is wrong, or whose
 * payload does not parse, as a whole, and says so in the status.
 *
 * The same 3072 bytes, with arm sequence 0, are the mail of a VM that boots:
 * under QEMU the fw_cfg file "opt/org.vmfork/mail".
 *
 * PAYLOAD. A list of attributes in netlink's format: u16 length (header
 * included), u16 type, value, padding to 4 bytes. The type's bit 15 says that
 * the value is again a list; bit 14 that a reader which does not know the
 * attribute must refuse the mail; unknown attributes without it are skipped.
 *
 *	VMFORK_A_LINK		nested, repeated: one per interface
 *	  VMFORK_L_MATCH_MAC	6 bytes: the interface's MAC before the mail
 *	  VMFORK_L_MATCH_NAME	string without NUL, 1 to 15 bytes
 *	  VMFORK_L_MATCH_INDEX	u32
 *				(exactly one of the three)
 *	  VMFORK_L_MAC		6 bytes, unicast: the new address
 *	  VMFORK_L_MTU		u32, 68 to 65535 (1280 at least with IPv6)
 *	  VMFORK_L_ADDR4	struct vmfork_addr4, repeated
 *	  VMFORK_L_ADDR6	struct vmfork_addr6, repeated
 *	  VMFORK_L_GATEWAY4	4 bytes: next hop of the IPv4 default route
 *	  VMFORK_L_GATEWAY6	16 bytes: next hop of the IPv6 default route
 *	  VMFORK_L_GATEWAY_MAC	6 bytes: link-layer address of both gateways
 *	VMFORK_A_ACK		nested: whom to tell
 *	  VMFORK_K_ADDR4	4 bytes
 *	  VMFORK_K_ADDR6	16 bytes (exactly one of the two)
 *	  VMFORK_K_PORT		u16, not 0
 *
 * An interface that no VMFORK_A_LINK names is left alone. On one that is named,
 * the addresses that it had are removed, the link-local IPv6 address included,
 * which is replaced by the one that belongs to the new MAC (RFC 4291, app. A).
 *
 * STATUS. What the guest did with the last mail: the stage reached, the signal
 * that woke it, errno and failing step if it failed, its CLOCK_MONOTONIC at
 * each stage, the restore id, and how many restores it has counted. A reader
 * takes the sequence, the words and the sequence again, and retries while it
 * is odd or has moved.
 *
 * REQUEST. The host writes the operation, then raises the counter. The guest
 * looks once a second, and at once when any datagram reaches its hint port
 * (what the datagram holds is ignored), and answers by copying the counter to
 * the status part's request_seen, with the result beside it. A page that does
 * not answer is dead.
 *
 * ACKNOWLEDGEMENT. See vmfork_ack.h.
 */
#ifndef VMFORK_MAILBOX_H
#define VMFORK_MAILBOX_H

#include <linux/types.h>

#define VMFORK_MAILBOX_VERSION 1
#define VMFORK_MAILBOX_SIZE    4096

#define VMFORK_MAGIC_LEN 16
/* Not text, so that no document or string table holds it by chance. */
#define VMFORK_MAGIC                                                        \
	{                                                                   \
		0xf0, 0x9f, 0x93, 0xac, 'v', 'm', 'f', 'o', 'r', 'k', 0xc3, \
			0x1a, 0x8e, 0x52, 0x07, 0xd9                        \
	}

#define VMFORK_ID_LEN	      16
#define VMFORK_HEADER_OFFSET  0
#define VMFORK_MAIL_OFFSET    256
#define VMFORK_MAIL_SIZE      3072
#define VMFORK_MAIL_HEAD_SIZE 64
#define VMFORK_PAYLOAD_MAX    (VMFORK_MAIL_SIZE - VMFORK_MAIL_HEAD_SIZE)
#define VMFORK_STATUS_OFFSET  3328
#define VMFORK_REQUEST_OFFSET 3840

/* Where a booting guest finds its mail under QEMU. */
#define VMFORK_FW_CFG_NAME "opt/org.vmfork/mail"

/* struct vmfork_header.capabilities */
#define VMFORK_CAP_IPV6	   (1U << 0) /* the guest has IPv6 */
#define VMFORK_CAP_REQUEST (1U << 1) /* it answers requests */
#define VMFORK_CAP_PINNED  (1U << 2) /* the page cannot move */

struct vmfork_header {
	__u8 magic[VMFORK_MAGIC_LEN];
	__le32 version;
	__le32 page_size;
	__le64 gpa;	     /* guest-physical address of the page */
	__le64 arm_seq;	     /* never 0 while armed */
	__le32 capabilities; /* VMFORK_CAP_* */
	__le16 hint_port;    /* UDP, 0 if none */
	__u8 reserved[206];
	__le32 crc32c; /* over all that precedes it */
};

struct vmfork_mail {
	__u8 restore_id[VMFORK_ID_LEN];
	__u8 nonce[VMFORK_ID_LEN];
	__le64 arm_seq;	    /* of the header it answers; 0 at boot */
	__le32 payload_len; /* bytes, at most VMFORK_PAYLOAD_MAX */
	__u8 reserved[16];
	__le32 crc32c; /* over all that precedes it and the payload */
	__u8 payload[VMFORK_PAYLOAD_MAX];
};

/* How far the guest got with a mail; a stage includes all before it. */
enum vmfork_stage {
	VMFORK_STAGE_NONE,
	VMFORK_STAGE_SIGNAL,  /* it noticed the restore */
	VMFORK_STAGE_MAIL,    /* it holds valid mail */
	VMFORK_STAGE_APPLIED, /* its network is the new one */
	VMFORK_STAGE_ACKED,   /* the host answered over it */
	VMFORK_STAGE_SETTLED, /* everything else is done, armed again */
	VMFORK_STAGE_NUM
};

/* What made the guest look. */
enum vmfork_signal {
	VMFORK_SIGNAL_NONE,
	VMFORK_SIGNAL_MAILBOX,	    /* the vmfork_mailbox module */
	VMFORK_SIGNAL_VMCLOCK,	    /* /dev/vmclock0: poll, or 1 ms samples */
	VMFORK_SIGNAL_VMCLOCK_SPIN, /* the mapped VMClock page, watched */
	VMFORK_SIGNAL_VMGENID,	    /* the kernel's log line */
	VMFORK_SIGNAL_CHECK,	    /* nothing did: the slow check found mail */
	VMFORK_SIGNAL_BOOT,	    /* mail at boot */
	VMFORK_SIGNAL_NUM
};

/* Where it failed; 0 if it did not. */
enum vmfork_step {
	VMFORK_STEP_NONE,
	VMFORK_STEP_MAIL,   /* no mail came: errno ETIMEDOUT */
	VMFORK_STEP_VERIFY, /* crc, length or arm sequence */
	VMFORK_STEP_DECODE, /* the payload's attributes */
	VMFORK_STEP_MATCH,  /* no such interface; E2BIG: too much on it */
	VMFORK_STEP_LINK,   /* MAC, MTU, up */
	VMFORK_STEP_ADDR_DEL,
	VMFORK_STEP_ADDR_ADD,
	VMFORK_STEP_NEIGH,
	VMFORK_STEP_ROUTE,
	VMFORK_STEP_UNDO, /* the way back: the old network is not whole either */
	VMFORK_STEP_NUM
};

/* The kernel's random numbers, where the kernel does not see to them itself. */
enum vmfork_reseed {
	VMFORK_RESEED_NONE, /* not the agent's business */
	VMFORK_RESEED_DONE,
	VMFORK_RESEED_FAILED, /* the numbers may be the parent's */
	VMFORK_RESEED_NUM
};

struct vmfork_status {
	__le32 seq;	       /* odd while the guest writes */
	__le32 stage;	       /* enum vmfork_stage */
	__le32 signal;	       /* enum vmfork_signal */
	__le32 error;	       /* errno, 0 if none */
	__le32 step;	       /* enum vmfork_step */
	__le32 request_seen;   /* the last request counter answered */
	__le32 request_result; /* errno, 0 if done */
	__le32 reseed;	       /* enum vmfork_reseed */
	__le64 generation;     /* restores counted since the guest booted */
	__u8 restore_id[VMFORK_ID_LEN];
	__le64 time_ns[8]; /* CLOCK_MONOTONIC at each stage, 0 if not reached */
	__u8 reserved[392];
};

enum vmfork_request_op {
	VMFORK_REQUEST_NONE,
	VMFORK_REQUEST_PROBE, /* answer; nothing else */
	VMFORK_REQUEST_NUM
};

struct vmfork_request {
	__le32 counter;
	__le32 op; /* enum vmfork_request_op */
	__u8 reserved[248];
};

/* The page as a whole. */
struct vmfork_mailbox {
	struct vmfork_header header;
	struct vmfork_mail mail;
	struct vmfork_status status;
	struct vmfork_request request;
};

#define VMFORK_ATTR_NESTED    0x8000
#define VMFORK_ATTR_MANDATORY 0x4000
#define VMFORK_ATTR_TYPE_MASK 0x3fff

enum vmfork_attr_mail {
	VMFORK_A_UNSPEC,
	VMFORK_A_LINK,
	VMFORK_A_ACK,
	VMFORK_A_NUM
};

enum vmfork_attr_link {
	VMFORK_L_UNSPEC,
	VMFORK_L_MATCH_MAC,
	VMFORK_L_MATCH_NAME,
	VMFORK_L_MATCH_INDEX,
	VMFORK_L_MAC,
	VMFORK_L_MTU,
	VMFORK_L_ADDR4,
	VMFORK_L_ADDR6,
	VMFORK_L_GATEWAY4,
	VMFORK_L_GATEWAY6,
	VMFORK_L_GATEWAY_MAC,
	VMFORK_L_NUM
};

enum vmfork_attr_ack {
	VMFORK_K_UNSPEC,
	VMFORK_K_ADDR4,
	VMFORK_K_ADDR6,
	VMFORK_K_PORT,
	VMFORK_K_NUM
};

struct vmfork_addr4 {
	__u8 addr[4];
	__u8 prefix_len; /* 0 to 32 */
	__u8 reserved[3];
};

struct vmfork_addr6 {
	__u8 addr[16];
	__u8 prefix_len; /* 0 to 128 */
	__u8 reserved[3];
};

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#else
#include <assert.h>
#include <stddef.h>
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the mailbox is little endian, and so far every machine that runs it"
#endif
#endif

#define VMFORK_ASSERT_AT(type, field, at) \
	static_assert(offsetof(struct type, field) == (at), #type "." #field)

VMFORK_ASSERT_AT(vmfork_header, version, 16);
VMFORK_ASSERT_AT(vmfork_header, gpa, 24);
VMFORK_ASSERT_AT(vmfork_header, arm_seq, 32);
VMFORK_ASSERT_AT(vmfork_header, capabilities, 40);
VMFORK_ASSERT_AT(vmfork_header, hint_port, 44);
VMFORK_ASSERT_AT(vmfork_header, crc32c, 252);
VMFORK_ASSERT_AT(vmfork_mail, nonce, 16);
VMFORK_ASSERT_AT(vmfork_mail, arm_seq, 32);
VMFORK_ASSERT_AT(vmfork_mail, payload_len, 40);
VMFORK_ASSERT_AT(vmfork_mail, crc32c, 60);
VMFORK_ASSERT_AT(vmfork_mail, payload, VMFORK_MAIL_HEAD_SIZE);
VMFORK_ASSERT_AT(vmfork_status, generation, 32);
VMFORK_ASSERT_AT(vmfork_status, restore_id, 40);
VMFORK_ASSERT_AT(vmfork_status, time_ns, 56);
VMFORK_ASSERT_AT(vmfork_mailbox, mail, VMFORK_MAIL_OFFSET);
VMFORK_ASSERT_AT(vmfork_mailbox, status, VMFORK_STATUS_OFFSET);
VMFORK_ASSERT_AT(vmfork_mailbox, request, VMFORK_REQUEST_OFFSET);
static_assert(sizeof(struct vmfork_mail) == VMFORK_MAIL_SIZE, "mail");
static_assert(sizeof(struct vmfork_mailbox) == VMFORK_MAILBOX_SIZE, "page");
static_assert(sizeof(struct vmfork_addr4) == 8, "addr4");
static_assert(sizeof(struct vmfork_addr6) == 20, "addr6");
static_assert(VMFORK_STAGE_NUM <= 8, "time_ns");

#undef VMFORK_ASSERT_AT

#endif
