/* SPDX-License-Identifier: MIT */
/*
 * What a snapshot's forks are about to use of its image is read ahead, by a
 * thread of its own, while their engines start. Nobody waits for it: a fork that
 * comes to a page which is on its way waits for that page alone.
 */
#ifndef VF_PREFETCH_H
#define VF_PREFETCH_H

#include <jansson.h>
#include <pthread.h>

#include "core/chain.h"
#include "core/hot.h"

enum prefetch_mode {
	PREFETCH_OFF,  /* read no list ahead, and make none */
	PREFETCH_AUTO, /* the lists that there are; make one if there is none */
	PREFETCH_LIST, /* the lists; an error if there is none */
	PREFETCH_AROUND, /* so many bytes around the mailbox */
	PREFETCH_NUM
};

struct prefetch_wish {
	enum prefetch_mode mode;
	uint64_t bytes; /* of PREFETCH_AROUND */
};

/* What came of it. */
enum prefetch_outcome {
	PREFETCHED_NONE,   /* it was off, or there is no list */
	PREFETCHED_MEMORY, /* the image lies in memory */
	PREFETCHED_CACHED, /* all of it was in the page cache */
	PREFETCHED_LIST,   /* what was missing of the lists is asked for */
	PREFETCHED_AROUND, /* what was missing around the mailbox is */
	PREFETCHED_CUT, /* the command was over before, or the disk refused */
	PREFETCHED_NUM
};

struct prefetch_note {
	enum prefetch_outcome outcome;
	uint64_t bytes;	     /* that were missing and were asked for */
	uint64_t rest_bytes; /* that nobody came to */
	int64_t us;	     /* until the last of them was asked for */
};

struct prefetch {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	const struct chain *chain;
	enum prefetch_outcome wanted;
	struct extents lists[HOT_NUM]; /* of pages, the first one first */
	bool has_list;
	unsigned int record_tries; /* that are left; 0: no list is to be made */
	bool has_thread;
	pthread_t thread;
	_Atomic bool is_over;
	int64_t from_us;
	pthread_mutex_t lock; /* what follows is the thread's and others' */
	struct prefetch_note note;
};

/**
 * prefetch_start() - Begin
 * @p:		out; prefetch_end() it, also after a failure
 * @state:	state directory
 * @snapshot:	snapshot that is forked
 * @chain:	it, open; or one of zeros
 * @wish:	what is wished for
 * @err:	error
 *
 * A list that does not verify is told, and as good as none; one that nobody asked
 * for is removed.
 *
 * Return: 0 or -errno; if a list is asked for -ENOENT where there is none, -ENOTSUP
 * where it would be of no use
 */
int prefetch_start(struct prefetch *p, const struct vf_state *state,
		   const struct snapshot *snapshot, const struct chain *chain,
		   const struct prefetch_wish *wish, struct vf_err *err);

/**
 * prefetch_stop() - Begin nothing more, wait for nothing
 * @p:		prefetch that was started
 * @note:	out: what came of it
 */
void prefetch_stop(struct prefetch *p, struct prefetch_note *note);

/**
 * prefetch_end() - Begin nothing more; what was begun is waited for
 * @p:		prefetch, or zeros
 *
 * That is one call of the thread's, of which the disk may make a long one: nothing
 * that forks depend on comes behind it.
 */
void prefetch_end(struct prefetch *p);

/**
 * prefetch_record() - A fork was acked: keep what it used, if nobody has
 * @p:		prefetch
 * @vmm:	fork
 *
 * One that cannot be looked at leaves it to the next one, a few times.
 */
void prefetch_record(struct prefetch *p, struct vmm *vmm);

/**
 * prefetch_around() - The pages around a snapshot's mailbox
 * @snapshot:	snapshot
 * @bytes:	so many, half of them before it, as far as there is memory
 * @pages:	empty; extents_exit() it
 *
 * Return: 0 or -ENOMEM
 */
int prefetch_around(const struct snapshot *snapshot, uint64_t bytes,
		    struct extents *pages);

/**
 * prefetch_pack() - What came of it as JSON
 * @note:	note
 *
 * Return: an object (mode, bytes, rest_bytes, us), a new reference
 */
json_t *prefetch_pack(const struct prefetch_note *note);

#endif
