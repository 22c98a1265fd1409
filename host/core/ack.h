/* SPDX-License-Identifier: MIT */
/*
 * The desk where acknowledgements are received and answered: one UDP socket on
 * the network's gateway address, for all VMs that one command waits for. It is
 * an IPv6 socket, to which IPv4 addresses are IPv4-mapped ones. A datagram counts
 * if it bears the restore id of an expected VM, that VM's nonce, and comes from
 * its address; the first valid one of a kind wins, later ones are answered and
 * otherwise ignored.
 */
#ifndef VF_ACK_H
#define VF_ACK_H

#include <netinet/in.h>
#include <stdbool.h>

#include "core/mailbox.h"
#include "core/timeline.h"

/* One VM whose acknowledgement is awaited. */
struct ack_case {
	const struct letter *letter;
	const struct net_port *from; /* by any of its addresses */
	struct timeline *timeline;
	bool waiting; /* set by the owner; cleared where it is over */
	bool acked;   /* VMFORK_ACK_ARMED or VMFORK_ACK_APPLIED */
	bool settled;
	bool failed;	       /* VMFORK_ACK_FAILED: error and step say why */
	struct vmfork_ack ack; /* the last valid one, but for those of stages */
	int64_t stage_us
		[VMFORK_STAGE_NUM]; /* when each one's came; 0: did not */
	int64_t answered_us;	    /* when the first answer to it left */
};

struct ack_desk {
	int fd;
	uint16_t port;
	uint64_t dropped; /* by the kernel, for want of buffer */
};

/**
 * ack_desk_open() - Open the desk
 * @desk:	out; ack_desk_close() it, also after a failure
 * @addr:	address to listen on, IPv4 as IPv4-mapped
 * @num:	how many VMs may answer at once, for the buffer's size
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_desk_open(struct ack_desk *desk, struct in6_addr addr, unsigned int num,
		  struct vf_err *err);

/**
 * ack_desk_close() - Close it
 * @desk:	desk
 */
void ack_desk_close(struct ack_desk *desk);

/**
 * ack_desk_serve() - Receive and answer what is there
 * @desk:		desk
 * @cases:		the VMs that are awaited
 * @num:		how many
 * @wake_fd:		ends the wait when readable; or -1
 * @deadline_us:	on vf_now_us()'s clock
 *
 * Return: 0 if something was received, -ETIMEDOUT, -ECANCELED, -errno
 */
int ack_desk_serve(struct ack_desk *desk, struct ack_case *cases,
		   unsigned int num, int wake_fd, int64_t deadline_us);

#endif
