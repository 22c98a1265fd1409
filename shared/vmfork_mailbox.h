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
 * One that is not called repeated stands once in its list at most.
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
 *	  VMFORK_L_ROUTE	nested, repeated: a route beside the default ones
 *	    VMFORK_R_DST4	struct vmfork_addr4, no bit behind the prefix
 *	    VMFORK_R_DST6	struct vmfork_addr6 (exactly one of the two)
 *	    VMFORK_R_GATEWAY	4 or 16 bytes, as the destination; absent: the
 *				destination is on the link
 *	    VMFORK_R_SOURCE	4 or 16 bytes: preferred source address
 *	    VMFORK_R_METRIC	u32
 *	    VMFORK_R_BLACKHOLE	empty: what goes there is dropped (no gateway)
 *	VMFORK_A_ACK		nested: whom to tell
 *	  VMFORK_K_ADDR4	4 bytes
 *	  VMFORK_K_ADDR6	16 bytes (exactly one of the two)
 *	  VMFORK_K_PORT		u16, not 0
 *	VMFORK_A_NAME		string: what the host calls this VM
 *	VMFORK_A_PARENT		string: the snapshot that it was forked from
 *	VMFORK_A_HOSTNAME	string, 1 to 64 bytes, [A-Za-z0-9.-]
 *	VMFORK_A_DNS		nested: who resolves names
 *	  VMFORK_D_SERVER4	4 bytes, repeated
 *	  VMFORK_D_SERVER6	16 bytes, repeated (three in all)
 *	  VMFORK_D_SEARCH	string: domains, separated by one space
 *	VMFORK_A_MACHINE_ID	16 bytes, not zero
 *	VMFORK_A_CLOCK		struct vmfork_clock: what time it is
 *	VMFORK_A_ENTROPY	64 bytes for the kernel's random numbers
 *	VMFORK_A_KEEP_TCP	empty: leave connections of dropped addresses
 *	VMFORK_A_HOOKS		struct vmfork_hooks: how post-restore hooks run
 *	VMFORK_A_PAYLOAD	1 to 2048 bytes for the workload
 *	VMFORK_A_STAGES		empty: a datagram for each stage as well
 *
 * Clock and entropy are of the moment: mail at boot has none of them.
 *
 * An interface that no VMFORK_A_LINK names is left alone. On one that is named,
 * the addresses that it had are removed, the link-local IPv6 address included,
 * which is replaced by the one that belongs to the new MAC (RFC 4291, app. A).
 *
 * STATUS. What the guest did with the last mail: the stage reached, the signal
 * that woke it, errno and failing step if it failed, its CLOCK_MONOTONIC at
 * each stage, the restore id, how many restores it has counted, and what became
 * of each task that follows the network. A reader takes the sequence, the words
 * and the sequence again, and retries while it is odd or has moved.
 *
 * REQUEST. The host writes the operation and its words, then raises the
 * counter. The guest looks once a second, and at once when any datagram reaches
 * its hint port (what the datagram holds is ignored), and answers by copying the
 * counter to the status part's request_seen, with the result beside it. A page
 * that does not answer is dead.
 *
 *	VMFORK_REQUEST_PROBE	answer: request_ns says when that was
 *	VMFORK_REQUEST_PREPARE	a snapshot is imminent. The guest freezes the
 *				cgroup that it was configured to freeze; with
 *				VMFORK_PREPARE_QUIESCE it runs the pre-snapshot
 *				hooks and freezes its file systems as well. It
 *				answers when all that is done, or undone again
 *				because some of it failed, timeout_ms after it
 *				saw the request at the latest.
 *	VMFORK_REQUEST_RELEASE	the snapshot is taken: undo that. Without it
 *				the guest undoes it by itself hold_ms after its
 *				answer. A fork thaws what is frozen as part of
 *				its restore, but its pre-snapshot hooks are not
 *				told of a release: it has post-restore hooks.
 *	VMFORK_REQUEST_ARM	a snapshot comes within spin_us, 1 to
 *				VMFORK_ARM_US_MAX. The guest answers, sets
 *				spinning, and then does nothing but look for mail
 *				and for a request, so that in a fork it is the
 *				agent that goes on, and its mail what it sees
 *				first. It ends with the next request, which
 *				should be a RELEASE as soon as the VM goes on,
 *				or after spin_us of its CLOCK_MONOTONIC. EBUSY if
 *				the guest has something else to do. Only of one
 *				with VMFORK_CAP_ARM.
 *
 * ACKNOWLEDGEMENT. See vmfork_ack.h. The payload's numbers are in
 * vmfork_payload.h.
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
#define VMFORK_CAP_FREEZE  (1U << 3) /* it has a cgroup to freeze: prepare it */
#define VMFORK_CAP_ARM	   (1U << 4) /* it spins for a snapshot */

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
	VMFORK_SIGNAL_ARMED,	    /* it was looking: VMFORK_REQUEST_ARM */
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

