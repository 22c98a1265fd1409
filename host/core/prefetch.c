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

/* Forks that are looked at for a list, each between others' acknowledgements. */
#define RECORD_TRIES 3

static const char *const outcomes[PREFETCHED_NUM] = {
	[PREFETCHED_NONE] = "none",	[PREFETCHED_MEMORY] = "memory",
	[PREFETCHED_CACHED] = "cached", [PREFETCHED_LIST] = "list",
	[PREFETCHED_AROUND] = "around", [PREFETCHED_CUT] = "cut",
};

static void note_call(struct prefetch *p, uint64_t bytes, int64_t missing)
{
	pthread_mutex_lock(&p->lock);
	p->note.rest_bytes -= bytes;
	if (missing) {
		p->note.bytes += (uint64_t)missing * EXTENT_PAGE;
		p->note.us = vf_now_us() - p->from_us;
	}
	pthread_mutex_unlock(&p->lock);
}

static int read_call(struct prefetch *p, int fd, off_t offset, uint64_t bytes)
{
	int64_t missing = cache_missing(fd, offset, bytes);
	int ret = 0;

	if (missing < 0)
		return (int)missing;
	if (missing)
		ret = posix_fadvise(fd, offset, (off_t)bytes,
				    POSIX_FADV_WILLNEED);
	if (!ret)
		note_call(p, bytes, missing);
	return -ret;
}

static int read_run(struct prefetch *p, const struct chain *chain,
		    const struct extent *run)
{
	uint64_t from = chain_offset(chain) + run->page * EXTENT_PAGE;
	uint64_t bytes = run->num * EXTENT_PAGE;
	int fd = chain->links[chain->num - 1].fd;
	int ret = 0;

	for (uint64_t at = 0; !ret && at < bytes && !p->is_over;
	     at += CALL_BYTES) {
		uint64_t left = bytes - at;

		ret = read_call(p, fd, (off_t)(from + at),
				left < CALL_BYTES ? left : CALL_BYTES);
	}
	return ret;
}

/* The caller's, or where it needed none @own, to be closed in any case. */
static const struct chain *chain_of(const struct prefetch *p, struct chain *own,
				    struct vf_err *err)
{
	if (p->chain->num)
		return p->chain;
	if (chain_open(own, p->state, p->snapshot->name, p->snapshot->id, err) <
	    0)
		return NULL;
	return own;
}

static void *work(void *arg)
{
	struct prefetch *p = arg;
	struct chain own = { 0 };
	struct vf_err err;
	const struct chain *chain = chain_of(p, &own, &err);
	int ret = 0;

	if (!chain)
		vf_log(VF_LOG_DEBUG, "%s", err.msg);
	for (int i = 0; chain && i < HOT_NUM; i++)
		for (size_t k = 0; !ret && k < p->lists[i].num && !p->is_over;
		     k++)
			ret = read_run(p, chain, &p->lists[i].runs[k]);
	if (ret < 0)
		vf_log(VF_LOG_DEBUG, "snapshot %s: reading ahead: %s",
		       p->snapshot->name, strerror(-ret));
	chain_close(&own);
	return NULL;
}

/* Return: is it to be made, as there is none that is whole? */
static bool load_list(struct prefetch *p, enum hot_list list)
{
	struct vf_err err;
	int ret = hot_load(p->snapshot, list, &p->lists[list], &err);

	if (!ret)
		p->has_list = true;
	if (!ret || ret == -ENOENT)
		return ret < 0;
	extents_exit(&p->lists[list]);
	vf_log(VF_LOG_WARN, "%s: ignored", err.msg);
	/* a mark is the user's, another version's list that version's */
	return ret == -EBADMSG && list == HOT_ACKED &&
	       hot_forget(p->snapshot, list) == 0;
}

static int load_lists(struct prefetch *p, const struct prefetch_wish *wish,
		      struct vf_err *err)
{
	bool has_none = load_list(p, HOT_ACKED);

	load_list(p, HOT_MARK);
	if (has_none && wish->mode == PREFETCH_AUTO)
		p->record_tries = RECORD_TRIES;
	if (wish->mode == PREFETCH_AUTO || p->has_list)
		return 0;
	vf_err_set(err, ENOENT, "snapshot %s: has no list of hot pages",
		   p->snapshot->name);
	vf_err_hint(err, "the first fork that is acked makes one");
	return -ENOENT;
}

int prefetch_around(const struct snapshot *snapshot, uint64_t bytes,
		    struct extents *pages)
{
	const struct snapshot *s = snapshot;
	uint64_t all = s->hardware.config.memory_bytes / EXTENT_PAGE;
	uint64_t num = bytes / EXTENT_PAGE + (bytes % EXTENT_PAGE > 0);
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
	return extents_add(pages, from, num);
}

static int choose_pages(struct prefetch *p, const struct prefetch_wish *wish,
			struct vf_err *err)
{
	int ret;

	if (wish->mode != PREFETCH_AROUND)
		return load_lists(p, wish, err);
	p->wanted = PREFETCHED_AROUND;
	p->has_list = true;
	ret = prefetch_around(p->snapshot, wish->bytes, &p->lists[0]);
	return ret < 0 ? vf_err_errno(err, ret, "hot pages") : 0;
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
		.wanted = PREFETCHED_LIST,
		.from_us = vf_now_us(),
	};
	pthread_mutex_init(&p->lock, NULL);
	if (wish->mode == PREFETCH_OFF)
		return 0;
	ret = hot_check(snapshot, err);
	if (ret < 0) {
		p->note.outcome = PREFETCHED_MEMORY;
		return wish->mode == PREFETCH_LIST ? ret : 0;
	}
	ret = choose_pages(p, wish, err);
	for (int i = 0; i < HOT_NUM; i++)
		p->note.rest_bytes += p->lists[i].pages * EXTENT_PAGE;
	/* without a thread nothing is read ahead, and all works as well */
	if (!ret && p->note.rest_bytes)
		p->has_thread = !pthread_create(&p->thread, NULL, work, p);
	return ret;
}

void prefetch_stop(struct prefetch *p, struct prefetch_note *note)
{
	p->is_over = true;
	pthread_mutex_lock(&p->lock);
	*note = p->note;
	pthread_mutex_unlock(&p->lock);
	if (note->rest_bytes)
		note->outcome = PREFETCHED_CUT;
	else if (p->has_list)
		note->outcome = note->bytes ? p->wanted : PREFETCHED_CACHED;
}

void prefetch_end(struct prefetch *p)
{
	p->is_over = true;
	if (p->has_thread)
		pthread_join(p->thread, NULL);
	p->has_thread = false;
	for (int i = 0; i < HOT_NUM; i++)
		extents_exit(&p->lists[i]);
}

void prefetch_record(struct prefetch *p, struct vmm *vmm)
{
	struct chain own = { 0 };
	const struct chain *chain;
	struct vf_err err;
	int ret;

	if (!p->record_tries)
		return;
	chain = chain_of(p, &own, &err);
	ret = chain ? hot_record(vmm, chain, HOT_ACKED, false, &err) : -ESTALE;
	/* forks are none the worse for it */
	if (ret < 0)
		vf_log(VF_LOG_DEBUG, "%s", err.msg);
	p->record_tries = ret < 0 ? p->record_tries - 1 : 0;
	chain_close(&own);
}

json_t *prefetch_pack(const struct prefetch_note *note)
{
	return json_pack("{s:s,s:I,s:I,s:I}", "mode", outcomes[note->outcome],
			 "bytes", (json_int_t)note->bytes, "rest_bytes",
			 (json_int_t)note->rest_bytes, "us",
			 (json_int_t)note->us);
}
