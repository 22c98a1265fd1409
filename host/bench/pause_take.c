// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "bench/pause_take.h"
#include "bench/watch.h"
#include "core/fork.h"
#include "core/reap.h"

#define SNAPSHOT_NAME "bench-pause"
#define FORK_PREFIX   "bench-pause-of"
#define FORK_MS	      60000
#define READY_US      600000000LL
#define WISH_MS	      120000
#define WISH_LOOK_US  2000
#define CALM_US	      100000

static int check_pulse(struct vmm *vmm, uint64_t gpa, struct pulse *pulse,
		       struct vf_err *err)
{
	int ret = vmm->ops->peek(vmm, gpa, pulse, sizeof(*pulse), err);

	if (!ret && pulse->magic != PULSE_MAGIC)
		ret = vf_err_set(err, EBADMSG,
				 "the guest's program is not where it said");
	return ret;
}

static int wait_done(struct vmm *vmm, const struct pause_vm *pv,
		     struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + WISH_MS * 1000LL;

	for (;;) {
		struct pulse pulse;
		int ret = check_pulse(vmm, pv->gpa, &pulse, err);

		if (ret < 0 || pulse.done_seq == pv->seq)
			return ret;
		if (vf_now_us() > deadline_us)
			return vf_err_set(err, ETIMEDOUT,
					  "the guest's program does not work");
		usleep(WISH_LOOK_US);
	}
}

int pause_vm_wish(struct pause_vm *pv, uint64_t bytes, enum pulse_work work,
		  unsigned int rate_mib, struct vf_err *err)
{
	const size_t at = offsetof(struct pulse, bytes);
	struct pulse pulse = {
		.bytes = bytes,
		.work = work,
		.rate_mib = rate_mib,
	};
	struct vmm vmm;
	int ret = vm_attach(pv->vm, &vmm, pv->cancel_fd, err);

	if (ret < 0)
		return ret;
	pv->seq++;
	ret = vmm.ops->poke(&vmm, pv->gpa + at, &pulse.bytes,
			    sizeof(pulse) - at, err);
	if (!ret)
		ret = vmm.ops->poke(&vmm,
				    pv->gpa + offsetof(struct pulse, wish_seq),
				    &pv->seq, sizeof(pv->seq), err);
	if (!ret)
		ret = wait_done(&vmm, pv, err);
	vm_detach(&vmm);
	return ret;
}

/* What it has changed by now, and where the count is. */
static int look_at(const struct pause_vm *pv, int64_t *private_bytes,
		   pid_t *pid, uint64_t *hva, struct vf_err *err)
{
	struct vmm_memory memory;
	struct extents changed = { 0 };
	struct pulse pulse;
	struct vmm vmm;
	int ret = vm_attach(pv->vm, &vmm, pv->cancel_fd, err);

	if (ret < 0)
		return ret;
	ret = check_pulse(&vmm, pv->gpa, &pulse, err);
	if (!ret)
		ret = vmm.ops->locate(&vmm, pv->gpa, hva, err);
	if (!ret)
		ret = vmm.ops->memory(&vmm, &memory, err);
	memory.has_base = pv->vm->snapshot[0];
	if (!ret)
		ret = vmm_memory_changed(&vmm, &memory, &changed, err);
	*hva += offsetof(struct pulse, beats);
	*pid = vmm.proc.pid;
	*private_bytes = (int64_t)(changed.pages * EXTENT_PAGE);
	extents_exit(&changed);
	vm_detach(&vmm);
	return ret;
}

void pause_forget(const struct vf_state *state, const char *name)
{
	__json json_t *names = json_pack("[s]", name);
	struct vf_err ignored;

	snapshot_remove(state, names, SNAPSHOT_ORPHANS_CASCADE, &ignored);
}

static int note_taken(struct pause_row *row, const struct vf_state *state,
		      struct vf_err *err)
{
	struct snapshot s;
	int ret = snapshot_open(&s, state, SNAPSHOT_NAME, err);

	if (!ret) {
		row->taken = s.mode;
		row->value[PAUSE_US] = s.pause_us;
		row->value[PAUSE_WRITTEN_BYTES] = (int64_t)s.dirty_bytes;
	}
	snapshot_close(&s);
	return ret;
}

