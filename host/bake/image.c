// SPDX-License-Identifier: MIT
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/copy.h"
#include "bake/ext4.h"
#include "bake/image.h"
#include "bake/partition.h"
#include "base/io.h"
#include "base/process.h"

#define QCOW2_MAGIC  "QFI\xfb"
#define QCOW2_HEADER 112
#define QCOW2_TYPED  8 /* the kind of compression is said */
#define CONVERT_MS   1800000
#define CHECK_LEAKS  3 /* qemu-img check: room is lost, nothing else */

struct image {
	struct target target;
	struct copy copy;
	bool is_qcow2;
	int work_fd; /* what is looked at and changed; -1: not yet its own */
	struct ext4 fs;
};

static struct image *to_image(struct target *target)
{
	return (struct image *)target;
}

static struct image *image_of(struct view *view)
{
	return (struct image *)((char *)view -
				offsetof(struct image, target.view));
}

static int look(struct view *view, const char *path, struct view_node *node,
		struct vf_err *err)
{
	return ext4_look(&image_of(view)->fs, path, node, err);
}

static int read_(struct view *view, const char *path, size_t max, char **out,
		 size_t *len, struct vf_err *err)
{
	return ext4_read(&image_of(view)->fs, path, max, out, len, err);
}

static const struct view_ops view_ops = { .look = look,
					  .read = read_,
					  .keeps = true };

/*
 * The locks of a tool that outlives us for a moment would look like a VM's to the
 * next command.
 */
static void source_of(char *source, size_t size, int fd, const char *format)
{
	snprintf(source, size,
		 "driver=%s,file.driver=file,file.locking=off,"
		 "file.filename=/proc/%d/fd/%d",
		 format, getpid(), fd);
}

/* @options: of the format, or NULL; @flag: one more, or NULL */
static int convert(const struct image *image, int from_fd, const char *from,
		   int to_fd, const char *to, const char *options,
		   const char *flag, struct vf_err *err)
{
	char source[128], dest[64], said[256];
	char *argv[16] = { (char *)"qemu-img", (char *)"convert",
			   (char *)"--image-opts", (char *)"-O", (char *)to };
	int num = 5, ret;

	if (options) {
		argv[num++] = (char *)"-o";
		argv[num++] = (char *)options;
	}
	if (flag)
		argv[num++] = (char *)flag;
	argv[num++] = source;
	argv[num] = dest;

	source_of(source, sizeof(source), from_fd, from);
	snprintf(dest, sizeof(dest), "/proc/%d/fd/%d", getpid(), to_fd);
	ret = process_answer(argv, said, sizeof(said), CONVERT_MS,
			     image->copy.cancel_fd, err);
	if (ret == -ENOENT)
		vf_err_hint(err, "install qemu-utils");
	if (ret > 0)
		return vf_err_set(err, EIO, "qemu-img convert: failed");
	return ret;
}

/*
 * Another file must not be read for it, nor anything of it be lost.
 * Source: docs/interop/qcow2.txt of QEMU.
 */
static int qcow2_check(int fd, struct vf_err *err)
{
	static const struct {
		int at;
		uint32_t mask;
		const char *what;
	} fields[] = {
		{ 12, UINT32_MAX, "another file below it" }, /* backing */
		{ 8, UINT32_MAX, "another file below it" },
		{ 32, UINT32_MAX, "encryption" },
		{ 60, UINT32_MAX, "snapshots, which would be lost" },
		{ 76, 4, "its data in another file" },
	};
	unsigned char header[QCOW2_HEADER];

	if (vf_pread_all(fd, header, sizeof(header), 0) < 0)
		return vf_err_set(err, EBADMSG, "damaged: ends too early");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		uint32_t value;

		/* version 2 has no such field */
		if (fields[i].at >= 72 && header[7] < 3)
			continue;
		memcpy(&value, header + fields[i].at, sizeof(value));
		if (!(be32toh(value) & fields[i].mask))
			continue;
		vf_err_set(err, EINVAL, "a qcow2 with %s", fields[i].what);
		vf_err_hint(err, "qemu-img convert makes one without");
		return -EINVAL;
	}
	return 0;
}

