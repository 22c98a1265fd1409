/* SPDX-License-Identifier: MIT */
/* Forking a snapshot: N VMs side by side, each told who it is. */
#ifndef VF_FORK_H
#define VF_FORK_H

#include "core/ack.h"
#include "core/prefetch.h"
#include "core/settle.h"
#include "core/snapshot.h"
#include "core/timeline.h"
#include "core/told.h"
#include "core/trace.h"

#define FORK_MAX 4096 /* as many as any network takes */

/* What a fork has to be before it is no longer waited for. */
enum fork_wait {
	FORK_WAIT_NONE,	   /* resumed */
	FORK_WAIT_NETWORK, /* reached by its new address */
	FORK_WAIT_SETTLED, /* all else that it was told done as well */
	FORK_WAIT_NUM
};

struct fork_job;

struct fork_request {
	const char *prefix; /* names are PREFIX-1 …; NULL: the snapshot's */
	unsigned int num;
	bool post; /* false: leave the forks without mail */
	enum fork_wait wait;
	bool ahead;	  /* make entries of the pool, not forks */
	bool cold;	  /* take none from it */
	struct told told; /* what they are told beside their network */
	struct prefetch_wish prefetch; /* what is read ahead of their image */
	unsigned int waves; /* so many are resumed and not heard; 0: as suits */
	int timeout_ms;	    /* of each, from when it is resumed */
	int64_t start_us;   /* when the command began; 0: now */
	int cancel_fd;	    /* readable when the user gives up; or -1 */
	/* what is asked of the first interfaces; the others are as they were */
	unsigned int num_links; /* at most as many as the snapshot has */
	struct vm_link links[VM_NICS_MAX];
	/*
	 * Called by the thread that makes a fork, when all that is left is to
	 * resume it; a failure is that fork's. Or NULL.
	 */
	int (*resuming)(const struct fork_job *job, struct vmm *vmm, void *ctx,
			struct vf_err *err);
	void *ctx;
};

/* How far a fork got. A fork that failed before it ran is undone. */
enum fork_outcome {
	FORK_FAILED,  /* it does not run: error says why */
	FORK_UNACKED, /* it runs, but did not acknowledge: error says why */
	FORK_RUNNING, /* it runs; nobody waited, or it had no mail */
	FORK_ACKED,   /* what else went wrong is in its error */
};

/* One fork, as the command that made it sees it. */
struct fork_job {
	struct vm vm;
	struct letter letter;
	struct timeline timeline;
	struct settle settle;
	enum fork_outcome outcome;
	bool from_pool; /* its engine had been started ahead */
	struct vf_err err;
	struct vf_err shaping_err; /* told if nothing else went wrong */
	int64_t clock_error_us;
	uint32_t signal;  /* enum vmfork_signal, as the guest told */
	uint32_t reached; /* enum vmfork_stage, as the guest told */
	int64_t stage_us[VMFORK_STAGE_NUM]; /* its datagram came; 0: none did */
	pid_t pid;
	int64_t cpu_acked_us; /* that its engine had used when it was heard */
	struct prefetch_note prefetch; /* one for all of them */
	uint64_t faults_major; /* of its engine, from its start until then */
	uint64_t faults_minor;
};

struct fork_result {
	struct fork_job *jobs;
	unsigned int num;
	struct told_payloads payloads; /* to which the letters point */
	struct trace trace;	       /* what was done for all of them */
	int64_t start_us;
	int64_t wall_us;
};

/**
 * fork_snapshot() - Fork a snapshot
 * @result:	out: one job per fork asked for; fork_result_exit() it
 * @state:	state directory
 * @snapshot:	snapshot
 * @request:	how many, and how
 * @err:	error
 *
 * Forks do not disturb each other: one that fails is undone, the others go on.
 * A fork that runs and does not acknowledge in time is left running.
 *
 * Return: 0, also if forks failed (see their outcomes); -errno if nothing could
 * be begun or the user gave up: then nothing is left of any of them
 */
int fork_snapshot(struct fork_result *result, const struct vf_state *state,
		  const struct snapshot *snapshot,
		  const struct fork_request *request, struct vf_err *err);

/**
 * fork_result_exit() - Free it
 * @result:	result
 */
void fork_result_exit(struct fork_result *result);

/**
 * fork_job_describe() - One fork as its user sees it, and as it stays on record
 * @job:	job
 * @start_us:	when the command began
 *
 * Return: an object, a new reference
 */
json_t *fork_job_describe(const struct fork_job *job, int64_t start_us);

#endif
