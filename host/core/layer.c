// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/layer.h"
#include "core/pagelist.h"
#include "core/snapshot.h"

#define INDEX_MAX (1 << 30)

static const char magic[PAGELIST_MAGIC_LEN] = "vmforkIX";

int layer_index_save(int dir_fd, const struct extents *pages,
		     struct vf_err *err)
{
	size_t len;
	__free char *text = pagelist_pack(pages, magic, &len);

	if (!text)
		return vf_err_errno(err, ENOMEM, SNAPSHOT_INDEX_FILE);
	return vf_write_file(dir_fd, SNAPSHOT_INDEX_FILE, text, len, true, err);
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
	ret = pagelist_parse(text, len, magic, memory_bytes, pages);
	if (ret == -EBADMSG)
		return vf_err_set(err, EBADMSG, "%s: does not verify",
				  SNAPSHOT_INDEX_FILE);
	return ret < 0 ? vf_err_errno(err, ret, SNAPSHOT_INDEX_FILE) : 0;
}
