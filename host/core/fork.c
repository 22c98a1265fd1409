// SPDX-License-Identifier: MIT
/*
 * A fork, stage by stage. What is cheap and shared is done once for all forks
 * (names, identities, TAPs, one transaction for the bridge and the filter); what
 * takes time is done by a crew of threads (crew.c), a few forks at a time: start
 * the engine, load the state, post the mail, resume. The main thread attaches the
 * ports meanwhile and then listens to what the forks say (listen.c). There is one
 * undo, reap.c's, which works from whatever stage was reached.
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

/* As long as rates may take, all together; of one it is tens of milliseconds. */
#define SHAPING_US     (30 * 1000000LL)
#define SHAPING_ONE_US 500000

static void set_attached(struct batch *b, enum attach_state attached)
{
	pthread_mutex_lock(&b->lock);
	b->attached = attached;
	pthread_cond_broadcast(&b->changed_cond);
	pthread_mutex_unlock(&b->lock);
}

static void note_attached(struct batch *b)
{
	struct net_moments m = nets_moments(&b->nets);

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct timeline *tl = &b->result->jobs[i].timeline;

		if (b->workers[i].place == WAVE_OVER ||
		    b->result->jobs[i].from_pool)
			continue;
		tl->from_us[TIMELINE_BRIDGE] = m.attach_us;
		tl->at_us[TIMELINE_BRIDGE] = m.bridged_us;
		tl->from_us[TIMELINE_NEIGHBOUR] = m.bridged_us;
		tl->at_us[TIMELINE_NEIGHBOUR] = m.remembered_us;
	}
}

/* Put all ports on the bridge, while the engines start. */
static void attach_ports(struct batch *b)
{
	unsigned int num = 0;
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->workers[i].place != WAVE_OVER &&
		    !b->result->jobs[i].from_pool)
			b->vms[num++] = &b->result->jobs[i].vm;
	if (nets_attach(&b->nets, b->vms, num, &err) < 0) {
		vf_log(VF_LOG_ERROR, "%s", err.msg);
		set_attached(b, ATTACH_FAILED);
		return;
	}
	note_attached(b);
	set_attached(b, ATTACH_DONE);
}

/* Did the bridges see each fork's own MACs and addresses on its ports? */
static void verify_ports(struct batch *b)
{
	unsigned int num = 0;
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->result->jobs[i].vm.num_nics)
			b->vms[num++] = &b->result->jobs[i].vm;
	if (nets_verify(&b->nets, b->vms, num, &err) < 0)
		vf_log(VF_LOG_WARN, "%s", err.msg);
}

/* One of the pool has its mail at boot in its engine alone, which may end first. */
static int keep_mail(struct batch *b, const struct fork_job *job,
		     struct vf_err *err)
{
	const struct worker *w = &b->workers[job - b->result->jobs];
	struct letter letter;
	int ret;

	if (!job->from_pool || !job->vm.disks.num)
		return 0;
	ret = batch_boot_letter(b, w, &letter, err);
	return ret < 0 ? ret : vm_write_mail(&job->vm, &letter, err);
}

static void keep_record(struct batch *b, struct fork_job *job)
{
	__json json_t *record = fork_job_describe(job, b->result->start_us);
	struct vf_err err;

	if (vm_reopen(&job->vm, b->state, &err) < 0 ||
	    vm_save(&job->vm, &err) < 0 ||
	    vf_json_save(job->vm.run_fd, VM_TIMELINE_FILE, record, false,
			 &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: record: %s", job->vm.name, err.msg);
	if (job->vm.run_fd >= 0 && keep_mail(b, job, &err) < 0)
		vf_log(VF_LOG_WARN, "VM %s: mail at boot: %s", job->vm.name,
		       err.msg);
	vm_close(&job->vm);
}

/* Take away the forks that do not run; all of them if the user gave up. */
static void undo_jobs(struct batch *b, bool all)
{
	__json json_t *names = json_array();
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		/* a name that we could not reserve belongs to somebody else */
		if (job->vm.name[0] && (all || job->outcome == FORK_FAILED))
			json_array_append_new(names, json_string(job->vm.name));
	}
	if (json_array_size(names) && reap_vms(b->state, names, -1, &err) < 0)
		vf_log(VF_LOG_WARN, "undoing: %s", err.msg);
}

/* Those of the pool's entries are theirs from here on, also by name. */
static void rename_ports(struct batch *b)
{
	__close int lock_fd = -1;
	unsigned int num = 0;
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->result->jobs[i].from_pool &&
		    b->result->jobs[i].outcome != FORK_FAILED)
			b->vms[num++] = &b->result->jobs[i].vm;
	if (!num)
		return;
	/* who judges what is dead must not see the half of it */
	lock_fd = state_lock(b->state, &err);
	/* under the entries' names they work as well */
	if (lock_fd < 0 || nets_rename(&b->nets, b->vms, num, &err) < 0)
		vf_log(VF_LOG_WARN, "ports: %s", err.msg);
}

