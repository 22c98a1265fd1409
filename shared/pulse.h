/* SPDX-License-Identifier: MIT */
/*
 * A page that a program in a guest shares with who measures that guest from
 * outside: the guest counts in it as fast as it can, and the host reads how far it
 * is, so that a guest that stands still is seen by a clock that does not. The host
 * writes its wish into it, the sequence last.
 */
#ifndef PULSE_H
#define PULSE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define PULSE_MAGIC	 0x65736c75706b6676ULL
#define PULSE_PAGE_BYTES 4096

/* What the program does beside counting. */
enum pulse_work {
	PULSE_IDLE,
	PULSE_STEADY, /* writes so many MiB a second */
	PULSE_BURST,  /* writes all at once, twice a second */
	PULSE_NUM
};

struct pulse {
	uint64_t magic;
	uint64_t beats;	   /* guest */
	uint64_t done_seq; /* guest: the wish of that sequence was begun */
	uint64_t wish_seq; /* host */
	uint64_t bytes; /* host: memory that is written once, and worked on */
	uint32_t work;	/* host: enum pulse_work */
	uint32_t rate_mib; /* host */
};
static_assert(sizeof(struct pulse) == 48, "the same on both sides");

#endif
