// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cache.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/prefetch.h"

/* One call reads no more than the device's read-ahead, 128 KiB as a rule. */
#define CALL_BYTES (128 << 10)

static const char *const outcomes[PREFETCH_OUTCOMES] = {
	[PREFETCH_NONE] = "none",     [PREFETCH_MEMORY] = "memory",
	[PREFETCH_CACHED] = "cached", [PREFETCH_LISTED] = "list",
	[PREFETCH_RANGE] = "around",
};

static void read_stretch(struct prefetch *p, int fd, off_t offset,
			 uint64_t bytes)
{
	int64_t missing = cache_missing(fd, offset, bytes);

	if (missing <= 0)
		return;
	for (uint64_t at = 0; at < bytes && !p->is_over; at += CALL_BYTES) {
		uint64_t left = bytes - at;

		posix_fadvise(fd, offset + (off_t)at,
			      (off_t)(left < CALL_BYTES ? left : CALL_BYTES),
			      POSIX_FADV_WILLNEED);
	}
	p->note.bytes += (uint64_t)missing * EXTENT_PAGE;
	p->note.us = vf_now_us() - p->from_us;
}

static void read_run(struct prefetch *p, const struct chain *chain,
		     const struct extent *run)
{
	read_stretch(p, chain->links[chain->num - 1].fd,
		     (off_t)(chain_offset(chain) + run->page * EXTENT_PAGE),
		     run->num * EXTENT_PAGE);
}

static const struct chain *chain_of(struct prefetch *p)
{
	struct vf_err ignored;

	if (p->chain->num)
		return p->chain;
	if (!p->own.num)
		chain_open(&p->own, p->state, p->snapshot->name,
			   p->snapshot->id, &ignored);
	return p->own.links && p->own.links[0].fd >= 0 ? &p->own : NULL;
}

static void *work(void *arg)
{
	struct prefetch *p = arg;
	const struct chain *chain = chain_of(p);

	for (int i = 0; chain && i < HOT_NUM; i++)
		for (size_t k = 0; k < p->lists[i].num && !p->is_over; k++)
			read_run(p, chain, &p->lists[i].runs[k]);
	if (p->note.bytes)
		p->note.outcome = p->wanted;
	else if (chain)
		p->note.outcome = PREFETCH_CACHED;
	return NULL;
}

static void load_list(struct prefetch *p, enum hot_list list)
{
	struct vf_err err;
	int ret = hot_load(p->snapshot, list, &p->lists[list], &err);

	if (ret >= 0 || ret == -ENOENT)
		return;
	extents_exit(&p->lists[list]);
	vf_log(VF_LOG_WARN, "%s: ignored", err.msg);
	if (ret == -EBADMSG)
		hot_forget(p->snapshot, list);
}

static int load_lists(struct prefetch *p, const struct prefetch_wish *wish,
		      struct vf_err *err)
{
	load_list(p, HOT_ACKED);
	load_list(p, HOT_MARK);
	p->records = wish->mode == PREFETCH_AUTO && !p->lists[HOT_ACKED].num;
	if (wish->mode == PREFETCH_AUTO || p->lists[HOT_ACKED].num ||
	    p->lists[HOT_MARK].num)
		return 0;
	vf_err_set(err, ENOENT, "snapshot %s: has no list of hot pages",
		   p->snapshot->name);
	vf_err_hint(err, "the first fork that is acked makes one");
	return -ENOENT;
}

/* So many bytes, half of them before the mailbox, as far as there is memory. */
static int add_around(struct prefetch *p, uint64_t bytes, struct vf_err *err)
{
	const struct snapshot *s = p->snapshot;
	uint64_t all = s->hardware.config.memory_bytes / EXTENT_PAGE;
	uint64_t num = (bytes + EXTENT_PAGE - 1) / EXTENT_PAGE;
	uint64_t page = 0, from;

	for (unsigned int i = 0; i < s->image.num_regions; i++) {
		const struct vmm_region *r = &s->image.regions[i];

		if (s->mailbox_gpa >= r->gpa &&
		    s->mailbox_gpa - r->gpa < r->bytes)
			page = (r->offset - s->image.regions[0].offset +
				s->mailbox_gpa - r->gpa) /
			       EXTENT_PAGE;
	}
	num = num < all ? num : all;
	from = page > num / 2 ? page - num / 2 : 0;
	from = from < all - num ? from : all - num;
	if (extents_add(&p->lists[0], from, num) < 0)
		return vf_err_errno(err, ENOMEM, "hot pages");
	return 0;
}

int prefetch_start(struct prefetch *p, const struct vf_state *state,
		   const struct snapshot *snapshot, const struct chain *chain,
		   const struct prefetch_wish *wish, struct vf_err *err)
{
	int ret;

	*p = (struct prefetch){
		.state = state,
		.snapshot = snapshot,
		.chain = chain,
		.wanted = PREFETCH_LISTED,
		.from_us = vf_now_us(),
	};
	if (wish->mode == PREFETCH_OFF)
		return 0;
	if (!hot_is_possible(snapshot)) {
		p->note.outcome = PREFETCH_MEMORY;
		return 0;
	}
	if (wish->mode == PREFETCH_AROUND) {
		p->wanted = PREFETCH_RANGE;
		ret = add_around(p, wish->bytes, err);
	} else {
		ret = load_lists(p, wish, err);
	}
	/* without a thread nothing is read ahead, and all works as well */
	if (!ret && (p->lists[HOT_ACKED].num || p->lists[HOT_MARK].num))
		p->has_thread = !pthread_create(&p->thread, NULL, work, p);
	return ret;
}

void prefetch_end(struct prefetch *p)
{
	p->is_over = true;
	if (p->has_thread)
		pthread_join(p->thread, NULL);
	p->has_thread = false;
	for (int i = 0; i < HOT_NUM; i++)
		extents_exit(&p->lists[i]);
	chain_close(&p->own);
}

void prefetch_record(struct prefetch *p, struct vmm *vmm)
{
	const struct chain *chain;
	struct vf_err err;

	if (!p->records)
		return;
	p->records = false;
	chain = chain_of(p);
	/* forks are none the worse for it */
	if (chain && hot_record(vmm, chain, HOT_ACKED, false, &err) < 0)
		vf_log(VF_LOG_DEBUG, "%s", err.msg);
}

json_t *prefetch_pack(const struct prefetch_note *note)
{
	return json_pack("{s:s,s:I,s:I}", "mode", outcomes[note->outcome],
			 "bytes", (json_int_t)note->bytes, "us",
			 (json_int_t)note->us);
}
