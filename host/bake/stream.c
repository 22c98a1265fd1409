// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bake/stream.h"
#include "base/io.h"

static la_ssize_t read_cb(struct archive *archive, void *arg, const void **buf)
{
	struct stream *stream = arg;
	off_t left = stream->end - stream->at;
	size_t len = left < STREAM_BLOCK ? (size_t)left : STREAM_BLOCK;

	(void)archive;
	if (vf_pread_all(stream->fd, stream->block, len, stream->at) < 0)
		return -1;
	stream->at += (off_t)len;
	*buf = stream->block;
	return (la_ssize_t)len;
}

static la_int64_t skip_cb(struct archive *archive, void *arg, la_int64_t len)
{
	struct stream *stream = arg;
	off_t left = stream->end - stream->at;

	(void)archive;
	if (len > left)
		len = left;
	stream->at += len;
	return len;
}

static int fail(struct stream *stream, struct vf_err *err)
{
	const char *why = stream->lib->error_string(stream->archive);
	char text[128];

	snprintf(text, sizeof(text), "%s", why ? why : "not read to its end");
	return vf_err_set(err, EBADMSG, "damaged: %s", vf_ascii(text));
}

int stream_open(struct stream *stream, const struct lib *lib, int fd, off_t at,
		off_t end, enum stream_format format, struct vf_err *err)
{
	struct archive *archive;

	*stream = (struct stream){ .lib = lib, .fd = fd, .at = at, .end = end };
	stream->block = malloc(STREAM_BLOCK);
	stream->archive = lib->read_new();
	archive = stream->archive;
	if (!stream->block || !archive)
		return vf_err_errno(err, ENOMEM, "archive");
	/* others may start programs, as lrzip, or are of no use here */
	lib->read_support_filter_gzip(archive);
	lib->read_support_filter_bzip2(archive);
	lib->read_support_filter_xz(archive);
	lib->read_support_filter_lzma(archive);
	lib->read_support_filter_lz4(archive);
	lib->read_support_filter_zstd(archive);
	if (format == STREAM_RAW)
		lib->read_support_format_raw(archive);
	else
		lib->read_support_format_cpio(archive);
	if (format == STREAM_ANY)
		lib->read_support_format_tar(archive);
	lib->read_set_read_callback(archive, read_cb);
	lib->read_set_skip_callback(archive, skip_cb);
	lib->read_set_callback_data(archive, stream);
	return lib->read_open1(archive) < ARCHIVE_WARN ? fail(stream, err) : 0;
}

int stream_next(struct stream *stream, struct vf_err *err)
{
	int ret =
		stream->lib->read_next_header(stream->archive, &stream->entry);

	if (ret == ARCHIVE_EOF)
		return 0;
	return ret < ARCHIVE_WARN ? fail(stream, err) : 1;
}

ssize_t stream_read(struct stream *stream, void *buf, size_t len,
		    struct vf_err *err)
{
	la_ssize_t n = stream->lib->read_data(stream->archive, buf, len);

	return n < 0 ? fail(stream, err) : n;
}

void stream_close(struct stream *stream)
{
	if (stream->archive)
		stream->lib->read_free(stream->archive);
	free(stream->block);
}
