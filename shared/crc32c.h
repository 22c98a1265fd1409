/* SPDX-License-Identifier: MIT */
#ifndef VMFORK_CRC32C_H
#define VMFORK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/**
 * crc32c() - CRC-32C (Castagnoli), as in RFC 3720, appendix B.4
 * @crc:	0 to start with, or the value over what precedes @buf
 * @buf:	bytes
 * @len:	how many
 *
 * Return: the crc over everything so far
 */
uint32_t crc32c(uint32_t crc, const void *buf, size_t len);

#endif
