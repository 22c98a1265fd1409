// SPDX-License-Identifier: MIT
/*
 * What forks say once they run: by datagram, or in their page, which tells also
 * where no datagram gets through. batch.h holds the contract.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/log.h"
#include "base/usage.h"
#include "core/batch.h"
#include "names.h"

#define CONCLUDE_MS 2000 /* to read the words of those that were not heard */
#define SLICE_MS    200
#define LOOK_MS	    1000 /* a fork is heard before, unless something is wrong */
#define LOOKS_MAX   8	 /* at a time */
#define FRONT_MS    2000 /* one that settles holds up others so long, at most */

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
		ret = vf_err_set(err, ENOMSG,
				 "its agent has not found its mail yet");
	return ret;
}

static struct ack_case *case_of(struct batch *b, const struct worker *w)
{
	return &b->cases[w->job - b->result->jobs];
}

/* Does it run, so that it is the main thread's to look after? */
static bool runs(const struct worker *w)
{
	return w->place >= WAVE_GOING && w->job->outcome == FORK_RUNNING;
}

/* Since when does it share the processors as it does? */
static int64_t share_us(const struct worker *w)
{
	return w->yield_us > w->place_us ? w->yield_us : w->place_us;
}

/*
 * How long it is waited for: from its own resumption on; with what it does after
 * its acknowledgement from when it does not yield any more.
 */
static bool is_in_time(struct batch *b, const struct worker *w, int64_t now_us)
{
	int64_t from_us = w->job->timeline.at_us[TIMELINE_RESUMED];

	if (w->yields)
		return true;
	if (case_of(b, w)->acked && share_us(w) > from_us)
		from_us = share_us(w);
	return now_us <= from_us + (int64_t)b->request->timeout_ms * 1000;
}

/* Is this fork still to be waited for? */
static bool is_awaited(struct batch *b, const struct worker *w, int64_t now_us)
{
	const struct ack_case *c = case_of(b, w);
	enum fork_wait wait = b->request->wait;

	if (w->place < WAVE_GOING)
		return true;
	if (!runs(w) || c->failed || wait == FORK_WAIT_NONE ||
	    (c->acked && (wait == FORK_WAIT_NETWORK || c->settled)))
		return false;
	return is_in_time(b, w, now_us);
}

static bool is_done(struct batch *b)
{
	int64_t now_us = vf_now_us();

	for (unsigned int i = 0; i < b->result->num; i++)
		if (is_awaited(b, &b->workers[i], now_us))
			return false;
	return true;
}

static void move(struct batch *b, struct worker *w, enum wave_place place)
{
	pthread_mutex_lock(&b->lock);
	batch_move(b, w, place);
	pthread_mutex_unlock(&b->lock);
}

/* A fork whose engine ended is not waited for: it has nothing to say. */
static void note_dead(struct batch *b, struct worker *w)
{
	if (!runs(w) || process_wait(&w->vmm.proc, 0) < 0)
		return;
	w->job->outcome = FORK_FAILED;
	vf_err_set(&w->job->err, ECHILD, "its engine ended");
	if (w->place != WAVE_OVER)
		move(b, w, WAVE_OVER);
}

/* One that takes too long holds up nobody. */
static void note_late(struct batch *b, struct worker *w, int64_t now_us)
{
	bool is_late = false;
	int64_t took_us;

	pthread_mutex_lock(&b->lock);
	took_us = now_us - w->place_us;
	if (w->place == WAVE_GOING && took_us > wave_patience_us(&b->wave)) {
		batch_move(b, w, WAVE_LATE);
		is_late = true;
	} else if (w->place == WAVE_LOADING &&
		   took_us > wave_load_patience_us(&b->wave)) {
		batch_move(b, w, WAVE_STUCK);
		crew_reinforce(b);
		worker_unlead(w);
	}
	pthread_mutex_unlock(&b->lock);
	if (is_late)
		worker_yield(w, false);
}

static void note_heard(struct batch *b, struct worker *w)
{
	struct ack_case *c = case_of(b, w);
	int64_t resumed_us = w->job->timeline.at_us[TIMELINE_RESUMED];
	int64_t acked_us = w->job->timeline.at_us[TIMELINE_ACKED];

	if ((w->place != WAVE_GOING && w->place != WAVE_LATE) ||
	    !(c->acked || c->failed))
		return;
	if (c->acked) {
		usage_cpu_us(w->job->pid, &w->job->cpu_acked_us);
		process_faults(w->job->pid, &w->job->faults_minor,
			       &w->job->faults_major);
		prefetch_record(&b->prefetch, &w->vmm);
	}
	pthread_mutex_lock(&b->lock);
	if (c->acked)
		wave_heard(&b->wave, acked_us - resumed_us);
	batch_move(b, w, WAVE_OVER);
	pthread_mutex_unlock(&b->lock);
	shaper_add(&b->shaper, w->job);
}

