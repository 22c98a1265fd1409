// SPDX-License-Identifier: MIT
// time: 600
/*
 * A stranger's archive: a cpio of parts, compressed or not, or a tar, with entries
 * that the input says and a manifest, damaged here and there. What it holds is
 * looked at, and what was baked is taken out, as long as nothing is written.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bake/pack.h"
#include "base/io.h"
#include "fuzz/bake_input.h"

#define ROOM	  (1 << 16)
#define TAR_BLOCK 10240	     /* what tar writes at a time */
#define MARK	  0x766D666B /* of the trailer: see pack_tail.c */
#define PATH	  "/dev/shm/vmfork-fuzz.%d"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct output {
	char *buf;
	size_t len;
};

/* What does not fit is left out. */
static void put(struct output *out, const void *data, size_t len)
{
	if (len > ROOM - out->len)
		len = ROOM - out->len;
	memcpy(out->buf + out->len, data, len);
	out->len += len;
}

static void pad(struct output *out, size_t to)
{
	static const char zeros[TAR_BLOCK];

	put(out, zeros, (to - out->len % to) % to);
}

static uint32_t no_crc(const char *path)
{
	return (uint32_t)strlen(path);
}

/* The contents of an entry: a manifest, or anything. */
static char *contents_make(struct input *in, size_t *len)
{
	char buf[TEXT_SIZE], *text;

	if (take(in) & 1) {
		__json json_t *json = manifest_make(in, no_crc);

		text = json_dumps(json, 0);
		*len = strlen(text);
		return text;
	}
	*len = take_bytes(in, buf, sizeof(buf));
	text = malloc(*len + 1);
	memcpy(text, buf, *len);
	return text;
}

static unsigned int mode_of(uint8_t bits)
{
	static const unsigned int types[] = { S_IFREG, S_IFDIR, S_IFLNK,
					      S_IFCHR };

	return types[bits & 3] | 0644;
}

/*
 * One inode is of several names, or the mark of our trailer, whose size is in
 * @owner. Source: Documentation/driver-api/early-userspace/buffer-format.rst of
 * Linux.
 */
static void cpio_entry(struct output *out, const char *path, unsigned int inode,
		       unsigned int mode, uint64_t owner, const char *data,
		       size_t len)
{
	size_t name_len = strlen(path) + 1;
	char head[111];

	snprintf(head, sizeof(head),
		 "070701%08X%08X%016llX%08X%08X%08zX%032d%08zX%08d", inode,
		 mode, (unsigned long long)owner, inode ? 2 : 1, 0, len, 0,
		 name_len, 0);
	put(out, head, 110);
	put(out, path, name_len);
	pad(out, 4);
	put(out, data, len);
	pad(out, 4);
}

static void cpio_put(struct output *out, struct input *in)
{
	char name[TEXT_SIZE];
	const char *path = take_text(in, name);
	uint8_t bits = take(in);
	size_t len;
	__free char *data = contents_make(in, &len);

	cpio_entry(out, path, bits >> 5, mode_of(bits),
		   bits & 8 ? take_number(in) : 0, data, len);
}

/* Source: tar(5), ustar. */
static void tar_entry(struct output *out, const char *path, const char *link,
		      char type, const char *data, size_t len)
{
	char block[512] = "";
	unsigned int sum = 0;

	snprintf(block, 100, "%s", path);
	snprintf(block + 157, 100, "%s", link);
	snprintf(block + 100, 8, "%07o", 0644);
	snprintf(block + 124, 12, "%011zo", len);
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	put(out, block, sizeof(block));
	put(out, data, len);
	pad(out, 512);
}

static void tar_put(struct output *out, struct input *in)
{
	static const char types[] = "0512LKxg";
	char name[TEXT_SIZE], other[TEXT_SIZE];
	const char *path = take_text(in, name);
	uint8_t bits = take(in);
	size_t len;
	__free char *data = contents_make(in, &len);

	tar_entry(out, path, bits & 8 ? take_text(in, other) : "",
		  types[bits >> 5], data, len);
}

