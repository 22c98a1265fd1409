// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/layer.h"
#include "core/snapshot.h"
#include "crc32c.h"

#define INDEX_MAGIC   "vmforkIX"
#define INDEX_VERSION 1
#define INDEX_MAX     (1 << 30)

/* All of it is little endian, as every machine that runs this. */
struct index_head {
	char magic[8];
	uint32_t version;
	uint32_t crc32c;
	uint64_t num;
};

struct index_run {
	uint64_t page;
	uint64_t num;
};

#define CRC_FROM offsetof(struct index_head, num)

static uint32_t index_crc(const char *text, size_t len)
{
	return crc32c(0, text + CRC_FROM, len - CRC_FROM);
}

int layer_index_save(int dir_fd, const struct extents *pages,
		     struct vf_err *err)
{
	size_t len = sizeof(struct index_head) +
		     pages->num * sizeof(struct index_run);
	__free char *text = calloc(1, len);
	struct index_head *head = (struct index_head *)text;
	struct index_run *runs;

	if (!text)
		return vf_err_errno(err, ENOMEM, SNAPSHOT_INDEX_FILE);
	runs = (struct index_run *)(text + sizeof(*head));
	memcpy(head->magic, INDEX_MAGIC, sizeof(head->magic));
	head->version = INDEX_VERSION;
	head->num = pages->num;
	for (size_t i = 0; i < pages->num; i++)
		runs[i] = (struct index_run){ pages->runs[i].page,
					      pages->runs[i].num };
	head->crc32c = index_crc(text, len);
	return vf_write_file(dir_fd, SNAPSHOT_INDEX_FILE, text, len, true, err);
}

static int parse(const char *text, size_t len, uint64_t memory_pages,
		 struct extents *pages)
{
	struct index_head head;

	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, text, sizeof(head));
	if (memcmp(head.magic, INDEX_MAGIC, sizeof(head.magic)) != 0 ||
	    head.version != INDEX_VERSION ||
	    (len - sizeof(head)) % sizeof(struct index_run) ||
	    head.num != (len - sizeof(head)) / sizeof(struct index_run) ||
	    head.crc32c != index_crc(text, len))
		return -EBADMSG;
	for (uint64_t i = 0; i < head.num; i++) {
		struct index_run run;
		int ret;

		memcpy(&run, text + sizeof(head) + i * sizeof(run),
		       sizeof(run));
		if (!run.num || run.num > memory_pages ||
		    run.page > memory_pages - run.num)
			return -EBADMSG;
		ret = extents_add(pages, run.page, run.num);
		if (ret < 0)
			return ret == -EINVAL ? -EBADMSG : ret;
	}
	return 0;
}

int layer_index_load(int dir_fd, uint64_t memory_bytes, struct extents *pages,
		     struct vf_err *err)
{
	__free char *text = NULL;
	size_t len;
	int ret;

	*pages = (struct extents){ 0 };
	ret = vf_read_file(dir_fd, SNAPSHOT_INDEX_FILE, INDEX_MAX, &text, &len,
			   err);
	if (ret < 0)
		return ret;
	ret = parse(text, len, memory_bytes / EXTENT_PAGE, pages);
	if (ret == -EBADMSG)
		return vf_err_set(err, EBADMSG, "%s: does not verify",
				  SNAPSHOT_INDEX_FILE);
	return ret < 0 ? vf_err_errno(err, ret, SNAPSHOT_INDEX_FILE) : 0;
}
