// SPDX-License-Identifier: MIT
/*
 * A snapshot of what changed. The base of a fork is the snapshot that it was
 * forked from, and what changed are the pages that it made its own; a VM that
 * booted began with zeros, so what it made its own is all there is. Inside the
 * pause, pages are only copied, into memory that is there already, while the
 * engine writes its devices; everything else comes after. take.h: the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/chain.h"
#include "core/layer.h"
#include "core/take.h"

#define TRIES	     3
#define CANCEL_PAGES 256 /* written between looks at whether to go on */
/* From here on a fork pays more for layers than for a whole image once. */
#define LAYERS_PAGES 4096
#define LAYERS_NUM   16

struct diff {
	struct chain base; /* empty: the VM booted */
	struct vmm_memory memory;
	struct vmm_devices *devices;
	struct vmm_copy copy;
};

static int copy_open(struct take *t, struct diff *d, uint64_t slack,
		     struct vf_err *err)
{
	struct extents changed;
	int ret = vmm_memory_changed(t->vmm, &d->memory, &changed, err);

	if (!ret)
		ret = vmm_copy_open(&d->copy, &d->memory, &changed, slack, err);
	extents_exit(&changed);
	return ret;
}

/* All that happens while the guest stands still. */
static int copy_paused(struct take *t, struct diff *d, struct vf_err *err)
{
	const struct vmm_ops *ops = t->vmm->ops;
	struct vf_err why;
	int ret = ops->devices_begin(t->vmm, d->devices, t->s->dir_fd, err);
	int copied;

	if (ret < 0)
		return ret;
	copied = vmm_memory_copy(t->vmm, &d->memory, &d->copy, &why);
	ret = ops->devices_end(t->vmm, d->devices, err);
	if (!ret && copied < 0) {
		*err = why;
		ret = copied;
	}
	return ret;
}

/* All that needs no pause is made ready anew, with more room. */
static int open_again(struct take *t, uint64_t slack, struct vf_err *err)
{
	struct diff *d = t->priv;
	int ret;

	vmm_copy_close(&d->copy);
	ret = copy_open(t, d, slack, err);
	return ret < 0 ? ret : take_disks_open(t, err);
}

static int shoot_diff(struct take *t, struct vf_err *err)
{
	struct diff *d = t->priv;
	int cancel_fd = t->vmm->cancel_fd, ret = 0;

	for (int i = 0; i < TRIES; i++) {
		/* there was too little room: the guest changes a lot */
		if (i > 0) {
			t->vmm->cancel_fd = cancel_fd;
			ret = open_again(t, TAKE_SLACK_BYTES << 2 * i, err);
			if (ret < 0)
				break;
		}
		ret = take_pause(t, err);
		if (!ret)
			ret = copy_paused(t, d, err);
		ret = take_resume(t, ret, err);
		if (ret != -ENOBUFS || !t->resumed)
			break;
	}
	return ret;
}

/* Is a page what the base has there anyhow? */
static int is_unchanged(const struct diff *d, uint64_t page,
			const uint8_t *data)
{
	uint8_t old[EXTENT_PAGE];
	int ret;

	if (!d->base.num)
		return extent_is_zero(data);
	ret = chain_read(&d->base, page, old, 1);
	return ret < 0 ? ret : !memcmp(old, data, sizeof(old));
}

/* Changed pages on their way into a file. */
struct writer {
	const struct diff *d;
	int fd;
	int cancel_fd;
	uint64_t seen;	     /* pages so far */
	struct extents kept; /* what was written */
};

/* Write one run, but for what did not really change. */
static int write_run(struct writer *w, const struct extent *run,
		     const uint8_t *data)
{
	uint64_t from = 0;
	int ret = 0;

	for (uint64_t i = 0; i <= run->num; i++) {
		int same = 1;

		ret = w->seen++ % CANCEL_PAGES ? 0
					       : vf_check_cancel(w->cancel_fd);
		if (!ret && i < run->num)
			same = is_unchanged(w->d, run->page + i,
					    data + i * EXTENT_PAGE);
		if (ret < 0 || same < 0)
			return ret < 0 ? ret : same;
		if (!same)
			continue;
		ret = vf_pwrite_all(w->fd, data + from * EXTENT_PAGE,
				    (i - from) * EXTENT_PAGE,
				    (off_t)((run->page + from) * EXTENT_PAGE));
		if (!ret)
			ret = extents_add(&w->kept, run->page + from, i - from);
		if (ret < 0)
			return ret;
		from = i + 1;
	}
	return 0;
}

static int write_slice(struct writer *w, const struct vmm_slice *slice)
{
	const uint8_t *data = slice->buf;
	int ret = 0;

	for (size_t i = 0; !ret && i < slice->pages.num; i++) {
		const struct extent *run = &slice->pages.runs[i];

		ret = write_run(w, run, data);
		data += run->num * EXTENT_PAGE;
	}
	return ret;
}

