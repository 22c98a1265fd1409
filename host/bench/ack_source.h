/* SPDX-License-Identifier: MIT */
/* The guests whose forks are measured, and their snapshots. */
#ifndef VF_ACK_SOURCE_H
#define VF_ACK_SOURCE_H

#include "bench/ack.h"

#define ACK_PREFIX_BYTES 40

/* One snapshot of a guest; variants that need the same share it. */
struct ack_source {
	struct snapshot snapshot;
	bool is_there; /* to be closed */
	bool is_ours;  /* to be removed */
};

/* All of a run. */
struct ack_sources {
	const struct vf_state *state;
	const struct ack_plan *plan;
	char prefix[ACK_PREFIX_BYTES]; /* of all names of this run */
	struct ack_source source[ACK_VARIANTS_MAX];
	unsigned int num;
};

/**
 * ack_sources_init() - Nothing is there yet
 * @s:		out; ack_sources_exit() it
 * @state:	state directory
 * @plan:	plan
 */
void ack_sources_init(struct ack_sources *s, const struct vf_state *state,
		      const struct ack_plan *plan);

/**
 * ack_sources_open() - The snapshot that the plan names is the only source
 * @s:		sources
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_sources_open(struct ack_sources *s, struct vf_err *err);

/**
 * ack_sources_check() - Which variants cannot be here, and why?
 * @s:		sources
 * @table:	in: variants; out: why
 * @err:	error
 *
 * Boots a guest for that, if one of them needs it.
 *
 * Return: 0 or -errno
 */
int ack_sources_check(const struct ack_sources *s, struct ack_table *table,
		      struct vf_err *err);

/**
 * ack_sources_make() - Boot a variant's guest, and take its snapshots
 * @s:		sources
 * @table:	in: variants; out: the source of each that has the same guest
 * @index:	variant; if one before it has the same guest, all is done
 * @err:	error
 *
 * The guest has ended when this returns.
 *
 * Return: 0 or -errno
 */
int ack_sources_make(struct ack_sources *s, struct ack_table *table,
		     unsigned int index, struct vf_err *err);

/**
 * ack_sources_exit() - Remove what was made
 * @s:	sources
 */
void ack_sources_exit(struct ack_sources *s);

#endif