/* As if it had been baked, with a manifest of the input's. */
static void baked_put(struct output *out, struct input *in, bool is_tar)
{
	__json json_t *json = manifest_make(in, no_crc);
	size_t base = out->len;
	__free char *data = NULL;

	if (take(in) & 1)
		json_object_set_new(json, "archive",
				    json_pack("{s:I,s:I,s:I}", "cut",
					      (json_int_t)base, "size",
					      (json_int_t)base, "mtime_ns",
					      (json_int_t)take_number(in)));
	data = json_dumps(json, 0);
	if (is_tar) {
		tar_entry(out, BAKED_PATH, "", '0', data, strlen(data));
		return;
	}
	pad(out, 4);
	cpio_entry(out, BAKED_PATH, 0, S_IFREG | 0644, 0, data, strlen(data));
	cpio_entry(out, "TRAILER!!!", MARK, 0, base, "", 0);
}

/* Compressed into one block that is stored as it is. Source: RFC 1951, 1952. */
static void gzip(struct output *out, size_t at)
{
	size_t len = out->len - at;
	uint8_t head[15] = { 0x1f, 0x8b, 8, [10] = 1 };
	__free char *copy = malloc(len + 1);

	memcpy(copy, out->buf + at, len);
	head[11] = (uint8_t)len;
	head[12] = (uint8_t)(len >> 8);
	head[13] = (uint8_t)~len;
	head[14] = (uint8_t)(~len >> 8);
	out->len = at;
	put(out, head, sizeof(head));
	put(out, copy, len);
	put(out, "\0\0\0\0\0\0\0", 8);
}

static void archive_make(struct output *out, struct input *in)
{
	uint8_t bits = take(in), damages = take(in) % 4;
	bool is_tar = bits & 1;

	for (int part = 0; part < (is_tar ? 1 : 1 + (bits >> 6)); part++) {
		size_t at = out->len;
		uint8_t num = take(in) % 8;

		while (num-- && in->size)
			is_tar ? tar_put(out, in) : cpio_put(out, in);
		if (bits & 2)
			gzip(out, at);
		if (bits & 4)
			pad(out, 512);
	}
	if (bits & 16)
		baked_put(out, in, is_tar);
	if (is_tar && bits & 8)
		pad(out, TAR_BLOCK);
	while (damages-- && out->len) {
		uint64_t at = take_number(in) % out->len;

		out->buf[at] = (char)take(in);
	}
	if (bits & 32)
		put(out, in->data, in->size);
}

static void look(struct target *target)
{
	static const char *const paths[] = { "etc/inittab", "config/inittab",
					     "lib/systemd/systemd" };
	__json json_t *manifest = NULL, *left = json_array();
	struct view *view = &target->view;
	struct view_node node;
	char plain[PATH_MAX];
	struct vf_err err;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		__free char *text = NULL;
		size_t len;

		if (view_resolve(view, paths[i], plain, &node, &err) < 0)
			continue;
		if (*plain && !path_is_plain(plain))
			abort();
		if (node.type == VIEW_FILE &&
		    view_read(view, plain, 4096, &text, &len, &err) == 0 &&
		    (len > 4096 || text[len]))
			abort();
	}
	if (baked_load(view, &manifest, &err) == 0 && manifest)
		target->ops->undo(target, manifest, left, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct output out = { .buf = malloc(ROOM) };
	struct target *target = NULL;
	struct vf_err err;
	char path[64];
	int fd, ret;

	archive_make(&out, &in);
	snprintf(path, sizeof(path), PATH, getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || vf_write_all(fd, out.buf, out.len) < 0)
		abort();
	close(fd);
	ret = pack_open(&target, path, false, -1, &err);
	if (unlink(path) < 0)
		abort();
	if (!ret) {
		look(target);
		target->ops->close(target);
	}
	free(out.buf);
	return 0;
}
