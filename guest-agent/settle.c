// SPDX-License-Identifier: MIT
#include <assert.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "log.h"
#include "machineid.h"
#include "monotonic.h"
#include "nameconf.h"
#include "names.h"
#include "notify.h"
#include "payload.h"
#include "restore.h"
#include "settle.h"

/* In the order of the enum. */
static const struct settle_task tasks[] = {
	{ VMFORK_TASK_CLOCK, clock_step, NULL },
	{ VMFORK_TASK_THAW, requests_thaw, NULL },
	{ VMFORK_TASK_HOSTNAME, nameconf_hostname, NULL },
	{ VMFORK_TASK_HOSTS, nameconf_hosts, NULL },
	{ VMFORK_TASK_RESOLV, nameconf_resolv, NULL },
	{ VMFORK_TASK_MACHINE_ID, machineid_apply, NULL },
	{ VMFORK_TASK_PAYLOAD, payload_deliver, NULL },
	{ VMFORK_TASK_TCP, sockets_run, NULL },
	{ VMFORK_TASK_HOOKS, events_restored, events_restored_stop },
	{ VMFORK_TASK_NOTIFY, notify_run, NULL },
};

static_assert(sizeof(tasks) / sizeof(tasks[0]) == VMFORK_TASK_NUM, "tasks");

static void task_note(struct agent *agent, enum vmfork_task task, int ret)
{
	struct vmfork_status *status = &agent->record.status;

	if (ret == SETTLE_NOTHING)
		return;
	if (ret < 0) {
		status->tasks_failed |= SETTLE_BIT(task);
		status->task_error[task] = (uint32_t)-ret;
		log_line(LOG_ERROR, "%s: %s", vmfork_task_name(task),
			 strerror(-ret));
	} else {
		status->tasks_done |= SETTLE_BIT(task);
	}
}

/*
 * Whatever else there is to do comes first. A boot does not wait for hooks, which
 * may go on for long.
 */
static void settle_next(struct agent *agent)
{
	if (!(agent->settle.pending & (SETTLE_BIT(VMFORK_TASK_HOOKS) - 1)))
		restore_ready(agent);
	if (agent->settle.pending)
		agent->settle.timer.due_ns = monotonic_ns();
	else
		restore_settled(agent);
}

static void timer_cb(void *arg)
{
	struct agent *agent = arg;
	struct settle *settle = &agent->settle;
	const struct settle_task *task = tasks;
	int ret;

	while (!(settle->pending & SETTLE_BIT(task->task)))
		task++;
	settle->pending &= ~SETTLE_BIT(task->task);
	ret = task->run(agent);
	if (ret == SETTLE_LATER) {
		settle->later = SETTLE_BIT(task->task);
		return;
	}
	task_note(agent, task->task, ret);
	settle_next(agent);
}

void settle_begin(struct agent *agent, uint32_t bits)
{
	settle_stop(agent);
	agent->settle.pending = bits & SETTLE_ALL;
	settle_next(agent);
}

void settle_stop(struct agent *agent)
{
	struct settle *settle = &agent->settle;
	uint32_t later = settle->later;

	settle->pending = 0;
	settle->later = 0;
	settle->timer.due_ns = 0;
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		if (later & SETTLE_BIT(tasks[i].task))
			tasks[i].stop(agent);
	}
}

void settle_done(struct agent *agent, enum vmfork_task task, int ret)
{
	if (agent->settle.later != SETTLE_BIT(task))
		return;
	agent->settle.later = 0;
	task_note(agent, task, ret);
	settle_next(agent);
}

int settle_init(struct agent *agent)
{
	return loop_add_timer(&agent->loop, &agent->settle.timer, timer_cb,
			      agent);
}
