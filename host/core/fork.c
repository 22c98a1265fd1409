// SPDX-License-Identifier: MIT
/*
 * A fork, stage by stage. What is cheap and shared is done once for all forks
 * (names, identities, TAPs, one transaction for the bridge and the filter); what
 * takes time is done by a thread per fork: start the engine, load the state,
 * post the mail, resume. The main thread attaches the ports meanwhile and then
 * sits at the desk where the acknowledgements arrive. There is one undo,
 * reap.c's, which works from whatever stage was reached.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "core/batch.h"
#include "core/reap.h"

#define SETTLE_MS   2000 /* after the last acknowledgement */
#define CONCLUDE_MS 2000 /* to read the words of those that were not heard */
#define SLICE_MS    200

static void set_attached(struct batch *b, enum attach_state attached)
{
	pthread_mutex_lock(&b->lock);
	b->attached = attached;
	pthread_cond_broadcast(&b->attached_cond);
	pthread_mutex_unlock(&b->lock);
}

static void start_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		int ret;

		if (w->job->err.num)
			continue;
		ret = pthread_create(&w->thread, NULL, worker_main, w);
		w->has_thread = ret == 0;
		if (ret)
			vf_err_errno(&w->job->err, ret, "thread");
	}
}

/* Put all ports on the bridge, while the engines start. */
static void attach_ports(struct batch *b)
{
	unsigned int num = 0, max = b->result->num;
	__free struct net_port *ports = calloc(max, sizeof(*ports));
	struct vf_err err;

	for (unsigned int i = 0; ports && i < max; i++)
		if (b->workers[i].has_thread)
			ports[num++] = b->result->jobs[i].vm.port;
	if (!ports || net_ports_attach(b->net, ports, num, &err) < 0) {
		vf_log(VF_LOG_ERROR, "%s", ports ? err.msg : "no memory");
		set_attached(b, ATTACH_FAILED);
		return;
	}
	set_attached(b, ATTACH_DONE);
}

/* Is there anything left to wait for? */
static bool is_done(struct batch *b, bool settled_too)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];
		struct ack_case *c = &b->cases[i];

		if (!w->has_thread)
			continue;
		if (!atomic_load(&w->over))
			return false;
		if (w->job->outcome == FORK_FAILED || c->failed ||
		    !b->request->wait)
			continue;
		if (!c->acked || (settled_too && !c->settled))
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

/* Sit at the desk until all is said, or the time is over. */
static int serve_acks(struct batch *b)
{
	int64_t deadline_us =
		vf_now_us() + (int64_t)b->request->timeout_ms * 1000;
	int64_t settle_us = 0;

	while (!is_done(b, true)) {
		int64_t now_us = vf_now_us();
		uint64_t count;
		int ret;

		note_dead(b);
		if (is_done(b, false) && !settle_us)
			settle_us = now_us + SETTLE_MS * 1000;
		if (now_us > deadline_us || (settle_us && now_us > settle_us))
			break;
		/* what can be readable here: acks, ended workers, the user */
		if (b->request->cancel_fd >= 0 &&
		    vf_wait_readable(b->request->cancel_fd, -1, 0) == 0)
			return -ECANCELED;
		ret = ack_desk_serve(&b->desk, b->cases, b->result->num,
				     b->wake_fd, now_us + SLICE_MS * 1000);
		if (ret == -ECANCELED)
			(void)!read(b->wake_fd, &count, sizeof(count));
		else if (ret < 0 && ret != -ETIMEDOUT)
			return ret;
	}
	if (b->desk.dropped)
		vf_log(VF_LOG_WARN,
		       "%llu acknowledgements were dropped and came again",
		       (unsigned long long)b->desk.dropped);
	return 0;
}

static void join_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].has_thread)
			pthread_join(b->workers[i].thread, NULL);
}

/* The network failed us; the status words in the fork's memory did not. */
static void read_status(struct worker *w, int64_t deadline_us)
{
	struct fork_job *job = w->job;
	struct vmfork_status status;
	struct vf_err err;

	w->vmm.cancel_fd = -1;
	if (mailbox_status(&w->vmm, job->vm.mailbox_gpa, &status, deadline_us,
			   &err) < 0) {
		job->err = err;
		vf_err_wrap(&job->err, "not acknowledged");
		return;
	}
	if (!vmfork_id_equal(status.restore_id, job->letter.restore_id)) {
		vf_err_set(&job->err, ETIMEDOUT,
			   "not acknowledged: it did not find its mail");
		return;
	}
	job->signal = status.signal;
	job->reached = status.stage;
	if (status.error)
		vf_err_errno(&job->err, guest_errno(status.error),
			     "not acknowledged: it failed at step %s",
			     timeline_step_name(status.step));
	else
		vf_err_set(&job->err, ETIMEDOUT,
			   "not acknowledged in time, but its network is "
			   "configured");
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
	struct vf_err ignored;

	if (!b->request->wait)
		return;
	if (c->acked || c->failed) {
		job->signal = c->ack.signal;
		job->reached = c->ack.stage;
		note_mailbox(w, c->ack.gpa);
		job->clock_error_us = timeline_finish(&job->timeline);
	}
	if (c->acked) {
		job->outcome = FORK_ACKED;
		vm_save(&job->vm, &ignored);
		return;
	}
	job->outcome = FORK_UNACKED;
	if (c->failed)
		vf_err_errno(&job->err, guest_errno(c->ack.error),
			     "the guest failed at step %s",
			     timeline_step_name(c->ack.step));
	else
		read_status(w, deadline_us);
	/* it may be snapshotted all the same, and be found by what it has */
	if (job->reached < VMFORK_STAGE_APPLIED) {
		memcpy(job->vm.guest_mac, b->snapshot->mac,
		       sizeof(job->vm.guest_mac));
		vm_save(&job->vm, &ignored);
	}
}

