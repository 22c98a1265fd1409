// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cache.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "core/hot.h"
#include "core/pagelist.h"

#define GAP_PAGES 8 /* that are read sooner than they are skipped */

static const char magic[PAGELIST_MAGIC_LEN] = "vmforkHP";

static const struct {
	const char *name;
	const char *file;
	uint64_t max_pages;
	size_t max_runs;
} lists[HOT_NUM] = {
	[HOT_ACKED] = { "acked", "hot.acked", 16384, 4096 },
	[HOT_MARK] = { "mark", "hot.mark", 65536, 16384 },
};

int hot_check(const struct snapshot *snapshot, struct vf_err *err)
{
	if (!cache_is_volatile(snapshot->dir_fd))
		return 0;
	return vf_err_set(err, ENOTSUP,
			  "snapshot %s: lies in memory (tmpfs): there is "
			  "nothing to read ahead",
			  snapshot->name);
}

static int by_length(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->num < y->num) - (x->num > y->num);
}

static int by_page(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->page > y->page) - (x->page < y->page);
}

/*
 * What is read for nothing is never more than what is used: a guest that touches
 * a page here and there makes no long run of them.
 */
static void join_close(struct extents *pages)
{
	uint64_t used = pages->num ? pages->runs[0].num : 0;
	size_t to = 0;

	for (size_t i = 1; i < pages->num; i++) {
		struct extent *last = &pages->runs[to];
		const struct extent *run = &pages->runs[i];
		uint64_t gap = run->page - last->page - last->num;
		uint64_t joined = last->num + gap + run->num;

		if (gap <= GAP_PAGES && joined <= 2 * (used + run->num)) {
			pages->pages += gap;
			last->num = joined;
			used += run->num;
		} else {
			used = run->num;
			pages->runs[++to] = *run;
		}
	}
	if (pages->num)
		pages->num = to + 1;
}

void hot_bound(struct extents *pages, enum hot_list list)
{
	uint64_t left = lists[list].max_pages;
	size_t num = 0;

	join_close(pages);
	if (pages->num <= lists[list].max_runs && pages->pages <= left)
		return;
	qsort(pages->runs, pages->num, sizeof(*pages->runs), by_length);
	pages->pages = 0;
	for (; num < pages->num && num < lists[list].max_runs && left; num++) {
		struct extent *run = &pages->runs[num];

		run->num = run->num < left ? run->num : left;
		left -= run->num;
		pages->pages += run->num;
	}
	pages->num = num;
	qsort(pages->runs, num, sizeof(*pages->runs), by_page);
}

/* Of a run of pages those that no layer has. */
static int add_base(struct extents *pages, const struct chain *chain,
		    const struct extent *run)
{
	uint64_t page = run->page, end = run->page + run->num;
	int ret = 0;

	while (!ret && page < end) {
		struct extent layer = { end, 0 };

		if (!chain_next(chain, page, &layer) || layer.page > end)
			layer = (struct extent){ end, 0 };
		ret = extents_add(pages, page, layer.page - page);
		page = layer.page + layer.num;
	}
	return ret;
}

int hot_scan(struct vmm *vmm, const struct chain *chain, bool may_ask,
	     struct extents *pages, struct vf_err *err)
{
	struct extents touched = { 0 };
	struct vmm_memory memory;
	int ret = may_ask ? chain_locate(chain, vmm, &memory, err)
			  : chain_mapped(chain, vmm, &memory, err);

	*pages = (struct extents){ 0 };
	if (!ret)
		ret = vmm_memory_touched(vmm, &memory, &touched, err);
	for (size_t i = 0; !ret && i < touched.num; i++) {
		ret = add_base(pages, chain, &touched.runs[i]);
		if (ret < 0)
			vf_err_errno(err, ret, "hot pages");
	}
	extents_exit(&touched);
	return ret;
}

/*
 * A file without a name gets one once all is in it: nothing is left of a command
 * that is killed, and of several the first one wins.
 */