/*
 * VMFORK_STEP_DECODE: which attribute, and what is wrong with it. Bits 31 to 24
 * hold the type of the outermost attribute, the next eight that of the one
 * within, the next eight of the one within that (0: none), the last eight the
 * reason.
 */
enum vmfork_why {
	VMFORK_WHY_NONE,
	VMFORK_WHY_UNKNOWN,   /* and mandatory */
	VMFORK_WHY_MALFORMED, /* its list breaks off */
	VMFORK_WHY_NESTED, /* it is a list and should not be, or the reverse */
	VMFORK_WHY_LENGTH,
	VMFORK_WHY_RANGE,
	VMFORK_WHY_UNICAST, /* the address is not one */
	VMFORK_WHY_PREFIX,  /* too long, or address bits behind it */
	VMFORK_WHY_TEXT,    /* a character that may not be there */
	VMFORK_WHY_TOO_MANY,
	VMFORK_WHY_TWICE,
	VMFORK_WHY_MISSING,  /* it lacks what it cannot be without */
	VMFORK_WHY_CONFLICT, /* it contradicts its neighbours */
	VMFORK_WHY_NUM
};

/* The kernel's random numbers. */
enum vmfork_reseed {
	VMFORK_RESEED_NONE,   /* no restore yet */
	VMFORK_RESEED_DONE,   /* the host's 64 bytes credited, then reseeded */
	VMFORK_RESEED_FAILED, /* the numbers may be the parent's */
	VMFORK_RESEED_ALONE,  /* reseeded, but the host had sent no bytes */
	VMFORK_RESEED_NUM
};

/*
 * What is made right once the network is proven, in this order; each is done or
 * has failed by itself. struct vmfork_status.tasks_done and tasks_failed have
 * the bit 1 << task.
 */
enum vmfork_task {
	VMFORK_TASK_CLOCK,
	VMFORK_TASK_THAW, /* what was frozen for the snapshot */
	VMFORK_TASK_HOSTNAME,
	VMFORK_TASK_HOSTS,	/* /etc/hosts */
	VMFORK_TASK_RESOLV,	/* /etc/resolv.conf */
	VMFORK_TASK_MACHINE_ID, /* and boot id */
	VMFORK_TASK_PAYLOAD,
	VMFORK_TASK_TCP, /* connections of dropped addresses */
	VMFORK_TASK_HOOKS,
	VMFORK_TASK_NOTIFY, /* processes that asked for a signal */
	VMFORK_TASK_NUM
};

/* Where the wall clock was read. */
enum vmfork_clock_source {
	VMFORK_CLOCK_NONE, /* not stepped */
	VMFORK_CLOCK_MAIL,
	VMFORK_CLOCK_PTP,
	VMFORK_CLOCK_NUM
};

