/* SPDX-License-Identifier: MIT */
/* The acknowledgement: one datagram, repeated until the host answers it. */
#ifndef AGENT_ACK_H
#define AGENT_ACK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "mail.h"
#include "vmfork_ack.h"

struct ack {
	int fd;
	uint16_t port;	   /* ours: header.hint_port */
	bool is_dual;	   /* an IPv6 socket that speaks IPv4, too */
	bool has_peer;	   /* the mail named somebody to tell */
	bool tells_stages; /* it wants to hear of each stage */
	union {
		struct sockaddr addr;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} peer;
	socklen_t peer_len;
	uint8_t restore_id[VMFORK_ID_LEN];
	uint8_t nonce[VMFORK_ID_LEN];
	enum vmfork_ack_kind kind; /* VMFORK_ACK_NONE: nothing is repeated */
	uint32_t attempt;
	uint64_t pause_ns;   /* until the next attempt */
	uint64_t give_up_ns; /* on monotonic_ns()'s clock */
};

/**
 * ack_open() - Open the socket
 * @ack:	out: ack
 * @has_ipv6:	the kernel has IPv6
 *
 * Return: 0 or -errno
 */
int ack_open(struct ack *ack, bool has_ipv6);

/**
 * ack_close() - Close it
 * @ack:	ack
 */
void ack_close(struct ack *ack);

/**
 * ack_set_peer() - From now on it is about this mail; an older one is forgotten
 * @ack:	ack
 * @mail:	whose restore id and nonce to use
 * @id:		its identity, or NULL if there is none to be had
 */
void ack_set_peer(struct ack *ack, const struct vmfork_mail *mail,
		  const struct vmfork_identity *id);

/**
 * ack_begin() - What to tell next, from its first attempt
 * @ack:	ack
 * @kind:	VMFORK_ACK_ARMED, _APPLIED, _SETTLED or _FAILED
 */
void ack_begin(struct ack *ack, enum vmfork_ack_kind kind);

/**
 * ack_send() - Make the next attempt; with the first, tell the stages before it
 * @ack:	ack
 * @status:	what it shall say
 * @gpa:	of the page
 * @arm_seq:	of the page
 *
 * Return: when the one after is due, on monotonic_ns()'s clock; 0 if there is
 * nobody to tell, or nothing more to say
 */
uint64_t ack_send(struct ack *ack, const struct vmfork_status *status,
		  uint64_t gpa, uint64_t arm_seq);

/**
 * ack_tell_stages() - Say once that stages were reached, if the mail asks for it
 * @ack:	ack
 * @status:	what it shall say
 * @from:	the first of them; the last one is that of @status
 *
 * Nobody answers. Before the network is new nothing gets through: what was
 * reached by then is told with that, by ack_send().
 */
void ack_tell_stages(const struct ack *ack, const struct vmfork_status *status,
		     enum vmfork_stage from);

/**
 * ack_receive() - Read all datagrams that are waiting
 * @ack:	ack
 *
 * Return: the kind that was answered and is not repeated any more, or
 * VMFORK_ACK_NONE
 */
enum vmfork_ack_kind ack_receive(struct ack *ack);

/**
 * ack_is_answer() - Does a datagram answer what is being repeated?
 * @ack:	ack
 * @buf:	datagram
 * @len:	its length in bytes
 *
 * Return: true if so
 */
bool ack_is_answer(const struct ack *ack, const void *buf, size_t len);

#endif
