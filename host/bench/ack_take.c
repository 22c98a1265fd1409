// SPDX-License-Identifier: MIT
/* One fork with mail, measured. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "bench/ack_kind.h"
#include "bench/ack_watch.h"
#include "core/fork.h"
#include "core/reap.h"
#include "vmfork_ack.h"

#define TIMEOUT_MS 60000

static_assert(VMFORK_STAGE_NUM <= ACK_WATCH_STAGES,
	      "a stage that is not watched is not seen");
static_assert(sizeof(struct vmfork_status) <= ACK_WATCH_BYTES,
	      "words beyond these are not watched");

/* A fork that is about to run, and who looks at its status. */
struct sight {
	const struct ack_way *way;
	struct ack_watch watch;
	uint8_t restore_id[VMFORK_ID_LEN];
};

/* Words of another mail are the parent's; those half written count later. */
static unsigned int stage_of(const void *words, const void *ctx)
{
	const struct vmfork_status *status = words;
	const struct sight *sight = ctx;

	if (sight->way->stage)
		return sight->way->stage(status, sight->way->ctx);
	if (status->seq & 1 ||
	    !vmfork_id_equal(status->restore_id, sight->restore_id))
		return VMFORK_STAGE_NONE;
	return status->stage;
}

static int resuming(const struct fork_job *job, struct vmm *vmm, void *ctx,
		    struct vf_err *err)
{
	struct sight *sight = ctx;
	const struct ack_way *way = sight->way;
	int ret = vmm->ops->locate(vmm, job->vm.mailbox_gpa, &sight->watch.hva,
				   err);

	if (!ret && way->resuming)
		ret = way->resuming(job, vmm, way->ctx, err);
	if (ret < 0)
		return ret;
	memcpy(sight->restore_id, job->letter.restore_id, VMFORK_ID_LEN);
	sight->watch.pid = job->pid;
	sight->watch.bytes = sizeof(struct vmfork_status);
	sight->watch.stage = stage_of;
	sight->watch.ctx = sight;
	sight->watch.hva += VMFORK_STATUS_OFFSET;
	ack_watch_start(&sight->watch);
	return 0;
}

/* From one stage to another, if it came to both. */
static int64_t between(const struct timeline *tl, enum timeline_stage from,
		       enum timeline_stage to)
{
	if (!tl->at_us[from] || !tl->at_us[to])
		return ACK_UNKNOWN;
	return tl->at_us[to] - tl->at_us[from];
}

static void note_guest(struct ack_row *row, const struct fork_job *job)
{
	const struct timeline *tl = &job->timeline;
	const uint64_t *ns = tl->guest_ns;
	int64_t *v = row->value;

	if (!tl->has_guest)
		return;
	v[ACK_SIGNAL_US] = between(tl, TIMELINE_RESUMED, TIMELINE_SIGNAL);
	v[ACK_MAIL_US] = between(tl, TIMELINE_RESUMED, TIMELINE_MAIL);
	v[ACK_ACK_US] = between(tl, TIMELINE_APPLIED, TIMELINE_ACKED);
	v[ACK_CLOCK_ERROR_US] = job->clock_error_us;
	if (ns[VMFORK_STAGE_MAIL] && ns[VMFORK_STAGE_APPLIED])
		v[ACK_APPLY_US] = (int64_t)(ns[VMFORK_STAGE_APPLIED] -
					    ns[VMFORK_STAGE_MAIL]) /
				  1000;
}

static void note_job(struct ack_row *row, const struct fork_result *result,
		     const struct ack_watch *watch)
{
	const struct fork_job *job = &result->jobs[0];
	const struct timeline *tl = &job->timeline;
	int64_t seen_us = watch->seen_us[VMFORK_STAGE_APPLIED];
	int64_t *v = row->value;

	row->signal = job->signal;
	v[ACK_TOTAL_US] = tl->at_us[TIMELINE_ACKED] - result->start_us;
	v[ACK_RECONFIGURE_US] = between(tl, TIMELINE_RESUMED, TIMELINE_ACKED);
	note_guest(row, job);
	if (seen_us) {
		v[ACK_SEEN_US] = seen_us - tl->at_us[TIMELINE_RESUMED];
		v[ACK_BLIND_US] = watch->blind_us[VMFORK_STAGE_APPLIED];
	}
	v[ACK_CPU_US] = job->cpu_acked_us;
	v[ACK_PREFETCH_BYTES] = (int64_t)job->prefetch.bytes;
	v[ACK_PREFETCH_US] = job->prefetch.us;
	v[ACK_FAULTS_MAJOR] = (int64_t)job->faults_major;
	v[ACK_FAULTS_MINOR] = (int64_t)job->faults_minor;
}

void ack_reap(const struct vf_state *state, const char *name)
{
	struct vf_err err;

	if (reap_vm(state, name, &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: not ended: %s", name, err.msg);
}

int ack_take(struct ack_row *row, const struct ack_site *site,
	     struct vf_err *err)
{
	const struct ack_way usual = { 0 };

	return ack_take_way(row, site, &usual, err);
}

int ack_take_way(struct ack_row *row, const struct ack_site *site,
		 const struct ack_way *way, struct vf_err *err)
{
	struct sight sight = { .way = way };
	const struct fork_request request = {
		.prefix = site->prefix,
		.num = 1,
		.post = true,
		.wait = FORK_WAIT_NETWORK,
		.cold = true,
		.prefetch = site->variant->prefetch->wish,
		.timeout_ms = TIMEOUT_MS,
		.cancel_fd = site->cancel_fd,
		.num_links = way->num_links,
		.links = { way->link },
		.resuming = resuming,
		.ctx = &sight,
	};
	struct fork_result result = { 0 };
	int ret = fork_snapshot(&result, site->state, site->snapshot, &request,
				err);

	ack_watch_stop(&sight.watch);
	if (!ret && result.jobs[0].outcome != FORK_ACKED) {
		*err = result.jobs[0].err;
		ret = -err->num;
	} else if (!ret) {
		note_job(row, &result, &sight.watch);
	}
	if (result.num && result.jobs[0].vm.run_fd >= 0)
		ack_reap(site->state, result.jobs[0].vm.name);
	fork_result_exit(&result);
	return ret;
}
