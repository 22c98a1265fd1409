/* SPDX-License-Identifier: MIT */
/*
 * The wall clock. A snapshot's stands still; CLOCK_MONOTONIC, which goes on
 * from where it was, is never touched, nor is the machine's clock (RTC), which
 * the engine keeps right.
 */
#ifndef AGENT_CLOCK_H
#define AGENT_CLOCK_H

#include <stdint.h>

#include "vmfork_payload.h"

/* The same moment on both clocks. */
struct clock_pair {
	uint64_t realtime_ns;
	uint64_t monotonic_ns;
};

struct agent;

/**
 * clock_step() - Task: step the wall clock, by the mail or the hypervisor's PTP
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int clock_step(struct agent *agent);

/**
 * clock_pair_of_mail() - What a mail says of the time
 * @clock:	its attribute
 * @woken_ns:	CLOCK_MONOTONIC as the restore was noticed
 *
 * The guest was resumed before it noticed: a later moment is not believed, and
 * that of noticing taken, as if none had been sent.
 *
 * Return: a moment on both clocks
 */
struct clock_pair clock_pair_of_mail(const struct vmfork_clock *clock,
				     uint64_t woken_ns);

/**
 * clock_skew() - How far a wall clock is ahead
 * @is:		the guest's two clocks
 * @right:	a moment, right on both
 *
 * Return: nanoseconds, less than 0 if it is behind
 */
int64_t clock_skew(const struct clock_pair *is, const struct clock_pair *right);

/**
 * clock_ptp_open() - Open /dev/ptp0 if it is the hypervisor's clock
 * @root_fd:	root directory
 *
 * Return: a descriptor, or -ENODEV if there is none, or another's
 */
int clock_ptp_open(int root_fd);

#endif