/*
 * What forks do after their acknowledgement costs as much as all before it, and
 * a hundred that do nothing keep two processors busy with their timers: those
 * that were heard yield to those that were not. When all were, they go on in
 * waves as well, where somebody waits for that.
 */
static void share(struct batch *b)
{
	int64_t now_us = vf_now_us();
	unsigned int front = 0;

	for (unsigned int i = 0; b->can_yield && i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		const struct ack_case *c = case_of(b, w);

		if (!runs(w) || w->place != WAVE_OVER)
			continue;
		if (!b->heard_us || c->settled) {
			worker_yield(w, true);
		} else if (!w->yields) {
			/* one of the last led, and need not any more */
			worker_yield(w, false);
			front += now_us - share_us(w) < FRONT_MS * 1000;
		} else if (front < b->wave.width) {
			worker_yield(w, false);
			front++;
		}
	}
}

/*
 * A guest that refused its mail has its parent's network still, with which it
 * reaches nobody: if nothing is heard, its page is looked at.
 */
static bool look(struct batch *b, struct worker *w)
{
	struct ack_case *c = case_of(b, w);
	int64_t now_us = vf_now_us(), resumed_us;
	struct vmfork_status status;
	struct vf_err ignored;

	if (!runs(w) || c->acked || c->failed)
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

/* What is not told by anybody, but seen by who looks now and then. */
static void look_around(struct batch *b)
{
	int64_t now_us = vf_now_us();
	unsigned int num = 0;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		note_dead(b, w);
		note_late(b, w, now_us);
		if (num < LOOKS_MAX && b->request->wait != FORK_WAIT_NONE)
			num += look(b, w);
	}
}

/* What can be readable here: acks, forks at another place, the user. */
static int listen_once(struct batch *b, int64_t until_us)
{
	uint64_t count;
	int ret;

	if (vf_check_cancel(b->request->cancel_fd) < 0)
		return -ECANCELED;
	ret = ack_desk_serve(&b->desk, b->cases, b->result->num, b->wake_fd,
			     until_us);
	if (ret == -ECANCELED)
		(void)!read(b->wake_fd, &count, sizeof(count));
	else if (ret < 0 && ret != -ETIMEDOUT)
		return ret;
	for (unsigned int i = 0; i < b->result->num; i++)
		note_heard(b, &b->workers[i]);
	share(b);
	return 0;
}

static int listen_all(struct batch *b)
{
	int64_t look_us = 0;
	int ret = 0;

	while (!ret && !is_done(b)) {
		int64_t now_us = vf_now_us();

		if (now_us >= look_us) {
			look_around(b);
			look_us = now_us + SLICE_MS * 1000;
		}
		ret = listen_once(b, look_us);
	}
	return ret;
}

void batch_unyield(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++)
		worker_yield(&b->workers[i], false);
}

int batch_listen(struct batch *b)
{
	int ret;

	ret = listen_all(b);
	if (b->desk.dropped)
		vf_log(VF_LOG_WARN,
		       "%llu acknowledgements were dropped and came again",
		       (unsigned long long)b->desk.dropped);
	return ret;
}

/* The network failed us; the status words in the fork's memory did not. */
static void note_unacked(struct worker *w, int64_t deadline_us)
{
	struct fork_job *job = w->job;
	struct vmfork_status status;

	if (read_status(w, &status, deadline_us, &job->err) < 0) {
		vf_err_wrap(&job->err, "not acknowledged");
		if (job->err.num == ENOMSG)
			vf_err_hint(&job->err,
				    "--timeout gives it more; 'vmfork-agent "
				    "status' in the guest tells what it does");
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

/* A guest that was woken once more, booted anew, or lies: what it says tells. */
static void say_other_mail(const struct vmfork_status *status,
			   const struct letter *letter, struct vf_err *err)
{
	const uint8_t *is = status->restore_id, *own = letter->restore_id;
	const char *signal = vmfork_signal_name(status->signal);
	const char *stage = vmfork_stage_name(status->stage);

	vf_err_set(err, ENOMSG,
		   "acknowledged, but its status is of mail "
		   "%02x%02x%02x%02x, not %02x%02x%02x%02x (signal %s, stage "
		   "%s, generation %llu)",
		   is[0], is[1], is[2], is[3], own[0], own[1], own[2], own[3],
		   signal ? signal : "?", stage ? stage : "?",
		   (unsigned long long)status->generation);
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
		say_other_mail(&status, &job->letter, &job->err);
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
		settle_note_stamp(&job->settle, job->letter.stamped_us,
				  job->timeline.at_us[TIMELINE_RESUMED]);
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
	struct ack_case *c = case_of(b, w);

	if (b->request->wait == FORK_WAIT_NONE)
		return;
	memcpy(job->stage_us, c->stage_us, sizeof(job->stage_us));
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