/* Did the bridge see each fork's own MAC and address on its port? */
static void verify_ports(struct batch *b)
{
	unsigned int num = b->result->num;
	__free struct net_port *ports = calloc(num, sizeof(*ports));
	struct vf_err err;

	if (!ports)
		return;
	for (unsigned int i = 0; i < num; i++)
		ports[i] = b->result->jobs[i].vm.port;
	if (net_ports_verify(b->net, ports, num, &err) < 0) {
		vf_log(VF_LOG_WARN, "%s", err.msg);
		return;
	}
	for (unsigned int i = 0; i < num; i++)
		b->result->jobs[i].vm.port.verified = ports[i].verified;
}

static void keep_record(struct batch *b, struct fork_job *job)
{
	__json json_t *record = fork_job_describe(job, b->result->start_us);
	struct vf_err err;

	if (vf_json_save(job->vm.run_fd, VM_TIMELINE_FILE, record, false,
			 &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: record: %s", job->vm.name, err.msg);
}

/* Take away the forks that do not run; all of them if the user gave up. */
static void undo_jobs(struct batch *b, bool all)
{
	__json json_t *names = json_array();
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		/* a name that we could not reserve belongs to somebody else */
		if (job->vm.run_fd >= 0 && (all || job->outcome == FORK_FAILED))
			json_array_append_new(names, json_string(job->vm.name));
	}
	if (json_array_size(names) && reap_vms(b->state, names, 0, &err) < 0)
		vf_log(VF_LOG_WARN, "undoing: %s", err.msg);
}

static void finish_jobs(struct batch *b)
{
	verify_ports(b);
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		if (job->outcome == FORK_FAILED)
			continue;
		process_faults(job->pid, &job->faults_minor,
			       &job->faults_major);
		keep_record(b, job);
		vm_created(&job->vm);
	}
	undo_jobs(b, false);
}

static void release_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		if (w->tap_fd >= 0)
			close(w->tap_fd);
		if (w->vmm.ops)
			vm_detach(&w->vmm);
	}
}

/* Engines, acknowledgements, conclusions. Everything is prepared. */
static int run_batch(struct batch *b, struct vf_err *err)
{
	int64_t deadline_us;
	int ret;

	start_workers(b);
	attach_ports(b);
	ret = serve_acks(b);
	join_workers(b);
	if (ret < 0)
		return vf_err_set(err, ret,
				  ret == -ECANCELED ? "interrupted"
						    : "acknowledgements");
	deadline_us = vf_now_us() + CONCLUDE_MS * 1000;
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].job->outcome == FORK_RUNNING)
			conclude_job(b, &b->workers[i], deadline_us);
	return 0;
}

static int alloc_batch(struct batch *b, unsigned int num, struct vf_err *err)
{
	b->result->jobs = calloc(num, sizeof(*b->result->jobs));
	b->workers = calloc(num, sizeof(*b->workers));
	b->cases = calloc(num, sizeof(*b->cases));
	if (!b->result->jobs || !b->workers || !b->cases)
		return vf_err_errno(err, ENOMEM, "fork");
	b->result->num = num;
	for (unsigned int i = 0; i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->vm.run_fd = -1;
		timeline_init(&job->timeline);
		b->workers[i] = (struct worker){
			.batch = b,
			.job = job,
			.tap_fd = -1,
		};
		/* cases that are never prepared must still name a letter */
		b->cases[i].letter = &job->letter;
	}
	return 0;
}

int fork_snapshot(struct fork_result *result, const struct vf_state *state,
		  const struct snapshot *snapshot,
		  const struct fork_request *request, struct vf_err *err)
{
	struct batch b = {
		.state = state,
		.snapshot = snapshot,
		.request = request,
		.result = result,
		.desk.fd = -1,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.wake_fd = -1,
	};
	int ret;

	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.attached_cond, NULL);
	*result = (struct fork_result){
		.start_us = request->start_us ? request->start_us : vf_now_us(),
	};
	ret = alloc_batch(&b, request->num, err);
	if (!ret)
		ret = chain_open(&b.chain, state, snapshot->name, snapshot->id,
				 err);
	if (!ret)
		ret = batch_prepare(&b, err);
	if (!ret)
		ret = run_batch(&b, err);
	/* a TAP of which we hold a descriptor would outlive its engine */
	release_workers(&b);
	if (ret < 0)
		undo_jobs(&b, true);
	else
		finish_jobs(&b);
	result->wall_us = vf_now_us() - result->start_us;
	ack_desk_close(&b.desk);
	net_close(b.net);
	chain_close(&b.chain);
	vf_close_fd(&b.kernel_fd);
	vf_close_fd(&b.initrd_fd);
	vf_close_fd(&b.wake_fd);
	free(b.workers);
	free(b.cases);
	return ret;
}

void fork_result_exit(struct fork_result *result)
{
	for (unsigned int i = 0; i < result->num; i++)
		vm_close(&result->jobs[i].vm);
	free(result->jobs);
	result->jobs = NULL;
	result->num = 0;
}
