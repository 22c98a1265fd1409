// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>

#include "loop.h"
#include "monotonic.h"

int loop_add_fd_for(struct loop *loop, int fd, short events, loop_fd_cb cb,
		    void *arg)
{
	unsigned int i = 0;

	while (i < loop->num_fds && loop->fds[i].fd >= 0)
		i++;
	if (i == LOOP_FDS_MAX)
		return -ENOSPC;
	if (i == loop->num_fds)
		loop->num_fds++;
	loop->fds[i] = (struct pollfd){ .fd = fd, .events = events };
	loop->watch[i].cb = cb;
	loop->watch[i].arg = arg;
	return 0;
}

int loop_add_fd(struct loop *loop, int fd, loop_fd_cb cb, void *arg)
{
	return loop_add_fd_for(loop, fd, POLLIN, cb, arg);
}

/* The slot stays, free for another, so that a callback may remove any. */
void loop_del_fd(struct loop *loop, int fd)
{
	for (unsigned int i = 0; i < loop->num_fds; i++) {
		if (loop->fds[i].fd != fd)
			continue;
		loop->fds[i].fd = -1;
		loop->fds[i].revents = 0;
	}
}

int loop_add_timer(struct loop *loop, struct loop_timer *timer,
		   loop_timer_cb cb, void *arg)
{
	if (loop->num_timers == LOOP_TIMERS_MAX)
		return -ENOSPC;
	*timer = (struct loop_timer){ .cb = cb, .arg = arg };
	loop->timers[loop->num_timers++] = timer;
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static void timers_run(struct loop *loop)
{
	uint64_t now = monotonic_ns();

	for (unsigned int i = 0; i < loop->num_timers; i++) {
		struct loop_timer *timer = loop->timers[i];

		if (!timer->due_ns || timer->due_ns > now)
			continue;
		timer->due_ns = 0;
		timer->cb(timer->arg);
	}
}

/* Return: when the next timer is due, UINT64_MAX if none ever is */
static uint64_t next_due(const struct loop *loop)
{
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < loop->num_timers; i++) {
		if (loop->timers[i]->due_ns && loop->timers[i]->due_ns < due)
			due = loop->timers[i]->due_ns;
	}
	return due;
}

static bool is_due(const struct loop *loop)
{
	return next_due(loop) <= monotonic_ns();
}

/* Return: ts filled with how long to sleep, or NULL for ever */
static const struct timespec *loop_timeout(const struct loop *loop,
					   struct timespec *ts)
{
	uint64_t due = next_due(loop), now = monotonic_ns(), ns;

	*ts = (struct timespec){ 0 };
	if (loop->idle_cb)
		return ts;
	if (due == UINT64_MAX)
		return NULL;
	ns = due > now ? due - now : 0;
	ts->tv_sec = (time_t)(ns / NS_PER_S);
	ts->tv_nsec = (long)(ns % NS_PER_S);
	return ts;
}

int loop_run(struct loop *loop)
{
	struct timespec ts;
	int ret;

	while (!loop->stopped) {
		ret = ppoll(loop->fds, loop->num_fds, loop_timeout(loop, &ts),
			    NULL);
		if (ret < 0 && errno != EINTR)
			return -errno;
		for (unsigned int i = 0; ret > 0 && i < loop->num_fds; i++) {
			const struct pollfd *pfd = &loop->fds[i];

			if (pfd->fd >= 0 && pfd->revents)
				loop->watch[i].cb(loop->watch[i].arg, pfd->fd,
						  pfd->revents);
		}
		timers_run(loop);
		if (loop->idle_cb && !loop->stopped && !is_due(loop))
			loop->idle_cb(loop->idle_arg);
	}
	return 0;
}
