/* SPDX-License-Identifier: MIT */
/* Telling the neighbours who has an address now. */
#ifndef AGENT_ANNOUNCE_H
#define AGENT_ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include "netcfg.h"

#define ANNOUNCE_ARP_SIZE 42 /* Ethernet header included */
#define ANNOUNCE_NA_SIZE  86

/**
 * announce_open() - Open the socket that announcements leave through
 *
 * Return: the descriptor, or -errno
 */
int announce_open(void);

/**
 * announce_arp() - Say that an IPv4 address is ours (RFC 5227, section 2.3)
 * @fd:		from announce_open()
 * @ifindex:	interface
 * @mac:	its address
 * @addr:	4 bytes
 */
void announce_arp(int fd, int ifindex, const uint8_t *mac, const uint8_t *addr);

/**
 * announce_na() - Say that an IPv6 address is ours (RFC 4861, section 7.2.6)
 * @fd:		from announce_open()
 * @ifindex:	interface
 * @mac:	its address
 * @addr:	16 bytes
 */
void announce_na(int fd, int ifindex, const uint8_t *mac, const uint8_t *addr);

/**
 * announce_identity() - Say that all addresses of an identity are ours
 * @fd:		from announce_open()
 * @id:		identity, which was applied
 * @result:	to which links
 */
void announce_identity(int fd, const struct vmfork_identity *id,
		       const struct netcfg_result *result);

/**
 * announce_arp_frame() - The frame that announce_arp() sends
 * @frame:	out: ANNOUNCE_ARP_SIZE bytes
 * @mac:	6 bytes
 * @addr:	4 bytes
 */
void announce_arp_frame(uint8_t *frame, const uint8_t *mac,
			const uint8_t *addr);

/**
 * announce_na_frame() - The frame that announce_na() sends
 * @frame:	out: ANNOUNCE_NA_SIZE bytes
 * @mac:	6 bytes
 * @addr:	16 bytes
 */
void announce_na_frame(uint8_t *frame, const uint8_t *mac, const uint8_t *addr);

#endif
