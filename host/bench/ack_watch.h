/* SPDX-License-Identifier: MIT */
/*
 * How far a guest has come, seen from outside: a thread reads words of a fork's
 * memory, in its engine, from before the fork runs. What it sees is on the host's
 * clock, and too late by what lay between two looks.
 */
#ifndef VF_ACK_WATCH_H
#define VF_ACK_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ACK_WATCH_STAGES 8
#define ACK_WATCH_BYTES	 512

struct ack_watch {
	pid_t pid;
	uint64_t hva; /* of the words in that process */
	size_t bytes; /* at most ACK_WATCH_BYTES */
	/* which stage, below ACK_WATCH_STAGES, do they tell of? 0: none yet */
	unsigned int (*stage)(const void *words, const void *ctx);
	const void *ctx;

	/* on vf_now_us()'s clock; 0: not seen. A stage includes those before it */
	int64_t seen_us[ACK_WATCH_STAGES];
	int64_t blind_us[ACK_WATCH_STAGES]; /* since the look before */

	int64_t from_us; /* when it was to begin: its first look may be late */
	pthread_t thread;
	bool started;
	atomic_bool over;
};

/**
 * ack_watch_start() - Begin to look
 * @w:	in: what, where; ack_watch_stop() it
 *
 * Where no thread can be had, nothing is seen.
 */
void ack_watch_start(struct ack_watch *w);

/**
 * ack_watch_stop() - No more
 * @w:	out: what was seen
 */
void ack_watch_stop(struct ack_watch *w);

#endif