/* As the command does it; afterwards the snapshot is there, or nothing. */
static int take_timed(struct pause_row *row, const struct vf_state *state,
		      const struct pause_plan *plan, const struct vm *vm,
		      struct vf_err *err)
{
	static const enum snapshot_mode modes[PAUSE_MODE_NUM] = {
		[PAUSE_FULL] = SNAPSHOT_MODE_FULL,
		[PAUSE_DIFF] = SNAPSHOT_MODE_DIFF,
		[PAUSE_LIVE] = SNAPSHOT_MODE_LIVE,
		[PAUSE_LIVE_ASYNC] = SNAPSHOT_MODE_LIVE,
		[PAUSE_AUTO] = SNAPSHOT_MODE_AUTO,
	};
	const struct snapshot_request request = {
		.name = SNAPSHOT_NAME,
		.mode = modes[row->mode],
		.cancel_fd = plan->cancel_fd,
	};
	bool wait = row->mode != PAUSE_LIVE_ASYNC;
	struct snapshot s = { .dir_fd = -1 };
	int64_t start_us = vf_now_us();
	int ret = (wait ? snapshot_take
			: snapshot_take_detached)(&s, state, vm, &request, err);

	row->value[PAUSE_TRIP_US] = vf_now_us() - start_us;
	snapshot_close(&s);
	/* one that was there before is none of ours */
	if (ret < 0)
		return ret;
	if (!wait)
		ret = snapshot_await(state, SNAPSHOT_NAME,
				     vf_now_us() + READY_US, plan->cancel_fd,
				     err);
	row->value[PAUSE_READY_US] = vf_now_us() - start_us;
	if (!ret)
		ret = note_taken(row, state, err);
	if (ret < 0)
		pause_forget(state, SNAPSHOT_NAME);
	return ret;
}

/* How long a fork of it takes until it runs. */
static int fork_timed(struct pause_row *row, const struct vf_state *state,
		      const struct pause_plan *plan, struct vf_err *err)
{
	const struct fork_request request = {
		.prefix = FORK_PREFIX,
		.num = 1,
		.post = true,
		.wait = FORK_WAIT_NONE,
		.timeout_ms = FORK_MS,
		.start_us = vf_now_us(),
		.cancel_fd = plan->cancel_fd,
	};
	struct fork_result result = { 0 };
	struct snapshot s;
	int ret = snapshot_open(&s, state, SNAPSHOT_NAME, err);

	if (!ret)
		ret = fork_snapshot(&result, state, &s, &request, err);
	if (!ret && result.jobs[0].outcome == FORK_FAILED) {
		*err = result.jobs[0].err;
		ret = -err->num;
	} else if (!ret) {
		row->value[PAUSE_FORK_US] =
			result.jobs[0].timeline.at_us[TIMELINE_RESUMED] -
			result.start_us;
		ret = reap_vm(state, result.jobs[0].vm.name, err);
	}
	fork_result_exit(&result);
	snapshot_close(&s);
	return ret;
}

int pause_take(struct pause_row *row, const struct vf_state *state,
	       const struct pause_plan *plan, const struct pause_vm *pv,
	       struct vf_err *err)
{
	struct watch_sight sight;
	struct watch watch;
	uint64_t hva = 0;
	pid_t pid;
	int ret =
		look_at(pv, &row->value[PAUSE_PRIVATE_BYTES], &pid, &hva, err);

	if (!ret)
		ret = watch_start(&watch, pid, hva, err);
	if (ret < 0)
		return ret;
	usleep(CALM_US);
	row->value[PAUSE_CALM_US] = watch_take(&watch).gap_us;
	ret = take_timed(row, state, plan, pv->vm, err);
	sight = watch_take(&watch);
	watch_stop(&watch);
	row->value[PAUSE_GAP_US] = sight.gap_us;
	row->value[PAUSE_BLIND_US] = sight.blind_us;
	row->value[PAUSE_FORK_US] = PAUSE_NONE;
	if (!ret) {
		if (plan->forks)
			ret = fork_timed(row, state, plan, err);
		pause_forget(state, SNAPSHOT_NAME);
	}
	/* the finishers of --no-wait are our children here */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return ret;
}
