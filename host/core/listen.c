// SPDX-License-Identifier: MIT
/*
 * What forks say once they run: by datagram, or in their page, which tells also
 * where no datagram gets through. batch.h holds the contract.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "core/batch.h"

#define CONCLUDE_MS 2000 /* to read the words of those that were not heard */
#define SLICE_MS    200
#define LOOK_MS	    1000 /* a fork is heard before, unless something is wrong */
#define LOOKS_MAX   8	 /* at a time: each asks an engine */

/* What the guest did with its mail. -ENOMSG: it has not found it. */
static int read_status(struct worker *w, struct vmfork_status *status,
		       int64_t deadline_us, struct vf_err *err)
{
	const struct fork_job *job = w->job;
	int ret;

	w->vmm.cancel_fd = -1;
	ret = mailbox_status(&w->vmm, job->vm.mailbox_gpa, status, deadline_us,
			     err);
	if (!ret &&
	    !vmfork_id_equal(status->restore_id, job->letter.restore_id))
		ret = vf_err_set(err, ENOMSG, "it did not find its mail");
	return ret;
}

/* Is there anything left to wait for? */
static bool is_done(struct batch *b)
{
	enum fork_wait wait = b->request->wait;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		struct ack_case *c = &b->cases[i];

		if (!w->has_thread)
			continue;
		if (!atomic_load(&w->over))
			return false;
		if (w->job->outcome == FORK_FAILED || c->failed)
			continue;
		if (wait >= FORK_WAIT_NETWORK && !c->acked)
			return false;
		if (wait >= FORK_WAIT_SETTLED && !c->settled)
			return false;
	}
	return true;
}

/* A fork whose engine ended is not waited for: it has nothing to say. */
static void note_dead(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		if (!w->has_thread || !atomic_load(&w->over) ||
		    w->job->outcome != FORK_RUNNING ||
		    process_wait(&w->vmm.proc, 0) < 0)
			continue;
		w->job->outcome = FORK_FAILED;
		vf_err_set(&w->job->err, ECHILD, "its engine ended");
	}
}

/*
 * A guest that refused its mail has its parent's network still, with which it
 * reaches nobody: if nothing is heard, its page is looked at.
 */
static bool look(struct batch *b, struct worker *w)
{
	struct ack_case *c = &b->cases[w->job - b->result->jobs];
	int64_t now_us = vf_now_us(), resumed_us;
	struct vmfork_status status;
	struct vf_err ignored;

	if (!w->has_thread || !atomic_load(&w->over) || c->acked || c->failed ||
	    w->job->outcome != FORK_RUNNING)
		return false;
	resumed_us = w->job->timeline.at_us[TIMELINE_RESUMED];
	if (!w->look_us)
		w->look_us = resumed_us + LOOK_MS * 1000;
	if (now_us < w->look_us)
		return false;
	w->look_us = 2 * now_us - resumed_us;
	if (read_status(w, &status, now_us, &ignored) == 0 && status.error) {
		c->failed = true;
		c->ack.signal = status.signal;
		c->ack.stage = status.stage;
		c->ack.error = status.error;
		c->ack.step = status.step;
		c->ack.detail = status.detail;
		c->ack.gpa = w->job->vm.mailbox_gpa;
	}
	return true;
}

static void look_around(struct batch *b)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < b->result->num && num < LOOKS_MAX; i++)
		num += look(b, &b->workers[i]);
}

int batch_listen(struct batch *b)
{
	int64_t deadline_us =
		vf_now_us() + (int64_t)b->request->timeout_ms * 1000;

	while (!is_done(b)) {
		int64_t now_us = vf_now_us();
		uint64_t count;
		int ret;

		note_dead(b);
		if (now_us > deadline_us)
			break;
		/* what can be readable here: acks, ended workers, the user */
		if (b->request->cancel_fd >= 0 &&
		    vf_wait_readable(b->request->cancel_fd, -1, 0) == 0)
			return -ECANCELED;
		ret = ack_desk_serve(&b->desk, b->cases, b->result->num,
				     b->wake_fd, now_us + SLICE_MS * 1000);
		if (ret == -ECANCELED)
			(void)!read(b->wake_fd, &count, sizeof(count));
		else if (ret == -ETIMEDOUT)
			look_around(b);
		else if (ret < 0)
			return ret;
	}
	if (b->desk.dropped)
		vf_log(VF_LOG_WARN,
		       "%llu acknowledgements were dropped and came again",
		       (unsigned long long)b->desk.dropped);
	return 0;
}

