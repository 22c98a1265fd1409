// SPDX-License-Identifier: MIT
/* An archive as a target. pack.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/filter.h"
#include "bake/pack.h"
#include "base/io.h"

#define ZEROS_MAX (16 << 20) /* at the end of a tar */
#define NS_PER_S  1000000000LL

static struct pack *to_pack(struct target *target)
{
	return (struct pack *)target;
}

static struct pack *pack_of(struct view *view)
{
	return (struct pack *)((char *)view -
			       offsetof(struct pack, target.view));
}

static int look(struct view *view, const char *path, struct view_node *node,
		struct vf_err *err)
{
	(void)err;
	index_look(&pack_of(view)->index, path, node);
	return 0;
}

static int read_(struct view *view, const char *path, size_t max, char **out,
		 size_t *len, struct vf_err *err)
{
	struct pack *pack = pack_of(view);
	off_t pos = index_data(&pack->index, path);
	__stream struct stream stream = { 0 };
	__free char *buf = NULL;
	ssize_t n = 1;
	int ret;

	if (pos < 0)
		return vf_err_set(err, EINVAL, "/%s: not a regular file", path);
	buf = malloc(max + 2);
	if (!buf)
		return vf_err_errno(err, ENOMEM, "/%s", path);
	ret = stream_open(&stream, &pack->lib, pack->raw_fd, pos,
			  pack->raw_size, STREAM_ANY, err);
	if (!ret)
		ret = stream_next(&stream, err);
	for (*len = 0; ret > 0 && n > 0 && *len <= max; *len += (size_t)n) {
		n = stream_read(&stream, buf + *len, max + 1 - *len, err);
		if (n < 0)
			return (int)n;
	}
	if (ret < 0)
		return ret;
	if (*len > max)
		return vf_err_set(err, EFBIG, "/%s: larger than %zu bytes",
				  path, max);
	buf[*len] = '\0';
	*out = vf_steal(&buf);
	return 0;
}

static const struct view_ops view_ops = { .look = look, .read = read_ };

/* All that stands behind a place has to be what the manifest says. */
static int tail_check(struct pack *pack, off_t at, const json_t *manifest,
		      struct vf_err *err)
{
	off_t begin = pack_zeros(pack->raw_fd, at, pack->raw_size);
	__stream struct stream stream = { 0 };
	int ret = stream_open(&stream, &pack->lib, pack->raw_fd, begin,
			      pack->raw_size, STREAM_ANY, err);

	while (!ret && (ret = stream_next(&stream, err)) > 0) {
		const char *path = pack->lib.entry_pathname(stream.entry);
		char plain[PATH_MAX];

		if (path && index_plain(plain, path) == 0 &&
		    baked_item(manifest, plain)) {
			ret = 0;
			continue;
		}
		vf_err_set(err, ESTALE,
			   "'%.64s' was added to it since it was "
			   "baked",
			   path ? path : "");
		vf_err_hint(err, "take it from where that was added");
		return -ESTALE;
	}
	return ret;
}

static int undo(struct target *target, const json_t *manifest, json_t *left,
		struct vf_err *err)
{
	struct pack *pack = to_pack(target);
	json_int_t cut, old, mtime_ns;
	off_t raw_cut;
	int ret;

	(void)left;
	if (json_unpack(json_object_get(manifest, "archive"), "{s:I,s:I,s:I}",
			"cut", &cut, "size", &old, "mtime_ns", &mtime_ns) < 0 ||
	    cut < 0 || cut > pack->old || old < cut || old - cut > ZEROS_MAX)
		return vf_err_set(err, EBADMSG,
				  "/" BAKED_PATH ": is not of this archive");
	if (pack->is_cpio &&
	    pack_overlay(pack->copy.old_fd, pack->old) != cut) {
		vf_err_set(err, ESTALE,
			   "something was added to it since it "
			   "was baked");
		return -ESTALE;
	}
	raw_cut = pack->raw_size - (pack->old - cut);
	ret = tail_check(pack, raw_cut, manifest, err);
	if (ret < 0)
		return ret;
	pack->cut = cut;
	pack->zeros = old - cut;
	pack->mtime_ns = mtime_ns;
	raw_cut = pack_index(pack, raw_cut, err);
	return raw_cut < 0 ? (int)raw_cut : 0;
}

static int apply(struct target *target, struct plan *plan, struct vf_err *err)
{
	struct pack *pack = to_pack(target);
	int ret;

	plan_note(plan, "archive",
		  json_pack("{s:I,s:I,s:I}", "cut", (json_int_t)pack->cut,
			    "size", (json_int_t)pack->cut + pack->zeros,
			    "mtime_ns", (json_int_t)pack->mtime_ns));
	ret = plan_seal(plan, err);
	return ret ? ret : pack_tail(pack, plan, err);
}

