/* SPDX-License-Identifier: MIT */
/* The part of an identity that is about one interface; identity.c's own. */
#ifndef VMFORK_IDENTITY_LINK_H
#define VMFORK_IDENTITY_LINK_H

#include "attr.h"
#include "mail.h"

/**
 * identity_link_encode() - Append a link to a payload
 * @w:		writer
 * @link:	link
 */
void identity_link_encode(struct attr_writer *w,
			  const struct identity_link *link);

/**
 * identity_link_decode() - Read a link
 * @link:	out: link, zeroed before
 * @outer:	the attribute that holds it
 * @detail:	out, on failure: what is wrong, as seen from within the link
 *
 * Return: as identity_decode()
 */
int identity_link_decode(struct identity_link *link, const struct attr *outer,
			 uint32_t *detail);

/**
 * identity_addr_is_usable() - Can an interface or a host have this address?
 * @addr:	4 or 16 bytes
 * @is_ipv6:	which
 *
 * Return: false for what is no unicast address, or one's own
 */
bool identity_addr_is_usable(const uint8_t *addr, bool is_ipv6);

#endif
