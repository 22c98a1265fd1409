/* SPDX-License-Identifier: MIT */
/*
 * The floor: what no fork can be quicker than. The very command line of an engine
 * that runs a fork, started N times by a bare loop and told over QMP, by fixed
 * lines and without looking at the answers more than necessary, to load the same
 * state; once all have, to go on. All at the same time. The engines have TAPs
 * (made before the clock starts, for without one the state does not load) but no
 * identity, no bridge, no rules and no mail, and nothing of them is on record.
 */
#ifndef VF_FLOOR_H
#define VF_FLOOR_H

#include <limits.h>

#include "core/snapshot.h"

#define FLOOR_FDS_MAX 16

/* What a descriptor of the engine's is. */
enum floor_fd_kind {
	FLOOR_FD_FILE,	 /* all engines read the same one */
	FLOOR_FD_TAP,	 /* one of its own for each */
	FLOOR_FD_SOCKET, /* that listens, one of its own for each */
};

struct floor_fd {
	enum floor_fd_kind kind;
	int number;  /* as the command line names it */
	int file_fd; /* of a file; else -1 */
	bool is_qmp;
};

/* How an engine was started that runs a fork. */
struct floor_model {
	char program[PATH_MAX];
	char state_path[PATH_MAX]; /* what it loads */
	char *words;		   /* one after the other, each with its NUL */
	char **argv;
	unsigned int num_fds;
	struct floor_fd fds[FLOOR_FDS_MAX];
	int log_fd; /* what engines say before they die */
};

struct floor_engine;

/* Engines that run, and when they began to. */
struct floor_run {
	struct floor_engine *engines;
	unsigned int num;
	int64_t *resumed_us; /* since the loop began: of each engine */
	pid_t *pids;
	int64_t cpu_us; /* that the loop itself used */
};

/**
 * floor_model_init() - See how a fork's engine was started
 * @model:	out: floor_model_exit() it, also after a failure
 * @snapshot:	that was forked, without disks
 * @pid:	the engine, which runs
 * @err:	error
 *
 * Return: 0 or -errno, -ENOTSUP if the floor cannot start such a one
 */
int floor_model_init(struct floor_model *model, const struct snapshot *snapshot,
		     pid_t pid, struct vf_err *err);

/**
 * floor_model_exit() - Forget it
 * @model:	model
 */
void floor_model_exit(struct floor_model *model);

/**
 * floor_fd_move() - Move a descriptor out of the way of those that an engine gets
 * @fd:		descriptor, which is closed; or -1
 *
 * Return: another one, or -errno
 */
int floor_fd_move(int fd);

/**
 * floor_begin() - Start N engines, and let them run
 * @run:	out: floor_end() it, also after a failure
 * @model:	how
 * @num:	how many
 * @cancel_fd:	readable when the user gives up; or -1
 * @err:	error
 *
 * They die with the calling thread, whatever way that ends.
 *
 * Return: 0 or -errno
 */
int floor_begin(struct floor_run *run, const struct floor_model *model,
		unsigned int num, int cancel_fd, struct vf_err *err);

/**
 * floor_end() - End the engines
 * @run:	run
 */
void floor_end(struct floor_run *run);

#endif
