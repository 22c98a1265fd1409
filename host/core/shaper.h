/* SPDX-License-Identifier: MIT */
/*
 * The queue in which forks get the rates that were asked for. One thread works it
 * off, one fork after the other, and a fork comes into it once it has acknowledged
 * (where nobody waits for that, once it runs): making queues takes the kernel's
 * network lock, which must not stand between a guest and its acknowledgement.
 *
 * The command waits for the end of it before any fork is on record as made. So one
 * that is killed before leaves no fork behind that is faster than it was to be:
 * those that are not made are undone.
 */
#ifndef VF_SHAPER_H
#define VF_SHAPER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct fork_job;

struct shaper {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* all that follows */
	struct fork_job **queue;
	unsigned int num;  /* that came */
	unsigned int done; /* of these */
	bool is_over;	   /* nothing comes any more */
	bool is_dropped;   /* nor is the rest done */
	int ended_fd;	   /* readable once nothing is left to do */
};

/**
 * shaper_start() - Begin to work
 * @shaper:	out; shaper_end() it
 * @max:	how many forks there are
 * @err:	error
 *
 * Return: 0 or -errno
 */
int shaper_start(struct shaper *shaper, unsigned int max, struct vf_err *err);

/**
 * shaper_add() - It is a fork's turn; returns at once
 * @shaper:	queue, started or zero; nothing is done for a fork without rates
 * @job:	fork that runs; its interfaces and the stage "shaped" are the queue's
 *		until shaper_end(); at most once for each
 */
void shaper_add(struct shaper *shaper, struct fork_job *job);

/**
 * shaper_wait() - Wait until all is done; nothing may be added any more
 * @shaper:		queue; one that is zero or has ended is fine
 * @cancel_fd:		readable when the user gives up; or -1
 * @deadline_us:	on vf_now_us()'s clock
 *
 * Return: 0, -ETIMEDOUT, -ECANCELED, -errno
 */
int shaper_wait(struct shaper *shaper, int cancel_fd, int64_t deadline_us);

/**
 * shaper_end() - Wait until all is done, or drop what is not
 * @shaper:	queue; one that is zero or has ended is fine
 * @drop:	leave what has not begun
 */
void shaper_end(struct shaper *shaper, bool drop);

#endif
