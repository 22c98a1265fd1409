/* SPDX-License-Identifier: MIT */
/*
 * When hooks are run, and what they are told: the restore's facts in their
 * environment (VMFORK_*), the status document on standard input.
 */
#ifndef AGENT_EVENTS_H
#define AGENT_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "hooks.h"

#define EVENTS_FACTS_MAX 24
#define EVENTS_TEXT_SIZE 1024

struct agent;

/* An environment; what does not fit is left out. */
struct events_facts {
	unsigned int num;
	size_t len;
	char *env[EVENTS_FACTS_MAX + 1]; /* ends with NULL */
	char text[EVENTS_TEXT_SIZE];
};

/**
 * events_facts() - Put down what is known
 * @facts:	out: environment
 * @agent:	agent
 * @event:	"post-restore" or "pre-snapshot"
 */
void events_facts(struct events_facts *facts, const struct agent *agent,
		  const char *event);

/**
 * events_restored() - Task: run the hooks of post-restore.d
 * @agent:	agent
 *
 * Return: SETTLE_LATER, SETTLE_NOTHING if there are none, -errno
 */
int events_restored(struct agent *agent);

/**
 * events_restored_stop() - A newer restore: kill the one that runs
 * @agent:	agent
 */
void events_restored_stop(struct agent *agent);

/**
 * events_prepare() - Run the hooks of pre-snapshot.d, told "prepare"
 * @agent:	agent
 * @policy:	what it means when one fails
 * @timeout_ms:	for all together
 * @cb:		called with @agent at the end
 *
 * Return: as hooks_start()
 */
int events_prepare(struct agent *agent, enum vmfork_policy policy,
		   uint64_t timeout_ms, hooks_cb cb);

/**
 * events_release() - Run those again that events_prepare() ran, told "release"
 * @agent:	agent
 * @cb:		called with @agent at the end
 *
 * Return: as hooks_start()
 */
int events_release(struct agent *agent, hooks_cb cb);

#endif