static int qcow2_unpack(struct image *image, struct vf_err *err)
{
	int ret = qcow2_check(image->copy.old_fd, err);

	if (ret < 0)
		return ret;
	image->work_fd = openat(image->copy.dir_fd, ".",
				O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (image->work_fd < 0)
		return vf_err_errno(err, errno, "beside it");
	return convert(image, image->copy.old_fd, "qcow2", image->work_fd,
		       "raw", NULL, NULL, err);
}

/* Return: 1 if some of it is compressed, 0 if not, -errno */
static int qcow2_is_packed(const struct image *image, struct vf_err *err)
{
	char source[128], said[4096];
	char *const argv[] = { (char *)"qemu-img",
			       (char *)"check",
			       (char *)"--image-opts",
			       (char *)"--output=json",
			       source,
			       NULL };
	__json json_t *json = NULL;
	int ret;

	source_of(source, sizeof(source), image->copy.old_fd, "qcow2");
	ret = process_answer(argv, said, sizeof(said), CONVERT_MS,
			     image->copy.cancel_fd, err);
	if (ret < 0)
		return ret;
	json = ret && ret != CHECK_LEAKS ? NULL : json_loads(said, 0, NULL);
	if (!json) {
		vf_err_set(err, EBADMSG,
			   "damaged maybe: qemu-img check exits with %d", ret);
		vf_err_hint(err, "qemu-img check -r all may repair it");
		return -EBADMSG;
	}
	return json_integer_value(
		       json_object_get(json, "compressed-clusters")) > 0;
}

/*
 * It goes back as it came: clusters, version and compression.
 * Source: docs/interop/qcow2.txt of QEMU.
 */
static int qcow2_pack(struct image *image, struct vf_err *err)
{
	unsigned char header[QCOW2_HEADER];
	char options[96];
	uint32_t bits;
	int ret;

	if (vf_pread_all(image->copy.old_fd, header, sizeof(header), 0) < 0)
		return vf_err_set(err, EBADMSG, "damaged: ends too early");
	memcpy(&bits, header + 20, sizeof(bits));
	bits = be32toh(bits);
	/* qemu-img, which has read it, takes none but 9 to 21 */
	snprintf(options, sizeof(options), "cluster_size=%u,compat=%s%s",
		 1U << (bits & 31), header[7] < 3 ? "0.10" : "1.1",
		 header[7] >= 3 && (header[79] & QCOW2_TYPED) && header[104]
			 ? ",compression_type=zstd"
			 : "");
	ret = qcow2_is_packed(image, err);
	if (ret < 0)
		return ret;
	return convert(image, image->work_fd, "raw", image->copy.fd, "qcow2",
		       options, ret ? "-c" : NULL, err);
}

/* From now on it is changed. */
static int begin(struct image *image, struct vf_err *err)
{
	struct copy *copy = &image->copy;
	int ret = copy_begin(copy, err);

	if (ret < 0 || image->work_fd >= 0)
		return ret;
	ret = copy_data(copy->old_fd, 0, copy->fd, copy->st.st_size,
			copy->cancel_fd);
	if (ret < 0)
		return vf_err_errno(err, ret, "%s", copy->tmp);
	image->work_fd = copy->fd;
	image->fs.fd = copy->fd;
	return 0;
}

/* What the tools said is not asked: is all there? */
static int verify(struct image *image, const json_t *manifest,
		  struct vf_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(baked_items(manifest), i, item) {
		int ret = baked_item_check(item, &image->target.view, err);

		if (ret == -ENOENT || ret == -ESTALE) {
			vf_err_set(err, ENOSPC, "/%s: could not be written",
				   baked_item_path(item));
			vf_err_hint(err, "there may be no room left in it");
			return -ENOSPC;
		}
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int apply(struct target *target, struct plan *plan, struct vf_err *err)
{
	struct image *image = to_image(target);
	int ret = begin(image, err);

	if (!ret)
		ret = ext4_apply(&image->fs, plan, err);
	return ret ? ret : verify(image, plan->manifest, err);
}

static int undo(struct target *target, const json_t *manifest, json_t *left,
		struct vf_err *err)
{
	struct image *image = to_image(target);
	int ret = baked_check(manifest, &target->view, err);

	if (!ret)
		ret = begin(image, err);
	return ret ? ret : ext4_undo(&image->fs, manifest, left, err);
}

static int commit(struct target *target, struct vf_err *err)
{
	struct image *image = to_image(target);
	int ret = ext4_check(&image->fs, err);

	if (!ret && image->is_qcow2)
		ret = qcow2_pack(image, err);
	return ret ? ret : copy_commit(&image->copy, COPY_NOW, err);
}

static void close_(struct target *target)
{
	struct image *image = to_image(target);

	if (image->work_fd >= 0 && image->work_fd != image->copy.fd)
		close(image->work_fd);
	copy_close(&image->copy);
	ext4_exit(&image->fs);
	free(image);
}

static const struct target_ops ops = {
	.apply = apply,
	.undo = undo,
	.commit = commit,
	.close = close_,
};

/* One of several may have the root file system: the one with /etc. */
static int choose(struct image *image, const off_t *offsets, int num,
		  struct vf_err *err)
{
	off_t found = -1;
	int many = 0;

	for (int i = 0; i < num; i++) {
		if (!ext4_is_there(image->fs.fd, offsets[i]))
			continue;
		image->fs.offset = offsets[i];
		if (view_has(&image->target.view, "etc", VIEW_DIR)) {
			found = offsets[i];
			many++;
		}
		ext4_exit(&image->fs);
	}
	image->fs.offset = found;
	if (many == 1)
		return 0;
	return vf_err_set(err, EINVAL,
			  many ? "several root file systems in it"
			       : "no ext4 with a directory /etc "
				 "in it");
}

static int examine(struct image *image, struct vf_err *err)
{
	off_t offsets[PARTITIONS_MAX] = { 0 }, size;
	int num = 1, ret;

	image->fs.fd = image->work_fd >= 0 ? image->work_fd
					   : image->copy.old_fd;
	size = lseek(image->fs.fd, 0, SEEK_END);
	if (!ext4_is_there(image->fs.fd, 0))
		num = partition_list(image->fs.fd, size, offsets);
	if (num < 0)
		return vf_err_set(err, EBADMSG,
				  "its table of partitions is damaged");
	ret = choose(image, offsets, num, err);
	if (!ret && !ext4_is_clean(image->fs.fd, image->fs.offset)) {
		vf_err_set(err, EUCLEAN, "its file system was not unmounted");
		vf_err_hint(err, "stop who uses it, then e2fsck -fp");
		return -EUCLEAN;
	}
	return ret;
}

static bool is_qcow2(int fd)
{
	char magic[4];

	return vf_pread_all(fd, magic, sizeof(magic), 0) == 0 &&
	       !memcmp(magic, QCOW2_MAGIC, sizeof(magic));
}

bool image_is_there(const char *path)
{
	__close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	off_t offsets[PARTITIONS_MAX];
	int num;

	if (fd < 0)
		return false;
	if (is_qcow2(fd) || ext4_is_there(fd, 0))
		return true;
	/* an archive may look as if it had a table */
	num = partition_list(fd, lseek(fd, 0, SEEK_END), offsets);
	for (int i = 0; i < num; i++)
		if (ext4_is_there(fd, offsets[i]))
			return true;
	return false;
}

int image_open(struct target **out, const char *path, bool write, int cancel_fd,
	       struct vf_err *err)
{
	struct image *image = calloc(1, sizeof(*image));
	int ret;

	if (!image)
		return vf_err_errno(err, ENOMEM, "image");
	image->work_fd = -1;
	image->fs.cancel_fd = cancel_fd;
	image->target = (struct target){ .ops = &ops,
					 .kind = "ext4",
					 .view.ops = &view_ops };
	ret = copy_open(&image->copy, path, write, cancel_fd, err);
	if (!ret && is_qcow2(image->copy.old_fd)) {
		image->is_qcow2 = true;
		image->target.kind = "qcow2";
		ret = qcow2_unpack(image, err);
	}
	if (!ret)
		ret = examine(image, err);
	if (ret < 0)
		close_(&image->target);
	else
		*out = &image->target;
	return ret;
}
