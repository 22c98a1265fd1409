// SPDX-License-Identifier: MIT
/* The steps of one fork, which the crew's threads take. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/log.h"
#include "core/batch.h"

#define READY_MS 30000 /* for an engine's control interface */
#define LOAD_MS	 30000

static int spawn_engine(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	__close int mail_fd =
		openat(job->vm.run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	char name[VF_NAME_MAX + 1];
	struct vmm_spec spec = {
		.name = b->request->ahead ? name : job->vm.name,
		.config = &job->vm.hardware.config,
		.append = job->vm.hardware.append,
		.kernel_fd = b->kernel_fd,
		.initrd_fd = b->initrd_fd,
		.mail_fd = mail_fd,
		.disks = &job->vm.disks,
		.image_fd = chain_base(&b->chain)->dir_fd,
		.image = &chain_base(&b->chain)->image,
	};
	int ret;

	ready_engine_name(&job->vm, name);
	vm_spec_nics(&job->vm, w->tap_fds, &spec);
	w->vmm = (struct vmm){
		.ops = job->vm.hardware.engine,
		.proc.pidfd = -1,
		.run_fd = job->vm.run_fd,
		.cancel_fd = b->request->cancel_fd,
	};
	ret = w->vmm.ops->spawn(&w->vmm, &spec, err);
	if (ret < 0)
		return ret;
	job->pid = w->vmm.proc.pid;
	batch_reached(job, TIMELINE_SPAWNED);
	return 0;
}

/* Until it is heard, or too late: those that were heard are many. */
static void lead(struct worker *w)
{
	struct batch *b = w->batch;

	pthread_mutex_lock(&b->lock);
	if (b->lead_nice && w->place != WAVE_STUCK &&
	    process_wait(&w->vmm.proc, 0) < 0)
		w->leads = cpu_lead(w->job->pid, b->lead_nice);
	pthread_mutex_unlock(&b->lock);
}

void worker_unlead(struct worker *w)
{
	/* while it leads, its engine is known and stays so: see lead() */
	if (w->leads && process_wait(&w->vmm.proc, 0) < 0)
		cpu_lead(w->job->pid, 0);
	w->leads = false;
}

static int load(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct vmm *vmm = &w->vmm;
	int ret;

	batch_began(w->job, TIMELINE_SPAWNED);
	ret = spawn_engine(w, err);
	if (!ret)
		lead(w);
	/* an engine takes its time to start; one look is enough for all */
	if (!ret && w == b->workers)
		chain_warm(&b->chain);
	if (!ret)
		ret = vmm->ops->connect(vmm, vf_now_us() + READY_MS * 1000,
					err);
	if (ret < 0)
		return ret;
	batch_reached(w->job, TIMELINE_READY);
	ret = chain_apply(&b->chain, vmm, err);
	if (!ret)
		ret = vmm->ops->load(vmm, b->snapshot->dir_fd,
				     vf_now_us() + LOAD_MS * 1000, err);
	if (!ret)
		batch_reached(w->job, TIMELINE_LOADED);
	return ret;
}

/* All that is left of what load() does, for an engine of the pool. */
static int take(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	struct letter boot;
	int ret = vm_attach(&job->vm, &w->vmm, b->request->cancel_fd, err);

	if (ret < 0)
		return ret;
	job->pid = w->vmm.proc.pid;
	lead(w);
	batch_reached(job, TIMELINE_READY);
	ret = batch_boot_letter(b, w, &boot, err);
	return ret < 0 ? ret : ready_relabel(&job->vm, &w->vmm, &boot, err);
}

/* An entry of the pool is not resumed: it waits for somebody to take it. */
static int keep(struct worker *w, struct vf_err *err)
{
	struct vm *vm = &w->job->vm;
	int ret = vm_reopen(vm, w->batch->state, err);

	if (!ret)
		ret = ready_label(vm, &w->vmm, err);
	vm_close(vm);
	vm_close_taps(w->tap_fds);
	if (!ret)
		w->job->outcome = FORK_RUNNING;
	return ret;
}

static int resume(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	struct vmm *vmm = &w->vmm;
	int ret;

	/* one of the pool had its port attached when it was made */
	if (!job->from_pool && b->attached != ATTACH_DONE)
		return vf_err_set(err, ECANCELED,
				  "its port could not be attached");
	if (b->request->ahead)
		return keep(w, err);
	batch_reached(job, TIMELINE_QUEUED);
	/* right before it is resumed: the mail says what time it is */
	if (b->request->post) {
		ret = mailbox_post(vmm, b->snapshot->mailbox_gpa, &job->letter,
				   err);
		if (ret < 0)
			return ret;
		batch_reached(job, TIMELINE_PATCHED);
	}
	vm_close_taps(w->tap_fds);
	if (b->request->resuming) {
		ret = b->request->resuming(job, vmm, b->request->ctx, err);
		if (ret < 0)
			return ret;
	}
	/* as long as the others are resumed, and all is written down */
	if (b->can_yield && b->request->wait == FORK_WAIT_NONE)
		worker_yield(w, true);
	ret = vmm->ops->resume(vmm, &job->timeline.at_us[TIMELINE_RESUMED],
			       err);
	if (!ret)
		job->outcome = FORK_RUNNING;
	return ret;
}

void worker_yield(struct worker *w, bool on)
{
	if (w->yields == on && !w->leads)
		return;
	w->yields = on;
	w->leads = false;
	w->yield_us = vf_now_us();
	if (process_wait(&w->vmm.proc, 0) == 0)
		return;
	if (!cpu_yield(w->job->pid, on) && !on)
		vf_log(VF_LOG_WARN,
		       "VM %s: its share of the processors is not "
		       "what others have",
		       w->job->vm.name);
}

int worker_load(struct worker *w)
{
	struct fork_job *job = w->job;
	struct vm *vm = &job->vm;
	int ret = vm_reopen(vm, w->batch->state, &job->err);

	if (!ret)
		ret = job->from_pool ? take(w, &job->err) : load(w, &job->err);
	/* a burst has room for what each needs all the time, and no more */
	vm_close(vm);
	w->vmm.run_fd = -1;
	/*
	 * From when ports are attached on, TAPs live and die with their engines.
	 * Had one gone before with an engine that died, none could be attached.
	 */
	if (w->batch->attached != ATTACH_PENDING)
		vm_close_taps(w->tap_fds);
	return ret;
}

int worker_resume(struct worker *w)
{
	return resume(w, &w->job->err);
}
