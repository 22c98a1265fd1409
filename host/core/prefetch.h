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
	PREFETCH_NONE,	 /* it was off, or there is no list */
	PREFETCH_MEMORY, /* the image lies in memory */
	PREFETCH_CACHED, /* all of it was in the page cache */
	PREFETCH_LISTED, /* what was missing of the lists is read */
	PREFETCH_RANGE,	 /* what was missing around the mailbox is */
	PREFETCH_OUTCOMES
};

struct prefetch_note {
	enum prefetch_outcome outcome;
	uint64_t bytes; /* that were missing */
	int64_t us;	/* until the last of them was asked for */
};

struct prefetch {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	const struct chain *chain;
	struct chain own; /* where the caller has opened none */
	enum prefetch_outcome wanted;
	struct extents lists[HOT_NUM]; /* of pages, the first one first */
	bool records;		       /* there is no list yet, one is wanted */
	bool has_thread;
	pthread_t thread;
	_Atomic bool is_over;
	int64_t from_us;
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
 * A list that does not verify is told, removed, and as good as none.
 *
 * Return: 0 or -errno, -ENOENT if a list is asked for and there is none
 */
int prefetch_start(struct prefetch *p, const struct vf_state *state,
		   const struct snapshot *snapshot, const struct chain *chain,
		   const struct prefetch_wish *wish, struct vf_err *err);

/**
 * prefetch_end() - Begin nothing more; afterwards @p->note is true
 * @p:		prefetch; ending it twice does no harm
 */
void prefetch_end(struct prefetch *p);

/**
 * prefetch_record() - A fork was acked: keep what it used, if nobody has
 * @p:		prefetch
 * @vmm:	fork
 */
void prefetch_record(struct prefetch *p, struct vmm *vmm);

/**
 * prefetch_pack() - What came of it as JSON
 * @note:	note
 *
 * Return: an object (mode, bytes, us), a new reference
 */
json_t *prefetch_pack(const struct prefetch_note *note);

#endif
