/* SPDX-License-Identifier: MIT */
/*
 * What the agent's handoff is held against, as kinds of handoffs. Floors, below
 * which nothing can be, and what users do who have no agent. But for the first,
 * the guest has a program in the agent's place (initramfs/standin.h) that takes
 * real mail and sends a real acknowledgement: all of them are made, patched,
 * resumed and heard like any fork, and end with the same datagram.
 *
 *	floor-code	when can any guest code be seen to run? The next one,
 *			which counts as it spins, watched
 *	floor-request	a guest that spins for the snapshot, so that the first
 *			it sees is its mail, makes one request over netlink, and
 *			is heard
 *	floor-vmgenid	the same of one that sleeps until VMGenID wakes it
 *	ip		woken by VMGenID, busybox's ip commands
 *	dhcp		woken by VMGenID, busybox's udhcpc, and its udhcpd here
 *	shell		the same ip commands, sent by the host to a shell on the
 *			serial console
 */
#ifndef VF_ACK_BASE_H
#define VF_ACK_BASE_H

#include "bench/ack_kind.h"

int ack_request_prepare(struct vm *source, struct vf_err *err);
int ack_vmgenid_prepare(struct vm *source, struct vf_err *err);
int ack_ip_prepare(struct vm *source, struct vf_err *err);
int ack_dhcp_prepare(struct vm *source, struct vf_err *err);
int ack_shell_prepare(struct vm *source, struct vf_err *err);

int ack_code_take(struct ack_row *row, const struct ack_site *site,
		  struct vf_err *err);
int ack_request_take(struct ack_row *row, const struct ack_site *site,
		     struct vf_err *err);
int ack_dhcp_take(struct ack_row *row, const struct ack_site *site,
		  struct vf_err *err);
int ack_shell_take(struct ack_row *row, const struct ack_site *site,
		   struct vf_err *err);

#endif
