/* SPDX-License-Identifier: MIT */
/*
 * Mail: what the host writes and the guest reads, as a structure, and the
 * checks that both sides make. Nothing here allocates or does I/O.
 */
#ifndef VMFORK_MAIL_H
#define VMFORK_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "vmfork_payload.h"

#define IDENTITY_LINKS_MAX  4
#define IDENTITY_ADDRS_MAX  4  /* per link and family */
#define IDENTITY_NAME_LEN   16 /* IFNAMSIZ */
#define IDENTITY_ROUTES_MAX 8
#define IDENTITY_DNS_MAX    3 /* MAXNS of resolv.conf(5) */

enum identity_match {
	IDENTITY_MATCH_NONE,
	IDENTITY_MATCH_MAC,
	IDENTITY_MATCH_NAME,
	IDENTITY_MATCH_INDEX,
};

struct identity_route {
	bool is_ipv6;
	bool is_blackhole;
	bool has_gateway;
	bool has_source;
	bool has_metric;
	uint8_t dst_len; /* prefix, bits */
	uint8_t dst[16]; /* IPv4: the first 4 bytes, here and below */
	uint8_t gateway[16];
	uint8_t source[16];
	uint32_t metric;
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
	unsigned int num_routes;
	struct identity_route routes[IDENTITY_ROUTES_MAX];
};

/* What an identity says of the guest as a whole; empty is absent. */
struct identity_guest {
	char name[VMFORK_NAME_MAX + 1];
	char parent[VMFORK_NAME_MAX + 1];
	char hostname[VMFORK_NAME_MAX + 1];
	unsigned int num_dns4;
	unsigned int num_dns6;
	uint8_t dns4[IDENTITY_DNS_MAX][4];
	uint8_t dns6[IDENTITY_DNS_MAX][16];
	char search[VMFORK_SEARCH_MAX + 1];
	bool has_machine_id;
	bool has_clock;
	bool has_entropy;
	bool has_hooks;
	bool keep_tcp;
	bool tells_stages;
	uint8_t machine_id[VMFORK_ID_LEN];
	struct vmfork_clock clock;
	uint8_t entropy[VMFORK_ENTROPY_LEN];
	struct vmfork_hooks hooks;
	/* for the workload; points to the encoder's, or into what was decoded */
	const uint8_t *payload;
	size_t payload_len;
};

/* Who a VM is. */
struct vmfork_identity {
	unsigned int num_links;
	struct identity_link link[IDENTITY_LINKS_MAX];
	uint16_t ack_port; /* 0: nobody wants to know */
	bool ack_is_ipv6;
	uint8_t ack_addr[16]; /* the first 4 bytes for IPv4 */
	struct identity_guest guest;
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
 * @id:		out: identity, which may point into @payload; undefined on
 *		failure
 * @payload:	hostile bytes
 * @len:	how many
 * @detail:	out, on failure: which attribute, and what is wrong with it
 *		(rules.h makes words of it)
 *
 * Return: 0, -EBADMSG if it is malformed, -EOPNOTSUPP for an unknown attribute
 * that says it is mandatory, -ERANGE for a value that cannot be, -E2BIG for
 * more links or addresses than fit
 */
int identity_decode(struct vmfork_identity *id, const void *payload, size_t len,
		    uint32_t *detail);

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