#define VMFORK_TASKS_MAX 16

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
	__le64 request_ns; /* CLOCK_MONOTONIC as the last request was answered */
	__le64 reseed_ns;  /* CLOCK_MONOTONIC as the reseed was done */
	/* Wall clock minus host's, before and after the step; two's complement. */
	__le64 skew_before_ns;
	__le64 skew_after_ns;
	__le32 clock_source; /* enum vmfork_clock_source */
	__le32 reseed_error; /* errno, 0 if none */
	__le32 detail;	     /* of VMFORK_STEP_DECODE */
	__le32 num_killed;   /* TCP connections destroyed */
	__le32 tasks_done;   /* bits: 1 << enum vmfork_task */
	__le32 tasks_failed;
	__le32 task_error[VMFORK_TASKS_MAX]; /* errno of each that failed */
	__le32 spinning; /* 1: it is inside VMFORK_REQUEST_ARM, else 0 */
	__u8 reserved[268];
};

enum vmfork_request_op {
	VMFORK_REQUEST_NONE,
	VMFORK_REQUEST_PROBE,	/* answer; nothing else */
	VMFORK_REQUEST_PREPARE, /* a snapshot is imminent */
	VMFORK_REQUEST_RELEASE, /* it is taken */
	VMFORK_REQUEST_ARM,	/* it is taken at once: spin */
	VMFORK_REQUEST_NUM
};

#define VMFORK_PREPARE_QUIESCE (1U << 0)

/* With what it takes to ask, a snapshot costs its source 5 ms at most. */
#define VMFORK_ARM_US_MAX 4000

/* What a hook that fails, or does not end in time, means. */
enum vmfork_policy {
	VMFORK_POLICY_IGNORE, /* go on; it is reported */
	VMFORK_POLICY_FAIL,   /* the task, or the request, has failed */
	VMFORK_POLICY_NUM
};

#define VMFORK_HOOKS_MS_MAX 3600000

struct vmfork_request {
	__le32 counter;
	__le32 op;	   /* enum vmfork_request_op */
	__le32 flags;	   /* VMFORK_PREPARE_* */
	__le32 policy;	   /* of hooks: enum vmfork_policy */
	__le32 timeout_ms; /* for getting ready, 1 to VMFORK_HOOKS_MS_MAX */
	__le32 hold_ms;	   /* how long it may be held, same range */
	__le32 spin_us;	   /* VMFORK_REQUEST_ARM: for how long, at most */
	__u8 reserved[228];
};

/* The page as a whole. */
struct vmfork_mailbox {
	struct vmfork_header header;
	struct vmfork_mail mail;
	struct vmfork_status status;
	struct vmfork_request request;
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
VMFORK_ASSERT_AT(vmfork_status, request_ns, 120);
VMFORK_ASSERT_AT(vmfork_status, clock_source, 152);
VMFORK_ASSERT_AT(vmfork_status, task_error, 176);
VMFORK_ASSERT_AT(vmfork_status, spinning, 240);
VMFORK_ASSERT_AT(vmfork_request, hold_ms, 20);
VMFORK_ASSERT_AT(vmfork_request, spin_us, 24);
VMFORK_ASSERT_AT(vmfork_mailbox, mail, VMFORK_MAIL_OFFSET);
VMFORK_ASSERT_AT(vmfork_mailbox, status, VMFORK_STATUS_OFFSET);
VMFORK_ASSERT_AT(vmfork_mailbox, request, VMFORK_REQUEST_OFFSET);
static_assert(sizeof(struct vmfork_mail) == VMFORK_MAIL_SIZE, "mail");
static_assert(sizeof(struct vmfork_mailbox) == VMFORK_MAILBOX_SIZE, "page");
static_assert(VMFORK_STAGE_NUM <= 8, "time_ns");
static_assert(VMFORK_TASK_NUM <= VMFORK_TASKS_MAX, "task_error");

#undef VMFORK_ASSERT_AT

#endif
