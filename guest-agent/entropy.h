/* SPDX-License-Identifier: MIT */
/*
 * The kernel's random numbers in a fork. A kernel with VMGenID reseeds them
 * itself, some time after the first instructions, and what it mixes in is a
 * public id and what little the machine gives it. So the agent has them seeded
 * with bytes of the host's on every kernel, before the new address is up.
 */
#ifndef AGENT_ENTROPY_H
#define AGENT_ENTROPY_H

#include <stdint.h>

#include "vmfork_payload.h"

/**
 * entropy_open() - Be ready to reseed
 *
 * Return: descriptor for entropy_reseed(), or -errno
 */
int entropy_open(void);

/**
 * entropy_reseed() - Mix bytes in, credit them, and have the kernel reseed now
 * @fd:		what entropy_open() returned
 * @bytes:	VMFORK_ENTROPY_LEN bytes, erased here; NULL: reseed alone
 * @status:	out: reseed, reseed_error, reseed_ns
 */
void entropy_reseed(int fd, uint8_t *bytes, struct vmfork_status *status);

#endif
