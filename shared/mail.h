/* SPDX-License-Identifier: MIT */
/*
 * Mail: what the host writes and the guest reads, as a structure, and the
 * checks that both sides make. Nothing here allocates or does I/O.
 */
#ifndef VMFORK_MAIL_H
#define VMFORK_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "vmfork_mailbox.h"

#define IDENTITY_LINKS_MAX 4
#define IDENTITY_ADDRS_MAX 4  /* per link and family */
#define IDENTITY_NAME_LEN  16 /* IFNAMSIZ */

enum identity_match {
	IDENTITY_MATCH_NONE,
	IDENTITY_MATCH_MAC,
	IDENTITY_MATCH_NAME,
	IDENTITY_MATCH_INDEX,
};

/* The new identity of one interface. What is absent stays as it was. */
struct identity_link {
	enum identity_match match;
	uint8_t match_mac[6];
	char match_name[IDENTITY_NAME_LEN];
	uint32_t match_index;

	bool has_mac;
	bool has_gateway4;
	bool has_gateway6;
	bool has_gateway_mac;
	uint8_t mac[6];
	uint8_t gateway_mac[6];
	uint8_t gateway4[4];
	uint8_t gateway6[16];
	uint32_t mtu; /* 0: absent */
	unsigned int num_addr4;
	unsigned int num_addr6;
	struct vmfork_addr4 addr4[IDENTITY_ADDRS_MAX];
	struct vmfork_addr6 addr6[IDENTITY_ADDRS_MAX];
};

/* Who a VM is. */
struct vmfork_identity {
	unsigned int num_links;
	struct identity_link link[IDENTITY_LINKS_MAX];
	uint16_t ack_port; /* 0: nobody wants to know */
	bool ack_is_ipv6;
	uint8_t ack_addr[16]; /* the first 4 bytes for IPv4 */
};

/* What is wrong with a payload; the strings are literals. */
struct identity_error {
	const char *attr;
	const char *why;
};

/**
 * identity_encode() - Write an identity as a payload
 * @id:		identity
 * @payload:	where to, 4-byte aligned
 * @size:	room in bytes
 *
 * Return: the length in bytes, or -EMSGSIZE if it does not fit
 */
int identity_encode(const struct vmfork_identity *id, void *payload,
		    size_t size);

/**
 * identity_decode() - Read a payload, all of it or nothing
 * @id:		out: identity; undefined on failure
 * @payload:	hostile bytes
 * @len:	how many
 * @error:	out, on failure: which attribute, and what is wrong with it
 *
 * Return: 0, -EBADMSG if it is malformed, -EOPNOTSUPP for an unknown attribute
 * that says it is mandatory, -ERANGE for a value that cannot be, -E2BIG for
 * more links or addresses than fit
 */
int identity_decode(struct vmfork_identity *id, const void *payload, size_t len,
		    struct identity_error *error);

/**
 * mail_seal() - Fill in length and crc; ids, arm sequence and payload are set
 * @mail:		mail
 * @payload_len:	length of the payload in bytes
 */
void mail_seal(struct vmfork_mail *mail, uint32_t payload_len);

/**
 * mail_check() - Is there valid mail?
 * @mail:	private copy of the mail part
 * @arm_seq:	the arm sequence that it has to answer
 *
 * Return: 0 if so, -ENOMSG if there is none, -EMSGSIZE if the length is past
 * the page, -EBADMSG if the crc is wrong, -ESTALE for another arm sequence
 */
int mail_check(const struct vmfork_mail *mail, uint64_t arm_seq);

/**
 * header_seal() - Fill in magic, version, page size and crc of a header
 * @header:	header, all other fields set
 */
void header_seal(struct vmfork_header *header);

/**
 * header_check() - Is this an armed mailbox that stands where it says?
 * @header:	private copy of a header
 * @gpa:	guest-physical address where it was found
 *
 * Return: 0 if so, -ENOMSG without the magic, -EBADMSG if the crc is wrong,
 * -EPROTONOSUPPORT for another version, -EADDRNOTAVAIL if it claims to be
 * elsewhere
 */
int header_check(const struct vmfork_header *header, uint64_t gpa);

#endif
