// SPDX-License-Identifier: MIT
#include <assert.h>
#include <stddef.h>

#include "names.h"
#include "vmfork_mailbox.h"

static const char *const signal_names[] = {
	[VMFORK_SIGNAL_NONE] = "none",
	[VMFORK_SIGNAL_MAILBOX] = "mailbox",
	[VMFORK_SIGNAL_VMCLOCK] = "vmclock",
	[VMFORK_SIGNAL_VMCLOCK_SPIN] = "vmclock-spin",
	[VMFORK_SIGNAL_VMGENID] = "vmgenid",
	[VMFORK_SIGNAL_CHECK] = "check",
	[VMFORK_SIGNAL_BOOT] = "boot",
	[VMFORK_SIGNAL_ARMED] = "armed",
};
static_assert(sizeof(signal_names) / sizeof(char *) == VMFORK_SIGNAL_NUM,
	      "signals");

static const char *const stage_names[] = {
	[VMFORK_STAGE_NONE] = "none",	[VMFORK_STAGE_SIGNAL] = "signal",
	[VMFORK_STAGE_MAIL] = "mail",	[VMFORK_STAGE_APPLIED] = "applied",
	[VMFORK_STAGE_ACKED] = "acked", [VMFORK_STAGE_SETTLED] = "settled",
};
static_assert(sizeof(stage_names) / sizeof(char *) == VMFORK_STAGE_NUM,
	      "stages");

static const char *const step_names[] = {
	[VMFORK_STEP_NONE] = "none",
	[VMFORK_STEP_MAIL] = "mail",
	[VMFORK_STEP_VERIFY] = "verify",
	[VMFORK_STEP_DECODE] = "decode",
	[VMFORK_STEP_MATCH] = "match",
	[VMFORK_STEP_LINK] = "link",
	[VMFORK_STEP_ADDR_DEL] = "addr-del",
	[VMFORK_STEP_ADDR_ADD] = "addr-add",
	[VMFORK_STEP_NEIGH] = "neigh",
	[VMFORK_STEP_ROUTE] = "route",
	[VMFORK_STEP_UNDO] = "undo",
};
static_assert(sizeof(step_names) / sizeof(char *) == VMFORK_STEP_NUM, "steps");

static const char *const task_names[] = {
	[VMFORK_TASK_CLOCK] = "clock",
	[VMFORK_TASK_THAW] = "thaw",
	[VMFORK_TASK_HOSTNAME] = "hostname",
	[VMFORK_TASK_HOSTS] = "hosts",
	[VMFORK_TASK_RESOLV] = "resolv",
	[VMFORK_TASK_MACHINE_ID] = "machine-id",
	[VMFORK_TASK_PAYLOAD] = "payload",
	[VMFORK_TASK_TCP] = "tcp",
	[VMFORK_TASK_HOOKS] = "hooks",
	[VMFORK_TASK_NOTIFY] = "notify",
};
static_assert(sizeof(task_names) / sizeof(char *) == VMFORK_TASK_NUM, "tasks");

static const char *const reseed_names[] = {
	[VMFORK_RESEED_NONE] = "none",
	[VMFORK_RESEED_DONE] = "done",
	[VMFORK_RESEED_FAILED] = "failed",
	[VMFORK_RESEED_ALONE] = "alone",
};
static_assert(sizeof(reseed_names) / sizeof(char *) == VMFORK_RESEED_NUM,
	      "reseeds");

static const char *const clock_names[] = {
	[VMFORK_CLOCK_NONE] = "none",
	[VMFORK_CLOCK_MAIL] = "mail",
	[VMFORK_CLOCK_PTP] = "ptp",
};
static_assert(sizeof(clock_names) / sizeof(char *) == VMFORK_CLOCK_NUM,
	      "clocks");

static const char *const policy_names[] = {
	[VMFORK_POLICY_IGNORE] = "ignore",
	[VMFORK_POLICY_FAIL] = "fail",
};
static_assert(sizeof(policy_names) / sizeof(char *) == VMFORK_POLICY_NUM,
	      "policies");

const char *vmfork_signal_name(uint32_t signal)
{
	return signal < VMFORK_SIGNAL_NUM ? signal_names[signal] : NULL;
}

const char *vmfork_stage_name(uint32_t stage)
{
	return stage < VMFORK_STAGE_NUM ? stage_names[stage] : NULL;
}

const char *vmfork_step_name(uint32_t step)
{
	return step < VMFORK_STEP_NUM ? step_names[step] : NULL;
}

const char *vmfork_task_name(uint32_t task)
{
	return task < VMFORK_TASK_NUM ? task_names[task] : NULL;
}

const char *vmfork_reseed_name(uint32_t reseed)
{
	return reseed < VMFORK_RESEED_NUM ? reseed_names[reseed] : NULL;
}

const char *vmfork_clock_name(uint32_t source)
{
	return source < VMFORK_CLOCK_NUM ? clock_names[source] : NULL;
}

const char *vmfork_policy_name(uint32_t policy)
{
	return policy < VMFORK_POLICY_NUM ? policy_names[policy] : NULL;
}

const char *vmfork_task_result(const struct vmfork_status *status,
			       uint32_t task)
{
	uint32_t bit = 1U << task;

	if (status->tasks_failed & bit)
		return "failed";
	return status->tasks_done & bit ? "done" : "none";
}
