// SPDX-License-Identifier: MIT
/* What is in an archive. pack.h holds the contract. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#include "bake/filter.h"
#include "bake/pack.h"
#include "base/io.h"

#define CPIO_MAGIC "0707"
#define MEMORY_MAX (512 << 20) /* unpacked, without a file for it */

off_t pack_zeros(int fd, off_t at, off_t end)
{
	char buf[4096];

	while (at < end) {
		size_t len = end - at < (off_t)sizeof(buf) ? (size_t)(end - at)
							   : sizeof(buf);
		int ret = vf_pread_all(fd, buf, len, at);

		if (ret < 0)
			return ret;
		for (size_t i = 0; i < len; i++)
			if (buf[i])
				return at + (off_t)i;
		at += (off_t)len;
	}
	return end;
}

/* Where there is room for it; without a name. */
static int raw_open(struct pack *pack, struct vf_err *err)
{
	int fd = openat(pack->copy.dir_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC,
			0600);
	struct statvfs fs;

	pack->raw_fd = fd;
	/* a few bytes may unpack to any number: others want some of it too */
	if (fd >= 0 && fstatvfs(fd, &fs) == 0 && fs.f_bavail)
		pack->raw_max =
			(off_t)((fs.f_bavail - fs.f_bavail / 8) * fs.f_frsize);
	else
		pack->raw_max = MEMORY_MAX;
	if (fd >= 0)
		return 0;
	/* a directory that may only be read, or a file system without */
	pack->raw_fd = memfd_create("vmfork-bake", MFD_CLOEXEC);
	return pack->raw_fd < 0 ? vf_err_errno(err, errno, "unpacking") : 0;
}

static int raw_end(struct pack *pack, struct vf_err *err)
{
	pack->raw_size = lseek(pack->raw_fd, 0, SEEK_END);
	return pack->raw_size < 0 ? vf_err_errno(err, errno, "unpacking") : 0;
}

static struct filter_output output_of(const struct pack *pack)
{
	return (struct filter_output){ .fd = pack->raw_fd,
				       .max = pack->raw_max,
				       .cancel_fd = pack->copy.cancel_fd };
}

static int unpack_tar(struct pack *pack, struct vf_err *err)
{
	off_t size = pack->copy.st.st_size, end = size, rest;
	struct filter_output output;
	int ret = raw_open(pack, err);

	output = output_of(pack);
	if (!ret)
		ret = filter_unpack(&pack->lib, pack->copy.old_fd, 0, &end,
				    &output, err);
	if (ret < 0)
		return ret;
	rest = pack_zeros(pack->copy.old_fd, end, size);
	if (rest != size)
		return vf_err_set(err, EBADMSG, "has something behind its end");
	return raw_end(pack, err);
}

/* Where a cpio ends that is not compressed. */
static int plain_end(struct pack *pack, off_t at, off_t *end,
		     struct vf_err *err)
{
	__stream struct stream stream;
	int ret = stream_open(&stream, &pack->lib, pack->copy.old_fd, at, *end,
			      STREAM_CPIO, err);

	while (!ret && (ret = stream_next(&stream, err)) > 0)
		ret = 0;
	if (!ret)
		*end = at + pack->lib.filter_bytes(stream.archive, -1);
	return ret;
}

/* One of several parts. */
static int unpack_part(struct pack *pack, off_t at, off_t *end,
		       struct vf_err *err)
{
	const struct filter_output output = output_of(pack);
	int fd = pack->copy.old_fd, ret;
	char magic[4];

	ret = vf_pread_all(fd, magic, sizeof(magic), at);
	if (ret < 0)
		return vf_err_set(err, EBADMSG, "damaged: ends too early");
	if (memcmp(magic, CPIO_MAGIC, sizeof(magic)) != 0) {
		ret = filter_unpack(&pack->lib, fd, at, end, &output, err);
		if (ret == -EBADMSG)
			vf_err_wrap(err, "the part at byte %lld",
				    (long long)at);
		return ret;
	}
	ret = plain_end(pack, at, end, err);
	if (ret < 0)
		return ret;
	ret = copy_data(fd, at, pack->raw_fd, *end - at, pack->copy.cancel_fd);
	return ret < 0 ? vf_err_errno(err, ret, "unpacking") : 0;
}

static int unpack_parts(struct pack *pack, off_t at, off_t size,
			struct vf_err *err)
{
	while ((at = pack_zeros(pack->copy.old_fd, at, size)) < size) {
		off_t end = size;
		int ret = at < 0 ? vf_err_errno(err, (int)at, "unpacking")
				 : unpack_part(pack, at, &end, err);

		if (ret < 0)
			return ret;
		if (end <= at)
			return vf_err_set(err, EBADMSG, "damaged");
		at = end;
	}
	return 0;
}

/* What was added is known to be uncompressed; so nothing is in doubt before it. */
static int unpack_cpio(struct pack *pack, struct vf_err *err)
{
	off_t size = pack->copy.st.st_size;
	off_t base = pack_overlay(pack->copy.old_fd, size);
	int ret = raw_open(pack, err);

	if (!ret)
		ret = unpack_parts(pack, 0, base < 0 ? size : base, err);
	if (!ret && base >= 0) {
		ret = copy_data(pack->copy.old_fd, base, pack->raw_fd,
				size - base, pack->copy.cancel_fd);
		if (ret < 0)
			vf_err_errno(err, ret, "unpacking");
	}
	return ret ? ret : raw_end(pack, err);
}

int pack_unpack(struct pack *pack, struct vf_err *err)
{
	if (pack->is_cpio)
		return unpack_cpio(pack, err);
	if (pack->filter != ARCHIVE_FILTER_NONE)
		return unpack_tar(pack, err);
	pack->raw_fd = pack->copy.old_fd;
	pack->raw_size = pack->copy.st.st_size;
	return 0;
}

/* Return: where it ended, or -errno */
static off_t index_part(struct pack *pack, off_t at, off_t end,
			struct vf_err *err)
{
	const struct lib *lib = &pack->lib;
	__stream struct stream stream;
	int ret = stream_open(&stream, lib, pack->raw_fd, at, end, STREAM_ANY,
			      err);

	while (!ret && (ret = stream_next(&stream, err)) > 0)
		ret = index_add(&pack->index, &stream,
				at + lib->read_header_position(stream.archive),
				err);
	if (ret < 0)
		return ret;
	return at + (pack->is_cpio ? lib->filter_bytes(stream.archive, -1)
				   : lib->read_header_position(stream.archive));
}

off_t pack_index(struct pack *pack, off_t end, struct vf_err *err)
{
	off_t at = 0;

	index_exit(&pack->index);
	if (!pack->is_cpio)
		return index_part(pack, 0, end, err);
	while ((at = pack_zeros(pack->raw_fd, at, end)) < end) {
		off_t next = at < 0 ? vf_err_errno(err, (int)at, "archive")
				    : index_part(pack, at, end, err);

		if (next < 0)
			return next;
		at = next;
	}
	return end;
}
