// SPDX-License-Identifier: MIT
/* The part of a fork that has a thread of its own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/batch.h"

#define READY_MS 30000 /* for an engine's control interface */
#define LOAD_MS	 30000

static int wait_attached(struct batch *b, struct vf_err *err)
{
	enum attach_state attached;

	pthread_mutex_lock(&b->lock);
	while (b->attached == ATTACH_PENDING)
		pthread_cond_wait(&b->attached_cond, &b->lock);
	attached = b->attached;
	pthread_mutex_unlock(&b->lock);
	if (attached == ATTACH_DONE)
		return 0;
	return vf_err_set(err, ECANCELED, "its port could not be attached");
}

static int spawn_engine(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	__close int mail_fd =
		openat(job->vm.run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	struct vmm_spec spec = {
		.name = job->vm.name,
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

static int run_job(struct worker *w, struct vf_err *err)
{
	struct batch *b = w->batch;
	struct fork_job *job = w->job;
	struct vmm *vmm = &w->vmm;
	int ret;

	batch_began(job, TIMELINE_SPAWNED);
	ret = spawn_engine(w, err);
	if (!ret)
		ret = vmm->ops->connect(vmm, vf_now_us() + READY_MS * 1000,
					err);
	if (ret < 0)
		return ret;
	batch_reached(job, TIMELINE_READY);
	ret = chain_apply(&b->chain, vmm, err);
	if (ret < 0)
		return ret;
	ret = vmm->ops->load(vmm, b->snapshot->dir_fd,
			     vf_now_us() + LOAD_MS * 1000, err);
	if (ret < 0)
		return ret;
	batch_reached(job, TIMELINE_LOADED);
	/* a fork must not speak before its port knows what it may say */
	ret = wait_attached(b, err);
	if (ret < 0)
		return ret;
	batch_reached(job, TIMELINE_QUEUED);
	/* right before it is resumed: the mail says what time it is */
	if (b->request->post) {
		ret = mailbox_post(vmm, b->snapshot->mailbox_gpa, &job->letter,
				   err);
		if (ret < 0)
			return ret;
		batch_reached(job, TIMELINE_PATCHED);
	}
	/*
	 * From here on the TAPs live and die with the engine. Had one gone
	 * before with an engine that died, no port could have been attached.
	 */
	vm_close_taps(w->tap_fds);
	return vmm->ops->resume(vmm, &job->timeline.at_us[TIMELINE_RESUMED],
				err);
}

void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t one = 1;

	w->job->outcome = run_job(w, &w->job->err) < 0 ? FORK_FAILED
						       : FORK_RUNNING;
	atomic_store(&w->over, true);
	(void)!write(w->batch->wake_fd, &one, sizeof(one));
	return NULL;
}
