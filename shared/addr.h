/* SPDX-License-Identifier: MIT */
/* What follows from an address alone. */
#ifndef VMFORK_ADDR_H
#define VMFORK_ADDR_H

#include <stdbool.h>
#include <stdint.h>

/**
 * addr_linklocal() - The link-local address that belongs to a MAC
 * @addr:	out: fe80::/64 with the modified EUI-64 (RFC 4291, appendix A)
 * @mac:	MAC
 */
void addr_linklocal(uint8_t addr[16], const uint8_t mac[6]);

/**
 * addr_is_prefix() - Is no bit set behind a prefix?
 * @addr:	IPv4 or IPv6 address
 * @num_bits:	32 or 128
 * @prefix_len:	of the prefix, at most @num_bits
 *
 * Return: true if so; the kernel takes no other destination of a route
 */
bool addr_is_prefix(const uint8_t *addr, unsigned int num_bits,
		    unsigned int prefix_len);

#endif
