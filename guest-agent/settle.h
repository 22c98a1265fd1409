/* SPDX-License-Identifier: MIT */
/*
 * What a fork must change beside its network. It begins once the first
 * acknowledgement has left, not when that is answered; the tasks follow each
 * other in the order of enum vmfork_task, and one that fails stops no other. The
 * loop has a turn between any two, for answers, requests and newer mail.
 */
#ifndef AGENT_SETTLE_H
#define AGENT_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"
#include "vmfork_mailbox.h"

/* What a task returns beside 0 (done) and -errno. */
#define SETTLE_NOTHING 1 /* it was not asked for, or there is nothing to do */
#define SETTLE_LATER   2 /* settle_done() will be called */

#define SETTLE_BIT(task) (1U << (task))

/* Which tasks, after what. */
#define SETTLE_ALL (SETTLE_BIT(VMFORK_TASK_NUM) - 1)
#define SETTLE_BOOT                                                      \
	(SETTLE_ALL &                                                    \
	 ~(SETTLE_BIT(VMFORK_TASK_CLOCK) | SETTLE_BIT(VMFORK_TASK_TCP) | \
	   SETTLE_BIT(VMFORK_TASK_HOOKS)))
#define SETTLE_NO_MAIL                                                  \
	(SETTLE_BIT(VMFORK_TASK_CLOCK) | SETTLE_BIT(VMFORK_TASK_THAW) | \
	 SETTLE_BIT(VMFORK_TASK_HOOKS) | SETTLE_BIT(VMFORK_TASK_NOTIFY))
#define SETTLE_FAILED SETTLE_BIT(VMFORK_TASK_THAW)

struct agent;

struct settle {
	uint32_t pending;	 /* bits: which tasks have not begun */
	uint32_t later;		 /* the one that goes on by itself, or 0 */
	struct loop_timer timer; /* the next one's turn */
};

struct settle_task {
	enum vmfork_task task;
	/* Return: 0, SETTLE_*, -errno */
	int (*run)(struct agent *agent);
	/* Give up what run() left for later; NULL if it never does. */
	void (*stop)(struct agent *agent);
};

/**
 * settle_init() - Make the timer known
 * @agent:	agent
 *
 * Return: 0 or -errno
 */
int settle_init(struct agent *agent);

/**
 * settle_begin() - Begin with the tasks; what was going on is stopped
 * @agent:	agent
 * @tasks:	which, SETTLE_BIT() of each
 *
 * restore_settled() is called at the end, at once if there are none.
 */
void settle_begin(struct agent *agent, uint32_t tasks);

/**
 * settle_stop() - A newer restore: stop what is going on
 * @agent:	agent
 */
void settle_stop(struct agent *agent);

/**
 * settle_done() - A task that returned SETTLE_LATER has ended
 * @agent:	agent
 * @task:	which; any other than the one that goes on is ignored
 * @ret:	0, SETTLE_NOTHING or -errno
 */
void settle_done(struct agent *agent, enum vmfork_task task, int ret);

/**
 * settle_is_over() - Is there nothing left to do?
 * @settle:	settle
 *
 * Return: true if so
 */
static inline bool settle_is_over(const struct settle *settle)
{
	return !settle->pending && !settle->later;
}

#endif
