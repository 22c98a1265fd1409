/* SPDX-License-Identifier: MIT */
/*
 * What a host asks of a running guest, through the page's request part: whether
 * it lives, and to hold still for a snapshot (vmfork_mailbox.h, "REQUEST").
 *
 * Holding still is: hooks, the workload's cgroup, disks; letting go is the
 * reverse. It ends with the host's word, with the time that the host said, or in
 * a fork, as one of the tasks that follow its network.
 */
#ifndef AGENT_REQUESTS_H
#define AGENT_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "disks.h"
#include "freeze.h"
#include "hooks.h"
#include "loop.h"
#include "vmfork_mailbox.h"

struct agent;

enum requests_state {
	REQUESTS_IDLE,
	REQUESTS_WAITING,   /* for hooks of a restore, or of a release */
	REQUESTS_PREPARING, /* hooks run, or the cgroup is not frozen yet */
	REQUESTS_HELD,
	REQUESTS_RELEASING, /* hooks run */
};

struct requests {
	enum requests_state state;
	struct vmfork_request asked; /* the PREPARE at hand; private copy */
	bool is_owed;		     /* its answer, or a RELEASE's */
	uint32_t owed_counter;
	int result;		 /* of the answer that is owed: 0 or -errno */
	uint64_t end_ns;	 /* of getting ready */
	struct loop_timer timer; /* the answer is due, or letting go */
	struct freeze freeze;
	struct disks disks;
};

/**
 * requests_init() - Make timers known; what a former agent froze goes on
 * @agent:	agent, its cgroup set by freeze_init()
 *
 * Return: 0 or -errno
 */
int requests_init(struct agent *agent);

/**
 * requests_look() - Is there a new request? Answer it, or begin with it
 * @agent:	agent
 */
void requests_look(struct agent *agent);

/**
 * requests_go_on() - Hooks of another kind have ended: what waits may begin
 * @agent:	agent
 */
void requests_go_on(struct agent *agent);

/**
 * requests_thaw() - Task: let go in a fork what its source held
 * @agent:	agent
 *
 * Return: 0, SETTLE_NOTHING or -errno
 */
int requests_thaw(struct agent *agent);

/**
 * requests_exit() - The agent ends: let go
 * @agent:	agent
 */
void requests_exit(struct agent *agent);

#endif
