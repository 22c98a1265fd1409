/* SPDX-License-Identifier: MIT */
/*
 * The forks of one command while they are made: shared by fork.c, prepare.c,
 * worker.c and listen.c, and nobody else's business.
 */
#ifndef VF_BATCH_H
#define VF_BATCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "core/chain.h"
#include "core/fork.h"
#include "core/nets.h"

/* What the ports are waiting for, and how it went. */
enum attach_state { ATTACH_PENDING, ATTACH_DONE, ATTACH_FAILED };

/* One fork while it is made. */
struct worker {
	struct batch *batch;
	struct fork_job *job;
	pthread_t thread;
	bool has_thread;
	int tap_fds[VM_NICS_MAX];
	struct identity_guest guest; /* what it is told beside its network */
	struct vmm vmm;
	atomic_bool over; /* the thread has ended */
	int64_t look_us;  /* when its page is looked at if nothing is heard */
};

/* All forks of one command. */
struct batch {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	struct chain chain; /* the snapshot, and what it builds on */
	const struct fork_request *request;
	struct fork_result *result;
	struct worker *workers;
	struct ack_case *cases; /* in the order of the jobs */
	struct nets nets;
	struct vm **vms; /* room for one pointer per fork */
	struct ack_desk desk;
	int kernel_fd;
	int initrd_fd;
	int wake_fd; /* eventfd: a worker has ended */

	pthread_mutex_t lock;
	pthread_cond_t attached_cond;
	enum attach_state attached;
};

/**
 * batch_reached() - A fork has come to the end of a stage
 * @job:	fork
 * @stage:	stage
 */
static inline void batch_reached(struct fork_job *job,
				 enum timeline_stage stage)
{
	job->timeline.at_us[stage] = vf_now_us();
}

/**
 * batch_began() - A fork begins a stage that does not follow the one before at once
 * @job:	fork
 * @stage:	stage
 */
static inline void batch_began(struct fork_job *job, enum timeline_stage stage)
{
	job->timeline.from_us[stage] = vf_now_us();
}

/**
 * batch_keep_macs() - A fork's guest has the MACs that its parent had
 * @b:		batch
 * @vm:		its VM
 */
void batch_keep_macs(const struct batch *b, struct vm *vm);

/**
 * batch_prepare() - All that comes before the engines: names, identities, TAPs,
 * letters, run directories
 * @b:		batch
 * @err:	error
 *
 * A failure that is one fork's own is noted in its job.
 *
 * Return: 0 or -errno
 */
int batch_prepare(struct batch *b, struct vf_err *err);

/**
 * batch_listen() - Hear what forks say, until all is said or the time is over
 * @b:		batch, its workers started
 *
 * Return: 0, -ECANCELED, -errno
 */
int batch_listen(struct batch *b);

/**
 * batch_conclude() - What became of each fork that runs
 * @b:		batch, its workers ended
 */
void batch_conclude(struct batch *b);

/**
 * worker_main() - A fork's thread: from its engine's start to its resumption
 * @arg:	struct worker
 *
 * Return: NULL; the job holds the outcome
 */
void *worker_main(void *arg);

#endif
