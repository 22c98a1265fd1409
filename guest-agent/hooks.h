/* SPDX-License-Identifier: MIT */
/*
 * Hooks: the programs of a directory, run one after the other while the loop
 * goes on. Where there is no directory, or no program in it, nothing is spawned.
 *
 * Only a regular file is run that is executable, root's (or whose we are), and
 * writable by nobody else; the same holds for the directory. The order is that
 * of strcmp().
 */
#ifndef AGENT_HOOKS_H
#define AGENT_HOOKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"
#include "vmfork_payload.h"

#define HOOKS_MAX	64
#define HOOKS_NAME_LEN	64
#define HOOKS_PATH_LEN	128
#define HOOKS_DYING_MAX 2 /* any more are reaped when hooks run again */

#define HOOKS_LATER 1 /* the callback will be called */

/* @ret: 0 or -errno, as from hooks_start() */
typedef void (*hooks_cb)(void *arg, int ret);

/* How they are run. Everything pointed to stays the caller's, until the end. */
struct hooks_run {
	const char *dir;      /* HOOKS_PATH_LEN at most, name included */
	const char *argument; /* $1; NULL: none */
	const char *input;    /* file to be standard input; NULL: none */
	char *const *env;
	enum vmfork_policy policy;
	uint64_t timeout_ms; /* for all together */
	hooks_cb cb;
	void *arg;
};

struct hooks {
	struct loop *loop;
	struct loop_timer timer;
	struct hooks_run run;
	char names[HOOKS_MAX][HOOKS_NAME_LEN];
	unsigned int num;
	unsigned int at;      /* the one that runs, or is next */
	unsigned int num_ran; /* began, of a run that was not backwards */
	bool is_backwards;
	bool is_killed; /* the one that runs: the time was over */
	int error;	/* the first, 0 if none */
	uint64_t end_ns;
	pid_t pid; /* 0: none runs */
	int pid_fd;
	/* killed, and given up on: to be reaped once they are gone */
	struct {
		pid_t pid; /* 0: free */
		int pid_fd;
	} dying[HOOKS_DYING_MAX];
};

/**
 * hooks_init() - Make the timer known
 * @hooks:	out: hooks
 * @loop:	loop
 *
 * Return: 0 or -errno
 */
int hooks_init(struct hooks *hooks, struct loop *loop);

/**
 * hooks_start() - Run what is in a directory
 * @hooks:	hooks; what they did before is forgotten
 * @run:	how
 *
 * With VMFORK_POLICY_IGNORE a hook that fails is logged and the next one is
 * run. With VMFORK_POLICY_FAIL it is the last. When the time is over the one
 * that runs is killed with its process group, and the rest is skipped.
 *
 * Return: HOOKS_LATER, 0 if there was nothing to run, -EBUSY while others run,
 * with VMFORK_POLICY_FAIL also -EPERM for a directory that others may write to,
 * -E2BIG for more than HOOKS_MAX (otherwise the first of them are run), the
 * errno of one that did not start, -EIO for one that said that it failed,
 * -ETIMEDOUT
 */
int hooks_start(struct hooks *hooks, const struct hooks_run *run);

/**
 * hooks_start_backwards() - Run those again that ran, the last one first
 * @hooks:	hooks
 * @run:	how; the directory is to be the same
 *
 * Return: as hooks_start()
 */
int hooks_start_backwards(struct hooks *hooks, const struct hooks_run *run);

/**
 * hooks_stop() - Kill what runs; the callback is not called
 * @hooks:	hooks; they still know which ones ran
 */
void hooks_stop(struct hooks *hooks);

/**
 * hooks_is_busy() - Does one run?
 * @hooks:	hooks
 *
 * Return: true if so
 */
static inline bool hooks_is_busy(const struct hooks *hooks)
{
	return hooks->pid != 0;
}

#endif