static int write_list(int dir_fd, const char *name, const char *text,
		      size_t len)
{
	__close int fd =
		openat(dir_fd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	char path[32];
	int ret;

	if (fd < 0)
		return -errno;
	ret = vf_write_all(fd, text, len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!ret &&
	    linkat(AT_FDCWD, path, dir_fd, name, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		ret = -errno;
	return ret;
}

int hot_save(const struct snapshot *snapshot, enum hot_list list,
	     const struct extents *pages, bool replace, struct vf_err *err)
{
	size_t len = 0;
	__free char *text = pagelist_pack(pages, magic, &len);
	int ret = text ? 0 : -ENOMEM;

	if (!ret && replace)
		ret = vf_write_file(snapshot->dir_fd, lists[list].file, text,
				    len, false, err);
	else if (!ret)
		ret = write_list(snapshot->dir_fd, lists[list].file, text, len);
	return ret < 0 ? vf_err_errno(err, ret, "snapshot %s: hot pages",
				      snapshot->name)
		       : 0;
}

int hot_load(const struct snapshot *snapshot, enum hot_list list,
	     struct extents *pages, struct vf_err *err)
{
	__free char *text = NULL;
	size_t len;
	int ret;

	*pages = (struct extents){ 0 };
	ret = vf_read_file(snapshot->dir_fd, lists[list].file,
			   pagelist_size(lists[list].max_runs), &text, &len,
			   err);
	if (!ret) {
		ret = pagelist_parse(text, len, magic,
				     snapshot->hardware.config.memory_bytes,
				     pages);
		if (ret < 0)
			vf_err_errno(err, ret, "%s", lists[list].file);
	} else if (ret == -EFBIG) {
		ret = -EBADMSG;
	}
	if (ret == -EBADMSG)
		vf_err_set(err, EBADMSG, "%s: does not verify",
			   lists[list].file);
	else if (ret == -EPROTONOSUPPORT)
		vf_err_set(err, EPROTONOSUPPORT,
			   "%s: another version of vmfork has written it",
			   lists[list].file);
	return ret < 0 ? vf_err_wrap(err, "snapshot %s", snapshot->name) : 0;
}

int hot_forget(const struct snapshot *snapshot, enum hot_list list)
{
	if (unlinkat(snapshot->dir_fd, lists[list].file, 0) < 0 &&
	    errno != ENOENT)
		return -errno;
	return 0;
}

int hot_record(struct vmm *vmm, const struct chain *chain, enum hot_list list,
	       bool replace, struct vf_err *err)
{
	struct extents pages;
	/* who replaces has time, who records by the way has not */
	int ret = hot_scan(vmm, chain, replace, &pages, err);

	if (!ret) {
		hot_bound(&pages, list);
		ret = hot_save(&chain->links[0].snapshot, list, &pages, replace,
			       err);
	}
	extents_exit(&pages);
	return ret;
}

int hot_mark(const struct vf_state *state, const struct snapshot *snapshot,
	     const struct vm *vm, int cancel_fd, struct vf_err *err)
{
	struct chain chain = { 0 };
	__close int lock_fd = -1;
	struct vmm vmm;
	int ret;

	if (memcmp(vm->snapshot_id, snapshot->id, sizeof(snapshot->id)) != 0)
		return vf_err_set(err, ESTALE,
				  "VM %s: is no fork of snapshot %s", vm->name,
				  snapshot->name);
	ret = hot_check(snapshot, err);
	if (!ret)
		ret = vm_attach(vm, &vmm, cancel_fd, err);
	if (ret < 0)
		return ret;
	ret = chain_open(&chain, state, snapshot->name, snapshot->id, err);
	/* marks are made one by one */
	if (!ret)
		lock_fd = state_lock(state, err);
	if (!ret && lock_fd < 0)
		ret = lock_fd;
	if (!ret)
		ret = hot_record(&vmm, &chain, HOT_MARK, true, err);
	chain_close(&chain);
	vm_detach(&vmm);
	return ret;
}

json_t *hot_describe(const struct snapshot *snapshot)
{
	json_t *rows = json_array();

	for (int i = 0; i < HOT_NUM; i++) {
		struct extents pages;
		struct vf_err err = { 0 };
		int ret = hot_load(snapshot, (enum hot_list)i, &pages, &err);

		if (ret != -ENOENT)
			json_array_append_new(
				rows,
				json_pack("{s:s,s:I,s:I,s:s?}", "list",
					  lists[i].name, "runs",
					  (json_int_t)pages.num, "bytes",
					  (json_int_t)pages.pages * EXTENT_PAGE,
					  "error", ret < 0 ? err.msg : NULL));
		extents_exit(&pages);
	}
	return rows;
}