/* What stays, and what is added. */
static int compose(struct pack *pack, int from_fd, int to_fd,
		   struct vf_err *err)
{
	int ret = copy_data(from_fd, 0, to_fd, pack->cut, pack->copy.cancel_fd);

	if (!ret && pack->tail)
		ret = vf_write_all(to_fd, pack->tail, pack->tail_len);
	else if (!ret && ftruncate(to_fd, pack->cut + pack->zeros) < 0)
		ret = -errno;
	return ret < 0 ? vf_err_errno(err, ret, "%s", pack->copy.tmp) : 0;
}

static int compose_packed(struct pack *pack, struct vf_err *err)
{
	/* it is unpacked there already, without a name */
	__close int fd = -1;
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pack->raw_fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, pack->cut) < 0 ||
	    lseek(fd, 0, SEEK_END) < 0)
		return vf_err_errno(err, errno, "unpacking");
	ret = pack->tail ? vf_write_all(fd, pack->tail, pack->tail_len) : 0;
	if (!ret && !pack->tail && ftruncate(fd, pack->cut + pack->zeros) < 0)
		ret = -errno;
	if (ret < 0)
		return vf_err_errno(err, ret, "unpacking");
	return filter_pack(&pack->lib, fd, pack->copy.fd, pack->filter,
			   pack->copy.cancel_fd, err);
}

static int commit(struct target *target, struct vf_err *err)
{
	struct pack *pack = to_pack(target);
	int ret = copy_begin(&pack->copy, err);

	if (!ret && !pack->is_cpio && pack->filter != ARCHIVE_FILTER_NONE)
		ret = compose_packed(pack, err);
	else if (!ret)
		ret = compose(pack, pack->copy.old_fd, pack->copy.fd, err);
	if (ret < 0)
		return ret;
	return copy_commit(&pack->copy, pack->tail ? COPY_NOW : pack->mtime_ns,
			   err);
}

static void close_(struct target *target)
{
	struct pack *pack = to_pack(target);

	index_exit(&pack->index);
	if (pack->raw_fd >= 0 && pack->raw_fd != pack->copy.old_fd)
		close(pack->raw_fd);
	copy_close(&pack->copy);
	free(pack->tail);
	free(pack);
}

static const struct target_ops ops = {
	.apply = apply,
	.undo = undo,
	.commit = commit,
	.close = close_,
};

/* The first header tells. */
static int probe(struct pack *pack, struct vf_err *err)
{
	__stream struct stream stream = { 0 };
	int ret = stream_open(&stream, &pack->lib, pack->copy.old_fd, 0,
			      pack->copy.st.st_size, STREAM_ANY, err);

	if (!ret)
		ret = stream_next(&stream, err);
	if (ret <= 0) {
		vf_err_set(err, EBADMSG,
			   "neither tar nor cpio, nor an image "
			   "with ext4 in it");
		return -EBADMSG;
	}
	pack->is_cpio = (pack->lib.format(stream.archive) &
			 ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_CPIO;
	pack->filter = pack->lib.filter_code(stream.archive, 0);
	pack->target.kind = pack->is_cpio ? "cpio" : "tar";
	if (!pack->is_cpio && pack->lib.filter_count(stream.archive) > 2)
		return vf_err_set(err, EINVAL, "compressed more than once");
	return 0;
}

static int examine(struct pack *pack, struct vf_err *err)
{
	off_t end;
	int ret = pack_unpack(pack, err);

	if (ret < 0)
		return ret;
	end = pack_index(pack, pack->raw_size, err);
	if (end < 0)
		return (int)end;
	pack->old = pack->is_cpio ? pack->copy.st.st_size : pack->raw_size;
	pack->cut = pack->is_cpio ? pack->old : end;
	pack->zeros = pack->old - pack->cut;
	if (pack_zeros(pack->raw_fd, end, pack->raw_size) != pack->raw_size)
		return vf_err_set(err, EBADMSG, "has something behind its end");
	if (pack->zeros > ZEROS_MAX)
		return vf_err_set(err, EBADMSG, "ends with too many zeros");
	return 0;
}

int pack_open(struct target **out, const char *path, bool write, int cancel_fd,
	      struct vf_err *err)
{
	struct pack *pack = calloc(1, sizeof(*pack));
	int ret;

	if (!pack)
		return vf_err_errno(err, ENOMEM, "archive");
	pack->raw_fd = -1;
	pack->target = (struct target){ .ops = &ops, .view.ops = &view_ops };
	ret = copy_open(&pack->copy, path, write, cancel_fd, err);
	if (!ret)
		ret = lib_load(&pack->lib, err);
	if (!ret)
		ret = probe(pack, err);
	if (!ret)
		ret = examine(pack, err);
	pack->mtime_ns = pack->copy.st.st_mtim.tv_sec * NS_PER_S +
			 pack->copy.st.st_mtim.tv_nsec;
	if (ret < 0)
		close_(&pack->target);
	else
		*out = &pack->target;
	return ret;
}