/* The network failed us; the status words in the fork's memory did not. */
static void note_unacked(struct worker *w, int64_t deadline_us)
{
	struct fork_job *job = w->job;
	struct vmfork_status status;

	if (read_status(w, &status, deadline_us, &job->err) < 0) {
		vf_err_wrap(&job->err, "not acknowledged");
		return;
	}
	job->signal = status.signal;
	job->reached = status.stage;
	if (status.error) {
		settle_refusal(status.error, status.step, status.detail,
			       &job->err);
		vf_err_wrap(&job->err, "not acknowledged");
	} else {
		vf_err_set(&job->err, ETIMEDOUT,
			   "not acknowledged in time, but its network is "
			   "configured");
	}
}

/* What followed the network. Told by datagram or not, it stands in the page. */
static void note_settled(struct batch *b, struct worker *w, int64_t deadline_us)
{
	struct fork_job *job = w->job;
	struct vmfork_status status;
	int ret;

	if (b->request->wait < FORK_WAIT_SETTLED)
		return;
	ret = read_status(w, &status, deadline_us, &job->err);
	if (ret == -ENOMSG) {
		vf_err_set(&job->err, ENOMSG,
			   "acknowledged, but its status is of another mail");
	} else if (ret < 0) {
		vf_err_wrap(&job->err, "acknowledged, but its status");
	} else if (status.stage < VMFORK_STAGE_SETTLED) {
		vf_err_set(&job->err, ETIMEDOUT,
			   "acknowledged, but not settled within %d s",
			   b->request->timeout_ms / 1000);
	} else {
		job->reached = VMFORK_STAGE_SETTLED;
		settle_note(&job->settle, &status,
			    b->snapshot->guest_monotonic_ns);
		settle_judge(&job->settle, &job->err);
	}
}

/* The guest says where its mailbox is: believed after a look. */
static void note_mailbox(struct worker *w, uint64_t gpa)
{
	struct vm *vm = &w->job->vm;
	struct vmfork_mailbox page;
	struct vf_err ignored;

	w->vmm.cancel_fd = -1;
	if (gpa != vm->mailbox_gpa &&
	    mailbox_read(&w->vmm, gpa, &page, &ignored) == 0)
		vm->mailbox_gpa = gpa;
}

static void conclude_job(struct batch *b, struct worker *w, int64_t deadline_us)
{
	struct fork_job *job = w->job;
	struct ack_case *c = &b->cases[job - b->result->jobs];

	if (b->request->wait == FORK_WAIT_NONE)
		return;
	if (c->acked || c->failed) {
		job->signal = c->ack.signal;
		job->reached = c->ack.stage;
		note_mailbox(w, c->ack.gpa);
		timeline_restored(&job->timeline,
				  b->snapshot->guest_monotonic_ns,
				  b->snapshot->monotonic_error_us);
		job->clock_error_us = timeline_finish(&job->timeline);
	}
	if (c->acked) {
		job->outcome = FORK_ACKED;
		note_settled(b, w, deadline_us);
		return;
	}
	job->outcome = FORK_UNACKED;
	if (c->failed)
		settle_refusal(c->ack.error, c->ack.step, c->ack.detail,
			       &job->err);
	else
		note_unacked(w, deadline_us);
	/* it may be snapshotted all the same, and be found by what it has */
	if (job->reached < VMFORK_STAGE_APPLIED)
		batch_keep_macs(b, &job->vm);
}

void batch_conclude(struct batch *b)
{
	int64_t deadline_us = vf_now_us() + CONCLUDE_MS * 1000;

	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].job->outcome == FORK_RUNNING)
			conclude_job(b, &b->workers[i], deadline_us);
}