/* They wait for who takes them. */
static void publish_entries(struct batch *b)
{
	struct fork_job *jobs = b->result->jobs;
	unsigned int num = 0;
	struct vf_err err;

	for (unsigned int i = 0; i < b->result->num; i++)
		if (jobs[i].outcome != FORK_FAILED)
			b->vms[num++] = &jobs[i].vm;
	if (ready_publish(b->state, b->snapshot, b->vms, num, &err) == 0)
		return;
	for (unsigned int i = 0; i < b->result->num; i++) {
		if (jobs[i].outcome != FORK_FAILED)
			jobs[i].err = err;
		jobs[i].outcome = FORK_FAILED;
	}
}

static void finish_entries(struct batch *b)
{
	publish_entries(b);
	undo_jobs(b, false);
}

/* While those that were heard still yield: it is soon done so. */
static void record_jobs(struct batch *b)
{
	int64_t from_us = vf_now_us();
	struct prefetch_note note;

	/* of those that nobody waits for, hardly one has spoken yet */
	if (b->request->wait != FORK_WAIT_NONE)
		verify_ports(b);
	trace_note(&b->result->trace, "verify", from_us);
	from_us = vf_now_us();
	rename_ports(b);
	trace_note(&b->result->trace, "rename", from_us);
	from_us = vf_now_us();
	prefetch_stop(&b->prefetch, &note);
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->prefetch = note;
		if (job->outcome == FORK_FAILED)
			continue;
		/* an engine has had some: this one was not heard */
		if (!job->faults_minor)
			process_faults(job->pid, &job->faults_minor,
				       &job->faults_major);
		keep_record(b, job);
	}
	trace_note(&b->result->trace, "records", from_us);
	batch_unyield(b);
}

static void finish_jobs(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++)
		if (b->result->jobs[i].outcome != FORK_FAILED)
			vm_created(&b->result->jobs[i].vm);
	undo_jobs(b, false);
}

static void release_workers(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		vm_close_taps(w->tap_fds);
		if (w->vmm.ops)
			vm_detach(&w->vmm);
	}
}

/* For whoever goes on with them, now that their engines need nothing more. */
static void reopen_vms(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		if (job->outcome != FORK_FAILED &&
		    vm_reopen(&job->vm, b->state, &job->err) < 0)
			job->outcome = FORK_FAILED;
	}
}

/* Nobody waits for their acknowledgement, any more or at all. */
static void shape_unheard(struct batch *b)
{
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct worker *w = &b->workers[i];

		if (w->place == WAVE_GOING || w->place == WAVE_LATE)
			shaper_add(&b->shaper, w->job);
	}
}

/* The last that is done before forks are on record as made. */
static int end_shaping(struct batch *b, struct vf_err *err)
{
	int64_t from_us = vf_now_us();
	int64_t deadline_us =
		from_us + SHAPING_US + (int64_t)b->result->num * SHAPING_ONE_US;
	int ret = shaper_wait(&b->shaper, b->request->cancel_fd, deadline_us);

	shaper_end(&b->shaper, ret < 0);
	trace_note(&b->result->trace, "shaping", from_us);
	if (ret == -ECANCELED)
		return vf_err_set(err, ECANCELED, "interrupted");
	for (unsigned int i = 0; i < b->result->num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		if (job->outcome != FORK_FAILED)
			nics_give_up(job->vm.nics, job->vm.num_nics,
				     &job->shaping_err);
		if (job->shaping_err.num && !job->err.num)
			job->err = job->shaping_err;
	}
	return 0;
}

