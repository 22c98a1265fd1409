/* SPDX-License-Identifier: MIT */
/*
 * How long a guest stands still, seen from outside: a process of its own reads, in
 * the engine's memory, a word in which the guest counts without end. The guest's
 * own clock would not tell, for it stands still as well.
 */
#ifndef VF_WATCH_H
#define VF_WATCH_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct watch {
	pid_t pid;
	struct watch_page *page; /* shared with the process */
};

/* What was seen, in microseconds. */
struct watch_sight {
	int64_t gap_us;	  /* the longest time in which nothing was counted */
	int64_t blind_us; /* the longest time in which nobody looked */
};

/**
 * watch_start() - Begin to look
 * @watch:	out; watch_stop() it
 * @pid:	engine's process
 * @hva:	address of the 64-bit count in it
 * @err:	error
 *
 * A gap is the time from the first to the last look that found the same count:
 * never too long, and too short by two intervals at most.
 *
 * Return: 0 or -errno
 */
int watch_start(struct watch *watch, pid_t pid, uint64_t hva,
		struct vf_err *err);

/**
 * watch_take() - What was seen since the last time
 * @watch:	watch
 *
 * Return: it
 */
struct watch_sight watch_take(struct watch *watch);

/**
 * watch_stop() - End it
 * @watch:	watch
 */
void watch_stop(struct watch *watch);

#endif
