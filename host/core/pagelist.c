// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pagelist.h"
#include "crc32c.h"

#define PAGELIST_VERSION 1

/* All of it is little endian, as every machine that runs this. */
struct head {
	char magic[PAGELIST_MAGIC_LEN];
	uint32_t version;
	uint32_t crc32c;
	uint64_t num;
};

struct run {
	uint64_t page;
	uint64_t num;
};

#define CRC_FROM offsetof(struct head, num)

static uint32_t list_crc(const char *text, size_t len)
{
	return crc32c(0, text + CRC_FROM, len - CRC_FROM);
}

size_t pagelist_size(size_t num)
{
	return sizeof(struct head) + num * sizeof(struct run);
}

char *pagelist_pack(const struct extents *pages,
		    const char magic[PAGELIST_MAGIC_LEN], size_t *len)
{
	char *text = calloc(1, pagelist_size(pages->num));
	struct head *head = (struct head *)text;
	struct run *runs;

	if (!text)
		return NULL;
	*len = pagelist_size(pages->num);
	runs = (struct run *)(text + sizeof(*head));
	memcpy(head->magic, magic, sizeof(head->magic));
	head->version = PAGELIST_VERSION;
	head->num = pages->num;
	for (size_t i = 0; i < pages->num; i++)
		runs[i] =
			(struct run){ pages->runs[i].page, pages->runs[i].num };
	head->crc32c = list_crc(text, *len);
	return text;
}

int pagelist_parse(const char *text, size_t len,
		   const char magic[PAGELIST_MAGIC_LEN], uint64_t memory_bytes,
		   struct extents *pages)
{
	uint64_t memory_pages = memory_bytes / EXTENT_PAGE;
	struct head head;

	*pages = (struct extents){ 0 };
	if (len < sizeof(head))
		return -EBADMSG;
	memcpy(&head, text, sizeof(head));
	if (memcmp(head.magic, magic, sizeof(head.magic)) != 0)
		return -EBADMSG;
	if (head.version != PAGELIST_VERSION)
		return -EPROTONOSUPPORT;
	if ((len - sizeof(head)) % sizeof(struct run) ||
	    head.num != (len - sizeof(head)) / sizeof(struct run) ||
	    head.crc32c != list_crc(text, len))
		return -EBADMSG;
	for (uint64_t i = 0; i < head.num; i++) {
		struct run run;
		int ret;

		memcpy(&run, text + pagelist_size(i), sizeof(run));
		if (!run.num || run.num > memory_pages ||
		    run.page > memory_pages - run.num)
			return -EBADMSG;
		ret = extents_add(pages, run.page, run.num);
		if (ret < 0)
			return ret == -EINVAL ? -EBADMSG : ret;
	}
	return 0;
}
