// SPDX-License-Identifier: MIT
/* What is added to an archive. pack.h holds the contract. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bake/pack.h"
#include "base/io.h"

#define ENTRY_ROOM 8192 /* more than the headers of an entry take */

/*
 * The last header of the cpio: its name is "TRAILER!!!", and nobody reads what
 * else is in it. There stand a mark, and the size of what was there before.
 * Source: Documentation/driver-api/early-userspace/buffer-format.rst of Linux.
 */
#define TRAILER_LEN    124	  /* with its name, padded to a multiple of 4 */
#define TRAILER_NAME   110	  /* where that begins */
#define TRAILER_MARK   6	  /* c_ino */
#define TRAILER_SIZE   22	  /* c_uid, c_gid: 64 bits */
#define MARK	       "766D666B" /* "vmfk" */
#define TRAILER_MAGIC  "070701"
#define TRAILER_STRING "TRAILER!!!"

off_t pack_overlay(int fd, off_t size)
{
	char trailer[TRAILER_LEN], digits[17] = "";
	unsigned long long base;
	char *end;

	if (size < TRAILER_LEN ||
	    vf_pread_all(fd, trailer, TRAILER_LEN, size - TRAILER_LEN) < 0 ||
	    memcmp(trailer, TRAILER_MAGIC, strlen(TRAILER_MAGIC)) != 0 ||
	    memcmp(trailer + TRAILER_MARK, MARK, strlen(MARK)) != 0 ||
	    memcmp(trailer + TRAILER_NAME, TRAILER_STRING,
		   sizeof(TRAILER_STRING)) != 0)
		return -1;
	memcpy(digits, trailer + TRAILER_SIZE, 16);
	base = strtoull(digits, &end, 16);
	return *end || base > (unsigned long long)size ? -1 : (off_t)base;
}

static void entry_fill(struct pack *pack, struct archive_entry *entry,
		       const struct plan *plan, const struct item *item)
{
	static const unsigned int types[] = {
		[ITEM_DIR] = AE_IFDIR,
		[ITEM_FILE] = AE_IFREG,
		[ITEM_LINK] = AE_IFLNK,
	};
	const struct lib *lib = &pack->lib;
	char path[PATH_MAX + 2];

	lib->entry_clear(entry);
	snprintf(path, sizeof(path), "%s%s", pack->index.has_dots ? "./" : "",
		 item->path);
	lib->entry_set_pathname(entry, path);
	lib->entry_set_filetype(entry, types[item->type]);
	lib->entry_set_perm(entry, item->mode);
	lib->entry_set_uid(entry, item->uid);
	lib->entry_set_gid(entry, item->gid);
	lib->entry_set_mtime(entry, plan->mtime, 0);
	lib->entry_set_nlink(entry, 1);
	/* cpio wants to be told of each */
	lib->entry_set_size(
		entry, item->type == ITEM_FILE ? (la_int64_t)item->len : 0);
	if (item->type == ITEM_LINK)
		lib->entry_set_symlink(entry, item->data);
}

static int entries_write(struct pack *pack, struct archive *archive,
			 const struct plan *plan)
{
	const struct lib *lib = &pack->lib;
	struct archive_entry *entry = lib->entry_new();
	int ret = entry ? 0 : -ENOMEM;

	for (size_t i = 0; !ret && i < plan->num; i++) {
		const struct item *item = &plan->items[i];

		entry_fill(pack, entry, plan, item);
		if (lib->write_header(archive, entry) < ARCHIVE_WARN ||
		    (item->type == ITEM_FILE &&
		     lib->write_data(archive, item->data, item->len) !=
			     (la_ssize_t)item->len))
			ret = -EIO;
	}
	lib->entry_free(entry);
	if (!ret && lib->write_close(archive) < ARCHIVE_WARN)
		ret = -EIO;
	return ret;
}

/* Return: bytes, or -errno */
static ssize_t tail_write(struct pack *pack, const struct plan *plan, char *buf,
			  size_t room)
{
	const struct lib *lib = &pack->lib;
	struct archive *archive = lib->write_new();
	size_t used = 0;
	int ret = -ENOMEM;

	if (!archive)
		return ret;
	if (pack->is_cpio)
		lib->write_set_format_cpio_newc(archive);
	else
		lib->write_set_format_pax_restricted(archive);
	lib->write_set_bytes_in_last_block(archive, 1);
	if (lib->write_open_memory(archive, buf, room, &used) >= ARCHIVE_WARN)
		ret = entries_write(pack, archive, plan);
	lib->write_free(archive);
	return ret < 0 ? ret : (ssize_t)used;
}

static int mark(struct pack *pack, size_t len)
{
	char *trailer = pack->tail + len - TRAILER_LEN;
	char digits[17];

	if (len < TRAILER_LEN ||
	    strcmp(trailer + TRAILER_NAME, TRAILER_STRING) != 0)
		return -EIO;
	snprintf(digits, sizeof(digits), "%016" PRIX64, (uint64_t)pack->cut);
	memcpy(trailer + TRAILER_MARK, MARK, strlen(MARK));
	memcpy(trailer + TRAILER_SIZE, digits, 16);
	return 0;
}

int pack_tail(struct pack *pack, const struct plan *plan, struct vf_err *err)
{
	/*
	 * The kernel wants a header at a multiple of four. Four zeros at least,
	 * for they are what ends LZ4 in front of it.
	 */
	size_t pad = pack->is_cpio ? 8 - (size_t)(pack->cut % 4) : 0;
	size_t room = pad + ENTRY_ROOM;
	ssize_t len;
	int ret = 0;

	for (size_t i = 0; i < plan->num; i++)
		room += plan->items[i].len + ENTRY_ROOM;
	free(pack->tail);
	pack->tail = calloc(1, room);
	if (!pack->tail)
		return vf_err_errno(err, ENOMEM, "archive");
	len = tail_write(pack, plan, pack->tail + pad, room - pad);
	if (len < 0)
		return vf_err_errno(err, (int)len, "archive");
	pack->tail_len = pad + (size_t)len;
	if (pack->is_cpio)
		ret = mark(pack, pack->tail_len);
	return ret < 0 ? vf_err_errno(err, ret, "archive") : 0;
}
