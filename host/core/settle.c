// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mailbox.h"
#include "core/settle.h"
#include "core/timeline.h"
#include "names.h"
#include "rules.h"

#define NS_PER_US 1000

void settle_note(struct settle *settle, const struct vmfork_status *status,
		 uint64_t monotonic_ns)
{
	uint64_t reseed_ns = status->reseed_ns;

	*settle = (struct settle){ .is_known = true, .status = *status };
	if (!monotonic_ns || reseed_ns < monotonic_ns)
		return;
	settle->has_window = true;
	settle->reseed_window_us =
		(int64_t)((reseed_ns - monotonic_ns) / NS_PER_US);
}

void settle_note_stamp(struct settle *settle, int64_t stamped_us,
		       int64_t resumed_us)
{
	settle->has_late = stamped_us && resumed_us >= stamped_us;
	settle->clock_late_us = resumed_us - stamped_us;
}

/* One more thing that went wrong. The first one's errno is that of all. */
static void add(struct vf_err *err, const char *what, uint32_t error)
{
	size_t len;

	if (!err->num)
		vf_err_set(err, guest_errno(error), "settled, but ");
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, "%s%s: %s",
		 err->msg[len - 1] == ' ' ? "" : "; ", what,
		 strerror(guest_errno(error)));
}

int settle_judge(const struct settle *settle, struct vf_err *err)
{
	const struct vmfork_status *status = &settle->status;

	*err = (struct vf_err){ 0 };
	if (status->reseed == VMFORK_RESEED_FAILED)
		add(err, "reseed", status->reseed_error);
	for (uint32_t task = 0; task < VMFORK_TASK_NUM; task++)
		if (status->tasks_failed & 1U << task)
			add(err, vmfork_task_name(task),
			    status->task_error[task]);
	return -err->num;
}

static json_t *tasks_pack(const struct vmfork_status *status)
{
	json_t *json = json_object();

	for (uint32_t task = 0; task < VMFORK_TASK_NUM; task++)
		json_object_set_new(
			json, vmfork_task_name(task),
			json_string(vmfork_task_result(status, task)));
	return json;
}

/* Two's complement of nanoseconds. */
static int64_t skew_us(uint64_t ns)
{
	return (int64_t)ns / NS_PER_US;
}

static json_t *known_pack(bool is_known, int64_t us)
{
	return is_known ? json_integer(us) : json_null();
}

json_t *settle_pack(const struct settle *settle)
{
	const struct vmfork_status *status = &settle->status;
	/* as it is in the guest: read, also where it was left alone */
	bool is_read = (status->tasks_done | status->tasks_failed) &
		       1U << VMFORK_TASK_CLOCK;

	if (!settle->is_known)
		return json_null();
	return json_pack(
		"{s:o,s:s?,s:o,s:o,s:o,s:s?,s:o,s:I}", "tasks",
		tasks_pack(status), "clock",
		vmfork_clock_name(status->clock_source), "skew_before_us",
		known_pack(is_read, skew_us(status->skew_before_ns)),
		"skew_after_us",
		known_pack(is_read, skew_us(status->skew_after_ns)),
		"clock_late_us",
		known_pack(settle->has_late, settle->clock_late_us), "reseed",
		vmfork_reseed_name(status->reseed), "reseed_window_us",
		known_pack(settle->has_window, settle->reseed_window_us),
		"killed", (json_int_t)status->num_killed);
}

int settle_refusal(uint32_t error, uint32_t step, uint32_t detail,
		   struct vf_err *err)
{
	char text[RULES_TEXT_SIZE];
	int num = guest_errno(error);

	if (step == VMFORK_STEP_DECODE) {
		vf_err_set(err, num, "the guest refused its mail: %s",
			   rules_describe(detail, text));
		if ((detail & 0xff) == VMFORK_WHY_UNKNOWN)
			vf_err_hint(err, "its agent is older than this "
					 "command: 'vmfork bake' its image "
					 "anew");
		return -num;
	}
	if (step == VMFORK_STEP_VERIFY)
		return vf_err_errno(err, num, "the guest refused its mail");
	return vf_err_errno(err, num, "the guest failed at step %s",
			    timeline_step_name(step));
}
