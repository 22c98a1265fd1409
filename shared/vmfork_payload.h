/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The numbers and structures of a mail's payload: what they mean, and how they
 * stand in a list, says vmfork_mailbox.h, "PAYLOAD".
 */
#ifndef VMFORK_PAYLOAD_H
#define VMFORK_PAYLOAD_H

#include "vmfork_mailbox.h"

#define VMFORK_ATTR_NESTED    0x8000
#define VMFORK_ATTR_MANDATORY 0x4000
#define VMFORK_ATTR_TYPE_MASK 0x3fff

enum vmfork_attr_mail {
	VMFORK_A_UNSPEC,
	VMFORK_A_LINK,
	VMFORK_A_ACK,
	VMFORK_A_NAME,
	VMFORK_A_PARENT,
	VMFORK_A_HOSTNAME,
	VMFORK_A_DNS,
	VMFORK_A_MACHINE_ID,
	VMFORK_A_CLOCK,
	VMFORK_A_ENTROPY,
	VMFORK_A_KEEP_TCP,
	VMFORK_A_HOOKS,
	VMFORK_A_PAYLOAD,
	VMFORK_A_STAGES,
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
	VMFORK_L_ROUTE,
	VMFORK_L_NUM
};

enum vmfork_attr_route {
	VMFORK_R_UNSPEC,
	VMFORK_R_DST4,
	VMFORK_R_DST6,
	VMFORK_R_GATEWAY,
	VMFORK_R_SOURCE,
	VMFORK_R_METRIC,
	VMFORK_R_BLACKHOLE,
	VMFORK_R_NUM
};

enum vmfork_attr_ack {
	VMFORK_K_UNSPEC,
	VMFORK_K_ADDR4,
	VMFORK_K_ADDR6,
	VMFORK_K_PORT,
	VMFORK_K_NUM
};

enum vmfork_attr_dns {
	VMFORK_D_UNSPEC,
	VMFORK_D_SERVER4,
	VMFORK_D_SERVER6,
	VMFORK_D_SEARCH,
	VMFORK_D_NUM
};

#define VMFORK_NAME_MAX		 64 /* VMFORK_A_NAME, _PARENT, _HOSTNAME */
#define VMFORK_SEARCH_MAX	 256
#define VMFORK_ENTROPY_LEN	 64
#define VMFORK_GUEST_PAYLOAD_MAX 2048

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

/*
 * The host's wall clock at the moment of resumption, and the guest's
 * CLOCK_MONOTONIC at that moment, which is that of the snapshot: from there on
 * the guest counts by itself. 0: not known, the guest takes the moment at which
 * it noticed.
 */
struct vmfork_clock {
	__le64 realtime_ns; /* since 1970, not before 2020 */
	__le64 monotonic_ns;
};

struct vmfork_hooks {
	__le32 policy;	   /* enum vmfork_policy */
	__le32 timeout_ms; /* for all together, 1 to VMFORK_HOOKS_MS_MAX */
};

static_assert(sizeof(struct vmfork_addr4) == 8, "addr4");
static_assert(sizeof(struct vmfork_addr6) == 20, "addr6");

#endif
