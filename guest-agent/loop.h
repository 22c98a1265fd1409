/* SPDX-License-Identifier: MIT */
/*
 * The one event loop: descriptors, timers, and an optional watcher that runs
 * whenever there is nothing else to do.
 */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOP_FDS_MAX	16
#define LOOP_TIMERS_MAX 12

/* @revents: what poll() said of @fd */
typedef void (*loop_fd_cb)(void *arg, int fd, short revents);
typedef void (*loop_timer_cb)(void *arg);

struct loop_timer {
	uint64_t due_ns; /* on monotonic_ns()'s clock; 0: off */
	loop_timer_cb cb;
	void *arg;
};

struct loop {
	struct pollfd fds[LOOP_FDS_MAX];
	struct {
		loop_fd_cb cb;
		void *arg;
	} watch[LOOP_FDS_MAX];
	unsigned int num_fds;
	struct loop_timer *timers[LOOP_TIMERS_MAX];
	unsigned int num_timers;
	loop_timer_cb idle_cb; /* NULL: sleep while idle */
	void *idle_arg;
	bool stopped;
};

/**
 * loop_add_fd() - Watch a descriptor for input; from any callback
 * @loop:	loop
 * @fd:		descriptor; stays the caller's
 * @cb:		called when it is readable, or in error
 * @arg:	for @cb
 *
 * Return: 0 or -ENOSPC
 */
int loop_add_fd(struct loop *loop, int fd, loop_fd_cb cb, void *arg);

/**
 * loop_add_fd_for() - Watch a descriptor for something else than input
 * @loop:	loop
 * @fd:		descriptor; stays the caller's
 * @events:	of poll()
 * @cb:		called when one of them is there, or an error
 * @arg:	for @cb
 *
 * Return: 0 or -ENOSPC
 */
int loop_add_fd_for(struct loop *loop, int fd, short events, loop_fd_cb cb,
		    void *arg);

/**
 * loop_del_fd() - Stop watching a descriptor; from any callback
 * @loop:	loop
 * @fd:		descriptor
 */
void loop_del_fd(struct loop *loop, int fd);

/**
 * loop_add_timer() - Make a timer known; it is off until its due_ns is set
 * @loop:	loop
 * @timer:	storage, the caller's
 * @cb:		called once each time it is due; it is off by then
 * @arg:	for @cb
 *
 * Return: 0 or -ENOSPC
 */
int loop_add_timer(struct loop *loop, struct loop_timer *timer,
		   loop_timer_cb cb, void *arg);

/**
 * loop_run() - Serve until loop_stop()
 * @loop:	loop
 *
 * Return: 0 or -errno
 */
int loop_run(struct loop *loop);

/**
 * loop_stop() - Have loop_run() return; from any callback
 * @loop:	loop
 */
void loop_stop(struct loop *loop);

#endif
