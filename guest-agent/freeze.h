/* SPDX-License-Identifier: MIT */
/*
 * A cgroup that stands still from a snapshot until its fork has random numbers
 * of its own. What is needed to let it go on is open and in memory by then:
 * in a fork that is one write.
 */
#ifndef AGENT_FREEZE_H
#define AGENT_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

#define FREEZE_ROOT	"/sys/fs/cgroup"
#define FREEZE_PATH_LEN 512

#define FREEZE_LATER 1 /* the callback will be called */

/* @ret: 0 or -errno */
typedef void (*freeze_cb)(void *arg, int ret);

struct freeze {
	struct loop *loop;
	char path[FREEZE_PATH_LEN]; /* empty: none is configured */
	bool is_open;
	int freeze_fd; /* cgroup.freeze */
	int events_fd; /* cgroup.events */
	bool is_waiting;
	freeze_cb cb;
	void *arg;
};

/**
 * freeze_init() - Take down which cgroup it is; it need not exist yet
 * @freeze:	out: freeze; its loop is set by who starts it
 * @cgroup:	absolute path, or below FREEZE_ROOT; NULL: none
 *
 * Return: 0, -ENAMETOOLONG, -EINVAL for a path that leads upwards or is the
 * root's, which cannot be frozen
 */
int freeze_init(struct freeze *freeze, const char *cgroup);

/**
 * freeze_is_configured() - Is there a cgroup to freeze?
 * @freeze:	freeze
 *
 * Return: true if so
 */
static inline bool freeze_is_configured(const struct freeze *freeze)
{
	return freeze->path[0] != '\0';
}

/**
 * freeze_start() - Freeze the cgroup
 * @freeze:	freeze
 * @cb:		called once it is frozen, if that takes a while
 * @arg:	for @cb
 *
 * Return: 0, FREEZE_LATER, -ENOENT if there is no such cgroup, -EDEADLK if we
 * are in it, -errno
 */
int freeze_start(struct freeze *freeze, freeze_cb cb, void *arg);

/**
 * freeze_undo() - Let it go on; a callback that is due is not called
 * @freeze:	freeze
 *
 * Return: 0, 1 if nothing was frozen, -errno
 */
int freeze_undo(struct freeze *freeze);

/**
 * freeze_recover() - Let go what a former agent froze and did not live to undo
 * @freeze:	freeze
 */
void freeze_recover(struct freeze *freeze);

#endif
