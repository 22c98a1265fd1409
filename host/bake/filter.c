// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bake/filter.h"
#include "bake/stream.h"
#include "base/io.h"

static int unpack(struct stream *stream, const struct filter_output *output,
		  off_t room, struct vf_err *err)
{
	__free char *buf = malloc(STREAM_BLOCK);
	int ret = buf ? stream_next(stream, err)
		      : vf_err_errno(err, ENOMEM, "archive");

	while (ret > 0) {
		ssize_t n = stream_read(stream, buf, STREAM_BLOCK, err);

		if (n <= 0)
			return (int)n;
		room -= n;
		if (room < 0)
			return vf_err_set(err, ENOSPC,
					  "unpacking: No space left for it");
		ret = vf_check_cancel(output->cancel_fd);
		if (!ret)
			ret = vf_write_all(output->fd, buf, (size_t)n);
		if (ret < 0)
			return vf_err_errno(err, ret, "unpacking");
		ret = 1;
	}
	return ret;
}

int filter_unpack(const struct lib *lib, int from_fd, off_t at, off_t *end,
		  const struct filter_output *output, struct vf_err *err)
{
	off_t last = *end, to = lseek(output->fd, 0, SEEK_CUR);
	struct stream stream;
	int filter, ret = 0;

	/*
	 * Zstandard and LZ4 fail at whatever stands behind them, having read
	 * just what is theirs.
	 */
	for (int i = 0; i < 2; i++) {
		if (to < 0 || (lseek(output->fd, to, SEEK_SET) < 0 ||
			       ftruncate(output->fd, to) < 0))
			return vf_err_errno(err, errno, "unpacking");
		ret = stream_open(&stream, lib, from_fd, at, last, STREAM_RAW,
				  err);
		if (!ret)
			ret = unpack(&stream, output, output->max - to, err);
		if (!stream.archive)
			return ret;
		filter = lib->filter_code(stream.archive, 0);
		last = at + lib->filter_bytes(stream.archive, -1);
		stream_close(&stream);
		if (!ret || (filter != ARCHIVE_FILTER_ZSTD &&
			     filter != ARCHIVE_FILTER_LZ4))
			break;
	}
	*end = last;
	return ret;
}

static int pack_fail(const struct lib *lib, struct archive *archive,
		     struct vf_err *err)
{
	const char *why = lib->error_string(archive);

	return vf_err_set(err, EIO, "compressing: %s", why ? why : "failed");
}

static int pack_begin(const struct lib *lib, struct archive *archive, int to_fd,
		      int filter, struct vf_err *err)
{
	struct archive_entry *entry = lib->entry_new();
	int ret = ARCHIVE_FATAL;

	lib->write_set_format_raw(archive);
	if (entry && lib->write_add_filter(archive, filter) >= ARCHIVE_WARN) {
		/* no time in the header; others have no such option */
		lib->write_set_filter_option(archive, "gzip", "timestamp",
					     NULL);
		lib->write_set_bytes_in_last_block(archive, 1);
		lib->entry_set_filetype(entry, AE_IFREG);
		ret = lib->write_open_fd(archive, to_fd);
		if (ret >= ARCHIVE_WARN)
			ret = lib->write_header(archive, entry);
	}
	lib->entry_free(entry);
	return ret < ARCHIVE_WARN ? pack_fail(lib, archive, err) : 0;
}

int filter_pack(const struct lib *lib, int from_fd, int to_fd, int filter,
		int cancel_fd, struct vf_err *err)
{
	struct archive *archive = lib->write_new();
	__free char *buf = malloc(STREAM_BLOCK);
	struct stat st;
	int ret = 0;

	if (!archive || !buf || fstat(from_fd, &st) < 0)
		ret = vf_err_errno(err, ENOMEM, "compressing");
	if (!ret)
		ret = pack_begin(lib, archive, to_fd, filter, err);
	for (off_t at = 0; !ret && at < st.st_size;) {
		off_t left = st.st_size - at;
		size_t len = left < STREAM_BLOCK ? (size_t)left : STREAM_BLOCK;

		ret = vf_check_cancel(cancel_fd);
		if (!ret)
			ret = vf_pread_all(from_fd, buf, len, at);
		if (ret < 0)
			vf_err_errno(err, ret, "compressing");
		else if (lib->write_data(archive, buf, len) != (la_ssize_t)len)
			ret = pack_fail(lib, archive, err);
		at += (off_t)len;
	}
	if (!ret && lib->write_close(archive) < ARCHIVE_WARN)
		ret = pack_fail(lib, archive, err);
	if (archive)
		lib->write_free(archive);
	return ret;
}