/* Engines, acknowledgements, conclusions. Everything is prepared. */
static int run_batch(struct batch *b, struct vf_err *err)
{
	struct trace *trace = &b->result->trace;
	int64_t from_us;
	const struct vm *vm = &b->result->jobs[0].vm;
	int ret = 0;

	/* what is asked is asked for all of them */
	if (nics_are_pending(vm->nics, vm->num_nics))
		ret = shaper_start(&b->shaper, b->result->num, err);
	if (!ret)
		ret = crew_start(b, err);
	if (ret < 0)
		return ret;
	from_us = vf_now_us();
	attach_ports(b);
	trace_note(trace, "ports", from_us);
	from_us = vf_now_us();
	ret = batch_listen(b);
	trace_note(trace, "listen", from_us);
	crew_end(b);
	if (ret < 0)
		return vf_err_set(err, ret,
				  ret == -ECANCELED ? "interrupted"
						    : "acknowledgements");
	shape_unheard(b);
	from_us = vf_now_us();
	batch_conclude(b);
	trace_note(trace, "conclude", from_us);
	return 0;
}

static int alloc_batch(struct batch *b, unsigned int num, struct vf_err *err)
{
	b->result->jobs = calloc(num, sizeof(*b->result->jobs));
	b->workers = calloc(num, sizeof(*b->workers));
	b->cases = calloc(num, sizeof(*b->cases));
	b->vms = calloc(num, sizeof(*b->vms));
	if (!b->result->jobs || !b->workers || !b->cases || !b->vms)
		return vf_err_errno(err, ENOMEM, "fork");
	b->result->num = num;
	for (unsigned int i = 0; i < num; i++) {
		struct fork_job *job = &b->result->jobs[i];

		job->vm.run_fd = -1;
		timeline_init(&job->timeline);
		b->workers[i] = (struct worker){
			.batch = b,
			.job = job,
			.tap_fds = { -1, -1, -1, -1 },
		};
		/* cases that are never prepared must still name a letter */
		b->cases[i].letter = &job->letter;
	}
	return 0;
}

static int batch_init(struct batch *b, struct vf_err *err)
{
	const struct fork_request *request = b->request;

	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->changed_cond, NULL);
	*b->result = (struct fork_result){
		.start_us = request->start_us ? request->start_us : vf_now_us(),
	};
	trace_note(&b->result->trace, "command", b->result->start_us);
	return alloc_batch(b, request->num, err);
}

static void batch_exit(struct batch *b)
{
	while (b->num_entries)
		ready_unclaim(&b->entries[--b->num_entries]);
	b->result->wall_us = vf_now_us() - b->result->start_us;
	ack_desk_close(&b->desk);
	prefetch_end(&b->prefetch);
	chain_close(&b->chain);
	nets_close(&b->nets);
	vf_close_fd(&b->kernel_fd);
	vf_close_fd(&b->initrd_fd);
	vf_close_fd(&b->wake_fd);
	free(b->workers);
	free(b->cases);
	free(b->vms);
	free(b->entries);
	pthread_cond_destroy(&b->changed_cond);
	pthread_mutex_destroy(&b->lock);
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
	int ret = batch_init(&b, err);

	if (!ret)
		ret = batch_prepare(&b, err);
	if (!ret)
		ret = run_batch(&b, err);
	if (ret < 0)
		shaper_end(&b.shaper, true);
	else
		ret = end_shaping(&b, err);
	if (!ret && !request->ahead)
		record_jobs(&b);
	/* a TAP of which we hold a descriptor would outlive its engine */
	release_workers(&b);
	if (!ret)
		reopen_vms(&b);
	if (ret < 0)
		undo_jobs(&b, true);
	else if (request->ahead)
		finish_entries(&b);
	else
		finish_jobs(&b);
	batch_exit(&b);
	return ret;
}

void fork_result_exit(struct fork_result *result)
{
	for (unsigned int i = 0; i < result->num; i++)
		vm_close(&result->jobs[i].vm);
	told_payloads_exit(&result->payloads);
	free(result->jobs);
	result->jobs = NULL;
	result->num = 0;
}