static int write_slices(struct writer *w)
{
	const struct diff *d = w->d;
	int ret = ftruncate(w->fd, (off_t)d->memory.bytes) < 0 ? -errno : 0;

	for (unsigned int i = 0; !ret && i < d->copy.num; i++)
		ret = write_slice(w, &d->copy.slices[i]);
	if (!ret && fsync(w->fd) < 0)
		ret = -errno;
	return ret;
}

/*
 * Put together what the layer and all below it come to; then the layer goes.
 * Without room for that it stays, and its forks pay for it.
 */
static int write_whole(struct take *t, struct diff *d, struct extents *kept,
		       int *layer_fd, struct vf_err *err)
{
	struct snapshot *s = t->s;
	int ret = chain_push(&d->base, kept, layer_fd);

	if (ret < 0)
		return vf_err_errno(err, ret, "too many layers");
	ret = chain_merge(&d->base, s->dir_fd, t->vmm->cancel_fd,
			  &s->dirty_bytes, err);
	if (ret == -ENOSPC || ret == -EDQUOT) {
		vf_log(VF_LOG_DEBUG, "snapshot %s: %s: it stays a layer",
		       s->name, err->msg);
		return 0;
	}
	if (!ret && (unlinkat(s->dir_fd, SNAPSHOT_LAYER_FILE, 0) < 0 ||
		     unlinkat(s->dir_fd, SNAPSHOT_INDEX_FILE, 0) < 0))
		ret = vf_err_errno(err, errno, SNAPSHOT_LAYER_FILE);
	if (!ret)
		s->parent[0] = '\0';
	return ret;
}

static int write_layer(struct take *t, struct diff *d, struct vf_err *err)
{
	struct snapshot *s = t->s;
	const char *name = s->parent[0] ? SNAPSHOT_LAYER_FILE : VMM_MEMORY_FILE;
	__close int fd = openat(s->dir_fd, name,
				O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct writer w = {
		.d = d,
		.fd = fd,
		.cancel_fd = t->vmm->cancel_fd,
	};
	int ret = fd < 0 ? -errno : write_slices(&w);

	s->dirty_bytes = w.kept.pages * EXTENT_PAGE;
	if (ret < 0)
		vf_err_errno(err, ret, "%s", name);
	if (!ret && s->parent[0])
		ret = layer_index_save(s->dir_fd, &w.kept, err);
	if (!ret && s->parent[0] &&
	    (d->base.layer_pages + w.kept.pages > LAYERS_PAGES ||
	     d->base.num > LAYERS_NUM))
		ret = write_whole(t, d, &w.kept, &fd, err);
	extents_exit(&w.kept);
	return ret;
}

static int prepare_diff(struct take *t, struct vf_err *err)
{
	const struct vmm_ops *ops = t->vmm->ops;
	struct diff *d = calloc(1, sizeof(*d));
	int ret = 0;

	t->priv = d;
	if (!d)
		return vf_err_errno(err, ENOMEM, "snapshot");
	if (t->vm->snapshot[0]) {
		ret = chain_open(&d->base, t->state, t->vm->snapshot,
				 t->vm->snapshot_id, err);
		if (ret < 0)
			vf_err_hint(err, "use --mode live or full: what it was "
					 "forked from is not there any more");
	}
	if (!ret)
		ret = ops->memory(t->vmm, &d->memory, err);
	d->memory.has_base = t->vm->snapshot[0];
	if (!ret)
		ret = ops->devices_open(t->vmm, &d->devices, err);
	return ret < 0 ? ret : copy_open(t, d, TAKE_SLACK_BYTES, err);
}

static int settle_diff(struct take *t, struct vf_err *err)
{
	struct diff *d = t->priv;
	struct snapshot *s = t->s;
	int ret = t->vmm->ops->devices_finish(
		d->devices, s->dir_fd, &s->hardware.config, &s->image, err);

	if (!ret && d->base.num) {
		const struct snapshot *parent = &d->base.links[0].snapshot;

		snprintf(s->parent, sizeof(s->parent), "%s", parent->name);
		memcpy(s->parent_id, parent->id, sizeof(s->parent_id));
	}
	return ret < 0 ? ret : write_layer(t, d, err);
}

static void clean_diff(struct take *t)
{
	struct diff *d = t->priv;

	if (d) {
		t->vmm->ops->devices_close(d->devices);
		vmm_copy_close(&d->copy);
		chain_close(&d->base);
	}
	free(d);
	t->priv = NULL;
}

const struct take_mode take_diff = {
	.prepare = prepare_diff,
	.shoot = shoot_diff,
	.settle = settle_diff,
	.clean = clean_diff,
};
