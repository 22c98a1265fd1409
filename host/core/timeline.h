/* SPDX-License-Identifier: MIT */
/*
 * When each stage of a fork began and ended. The guest's own stages come from its
 * monotonic clock, which differs from ours by an offset that we can only bound:
 * a datagram arrived after it was sent, in both directions, and at the moment of
 * resumption the guest's clock was that of the snapshot. The offset is taken in
 * the middle of its bounds, its error is half their distance.
 */
#ifndef VF_TIMELINE_H
#define VF_TIMELINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmfork_ack.h"

/*
 * The chain comes first, in its order: each of its stages follows the one before.
 * What is done beside it, by others or afterwards, comes behind.
 */
enum timeline_stage {
	TIMELINE_REQUEST, /* what is done once for all forks of a command */
	TIMELINE_IDENTITY,
	TIMELINE_TAP,
	TIMELINE_SPAWNED,
	TIMELINE_READY, /* the engine's control interface answers */
	TIMELINE_LOADED,
	TIMELINE_QUEUED, /* its port is attached, and it is its turn */
	TIMELINE_PATCHED,
	TIMELINE_RESUMED, /* the engine's own event time */
	TIMELINE_SIGNAL,
	TIMELINE_MAIL,
	TIMELINE_APPLIED,
	TIMELINE_SENT,	  /* the guest's kernel has the acknowledgement */
	TIMELINE_ACKED,	  /* the host has the acknowledgement */
	TIMELINE_SETTLED, /* the host knows that the guest is armed again */
	TIMELINE_CHAIN_NUM,
	TIMELINE_BRIDGE = TIMELINE_CHAIN_NUM, /* pinned, and on the bridge */
	TIMELINE_NEIGHBOUR,		      /* FDB and neighbour entries */
	TIMELINE_SHAPED,		      /* its rates hold */
	TIMELINE_NUM
};

/* Moments on vf_now_us()'s clock; 0: not reached. */
struct timeline {
	int64_t at_us[TIMELINE_NUM];   /* its end */
	int64_t from_us[TIMELINE_NUM]; /* its begin, where that was noted */
	int64_t offset_min_us;	       /* bounds of host clock - guest clock */
	int64_t offset_max_us;
	uint64_t restored_ns;	   /* the guest's clock in the snapshot, or 0 */
	int64_t restored_error_us; /* how far off that may be */
	bool has_guest;		   /* the guest's stages are in @guest_ns */
	uint64_t guest_ns[8];
	uint64_t first_ns;   /* when the first of applied was sent, its clock */
	uint64_t sent_ns;    /* and the last */
	int64_t received_us; /* when it arrived */
};

/**
 * timeline_init() - Nothing has happened yet
 * @tl:		timeline
 */
void timeline_init(struct timeline *tl);

/**
 * timeline_guest() - Take the guest's stages from a datagram
 * @tl:			timeline
 * @ack:		valid datagram
 * @received_us:	when it arrived
 */
void timeline_guest(struct timeline *tl, const struct vmfork_ack *ack,
		    int64_t received_us);

/**
 * timeline_answered() - The guest received our answer, at a moment it tells
 * @tl:			timeline
 * @guest_ns:		the guest's clock when it had the answer
 * @answered_us:	when we sent it
 */
void timeline_answered(struct timeline *tl, uint64_t guest_ns,
		       int64_t answered_us);

/**
 * timeline_restored() - The guest's clock goes on where a snapshot was taken
 * @tl:		timeline
 * @guest_ns:	the guest's clock then; 0 if unknown
 * @error_us:	how far off that may be
 */
void timeline_restored(struct timeline *tl, uint64_t guest_ns,
		       int64_t error_us);

/**
 * timeline_finish() - Bring the guest's stages to our clock
 * @tl:		timeline
 *
 * They lie between the resumption and the acknowledgement, in their order. What a
 * guest tells that cannot have been so is dropped, all of it: then @tl has none.
 *
 * Return: the error of that in microseconds; 0 without any
 */
int64_t timeline_finish(struct timeline *tl);

/**
 * timeline_from() - When a stage began
 * @tl:		timeline
 * @stage:	stage
 *
 * Where nobody noted it: when the last stage of the chain before it ended.
 *
 * Return: the moment, never after the stage's end; 0 if it was not reached
 */
int64_t timeline_from(const struct timeline *tl, enum timeline_stage stage);

/**
 * timeline_pack() - A timeline as JSON
 * @tl:		timeline
 * @start_us:	moment that becomes 0
 *
 * Return: an object with a key per stage, the moment at which it ended, null where
 * it was not reached
 */
json_t *timeline_pack(const struct timeline *tl, int64_t start_us);

/**
 * timeline_pack_from() - The beginnings as JSON
 * @tl:		timeline
 * @start_us:	moment that becomes 0
 *
 * Return: an object like timeline_pack()'s, of the moments at which stages began
 */
json_t *timeline_pack_from(const struct timeline *tl, int64_t start_us);

/**
 * timeline_stage_name() - A stage's name in JSON and tables
 * @stage:	stage
 *
 * Return: a literal
 */
const char *timeline_stage_name(enum timeline_stage stage);

/**
 * timeline_step_name() - Where a guest failed, for a message
 * @step:	enum vmfork_step as the guest sent it, unchecked
 *
 * Return: a literal
 */
const char *timeline_step_name(uint32_t step);

#endif
