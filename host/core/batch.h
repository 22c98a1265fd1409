/* SPDX-License-Identifier: MIT */
/*
 * The forks of one command while they are made: shared by fork.c, prepare.c,
 * crew.c, worker.c and listen.c, and nobody else's business.
 */
#ifndef VF_BATCH_H
#define VF_BATCH_H

#include <pthread.h>

#include "core/chain.h"
#include "core/fork.h"
#include "core/nets.h"
#include "core/ready.h"
#include "core/shaper.h"
#include "core/wave.h"

#define CREW_MAX 64

/* What the ports are waiting for, and how it went. */
enum attach_state { ATTACH_PENDING, ATTACH_DONE, ATTACH_FAILED };

/* One fork while it is made. */
struct worker {
	struct batch *batch;
	struct fork_job *job;
	_Atomic enum wave_place place; /* changed under the batch's lock */
	int64_t place_us;	       /* since when */
	bool leads;		       /* others yield to it */
	bool yields;		       /* to forks that were not heard yet */
	int64_t yield_us;	       /* since when, or since when no more */
	int tap_fds[VM_NICS_MAX];
	struct identity_guest guest; /* what it is told beside its network */
	struct vmm vmm;
	int64_t look_us; /* when its page is looked at if nothing is heard */
};

/* The threads that make forks: one does one step of one fork after the other. */
struct crew {
	pthread_t threads[CREW_MAX];
	unsigned int num;
	bool is_over; /* no step is begun any more */
};

/* All forks of one command. */
struct batch {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	struct chain chain; /* the snapshot, and what it builds on */
	const struct fork_request *request;
	struct prefetch prefetch;
	struct fork_result *result;
	struct worker *workers;
	struct ack_case *cases; /* in the order of the jobs */
	struct nets nets;
	struct vm *entries; /* of the pool that were taken, and have no name */
	unsigned int num_entries;
	struct vm **vms; /* room for one pointer per fork */
	struct ack_desk desk;
	int kernel_fd;
	int initrd_fd;
	int wake_fd;	/* eventfd: a fork came to another place */
	bool can_yield; /* forks may be made to, and to forget it */
	int lead_nice;	/* of those that are not heard yet; 0: as usual */
	_Atomic int64_t
		heard_us; /* since when nobody is waited for with others */

	pthread_mutex_t lock;
	pthread_cond_t changed_cond; /* all that follows */
	_Atomic enum attach_state attached;
	struct wave wave;
	struct crew crew;
	struct shaper shaper; /* works only if rates were asked for */
};

/**
 * batch_goes_at_once() - Are forks resumed together, not in waves?
 * @b:		batch
 *
 * Who waits for nobody wants all to run, as soon as can be.
 *
 * Return: true if so
 */
static inline bool batch_goes_at_once(const struct batch *b)
{
	return b->request->wait == FORK_WAIT_NONE ||
	       b->request->waves >= b->request->num;
}

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
 * batch_boot_letter() - What a fork is told when it reboots
 * @b:		batch
 * @w:		fork
 * @letter:	out
 * @err:	error
 *
 * Return: 0 or -errno
 */
int batch_boot_letter(struct batch *b, const struct worker *w,
		      struct letter *letter, struct vf_err *err);

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
 * batch_move() - A fork has come to another place; the lock is held
 * @b:		batch
 * @w:		fork
 * @place:	place
 */
void batch_move(struct batch *b, struct worker *w, enum wave_place place);

/**
 * crew_start() - Begin to make the forks
 * @b:		batch, prepared
 * @err:	error
 *
 * Return: 0 or -errno
 */
int crew_start(struct batch *b, struct vf_err *err);

/**
 * crew_reinforce() - One thread more, for one that is stuck; the lock is held
 * @b:		batch
 */
void crew_reinforce(struct batch *b);

/**
 * crew_end() - End the steps that are under way, begin no other
 * @b:		batch
 */
void crew_end(struct batch *b);

/**
 * batch_listen() - Hear what forks say, until all is said or the time is over
 * @b:		batch, its crew at work
 *
 * Return: 0, -ECANCELED, -errno
 */
int batch_listen(struct batch *b);

/**
 * batch_unyield() - Nobody is waited for any more: all forks are equal again
 * @b:		batch
 *
 * To be called before a fork counts as made, for until then a killed command's
 * forks are removed, and while their engines are attached.
 */
void batch_unyield(struct batch *b);

/**
 * batch_conclude() - What became of each fork that runs
 * @b:		batch, its crew gone
 */
void batch_conclude(struct batch *b);

/**
 * worker_load() - A fork's engine is started and loads
 * @w:		fork; its job holds the error
 *
 * Return: 0 or -errno
 */
int worker_load(struct worker *w);

/**
 * worker_resume() - A fork that is loaded gets its mail, and runs
 * @w:		fork; its job holds the error
 *
 * Return: 0 or -errno
 */
int worker_resume(struct worker *w);

/**
 * worker_yield() - A fork uses only what the others leave of the processors
 * @w:		fork, attached; not by two threads at once
 * @on:		false: not any more; nor does it go before others
 */
void worker_yield(struct worker *w, bool on);

/**
 * worker_unlead() - A fork does not go before others any more
 * @w:		fork, which another thread may be loading; the batch is locked
 */
void worker_unlead(struct worker *w);

#endif
