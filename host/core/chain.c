// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/chain.h"
#include "core/layer.h"

#define CHUNK_PAGES 256

static bool is_base(const struct chain_link *link)
{
	return !link->snapshot.parent[0];
}

/*
 * The kernel copies pages from here into forks; what it cannot read is an error
 * of that call. Nobody else touches it: a file that lost its end is no crash.
 */
static int link_map(struct chain_link *link, uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, link->fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	link->map = map;
	link->map_bytes = bytes;
	return 0;
}

static int link_open(struct chain_link *link, const struct vf_state *state,
		     const char *name, const uint8_t *id, struct vf_err *err)
{
	struct snapshot *s = &link->snapshot;
	int ret = snapshot_open_link(s, state, name, err);

	link->fd = -1;
	if (ret < 0)
		return ret;
	if (id && memcmp(id, s->id, sizeof(s->id)) != 0)
		return vf_err_set(err, ESTALE,
				  "snapshot %s: is not the one that it was",
				  name);
	link->fd = openat(s->dir_fd,
			  is_base(link) ? VMM_MEMORY_FILE : SNAPSHOT_LAYER_FILE,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (link->fd < 0)
		return vf_err_errno(err, errno, "snapshot %s", name);
	if (is_base(link))
		return 0;
	ret = layer_index_load(s->dir_fd, s->hardware.config.memory_bytes,
			       &link->pages, err);
	if (!ret && link_map(link, s->hardware.config.memory_bytes) < 0)
		ret = vf_err_errno(err, errno, SNAPSHOT_LAYER_FILE);
	return ret < 0 ? vf_err_wrap(err, "snapshot %s", name) : 0;
}

/* What it builds on is not there, or not what it was. */
static void link_fail(const struct chain_link *top, struct vf_err *err)
{
	const char *name = top->snapshot.name;

	vf_err_wrap(err, "snapshot %s: what it builds on", name);
	vf_err_hint(err,
		    "without that it is of no use; 'vmfork rmi %s' removes it",
		    name);
}

int chain_open(struct chain *chain, const struct vf_state *state,
	       const char *name, const uint8_t *id, struct vf_err *err)
{
	int ret;

	*chain = (struct chain){ 0 };
	chain->links = calloc(CHAIN_MAX, sizeof(*chain->links));
	if (!chain->links)
		return vf_err_errno(err, ENOMEM, "snapshot %s", name);
	for (;;) {
		struct chain_link *link = &chain->links[chain->num];
		const struct chain_link *top = &chain->links[0];

		if (chain->num == CHAIN_MAX)
			return vf_err_set(err, ELOOP,
					  "snapshot %s: more than %d layers",
					  name, CHAIN_MAX - 1);
		chain->num++;
		ret = link_open(link, state, name, id, err);
		if (ret < 0 && link != top)
			link_fail(top, err);
		if (ret < 0)
			return ret;
		if (link->snapshot.hardware.config.memory_bytes !=
		    top->snapshot.hardware.config.memory_bytes)
			return vf_err_set(err, EBADMSG,
					  "snapshot %s: its chain changes size",
					  top->snapshot.name);
		chain->layer_pages += link->pages.pages;
		if (is_base(link))
			return 0;
		name = link->snapshot.parent;
		id = link->snapshot.parent_id;
	}
}

int chain_push(struct chain *chain, struct extents *pages, int *fd)
{
	struct chain_link *links = chain->links;
	struct chain_link top = {
		.snapshot.dir_fd = -1,
		.pages = *pages,
		.fd = *fd,
	};
	int ret;

	if (chain->num == CHAIN_MAX)
		return -ELOOP;
	ret = link_map(&top, chain_bytes(chain));
	if (ret < 0)
		return ret;
	memmove(links + 1, links, chain->num * sizeof(*links));
	links[0] = top;
	*fd = -1;
	*pages = (struct extents){ 0 };
	chain->num++;
	chain->layer_pages += links[0].pages.pages;
	return 0;
}

void chain_close(struct chain *chain)
{
	while (chain->num) {
		struct chain_link *link = &chain->links[--chain->num];

		snapshot_close(&link->snapshot);
		extents_exit(&link->pages);
		if (link->map)
			munmap(link->map, link->map_bytes);
		vf_close_fd(&link->fd);
	}
	free(vf_steal(&chain->links));
}

uint64_t chain_bytes(const struct chain *chain)
{
	return chain_base(chain)->hardware.config.memory_bytes;
}

const struct snapshot *chain_base(const struct chain *chain)
{
	return &chain->links[chain->num - 1].snapshot;
}

uint64_t chain_offset(const struct chain *chain)
{
	return chain_base(chain)->image.regions[0].offset;
}

/* Which link has a page, and (@num) how many behind it, of so many wanted? */
static const struct chain_link *owner(const struct chain *chain, uint64_t page,
				      uint64_t *num)
{
	unsigned int i;

	for (i = 0; i + 1 < chain->num; i++) {
		const struct extent *e =
			extents_next(&chain->links[i].pages, page);

		if (!e)
			continue;
		if (e->page <= page) {
			if (*num > e->page + e->num - page)
				*num = e->page + e->num - page;
			break;
		}
		/* from there on it is this higher one's */
		if (*num > e->page - page)
			*num = e->page - page;
	}
	return &chain->links[i];
}

int chain_read(const struct chain *chain, uint64_t page, uint8_t *buf,
	       uint64_t num)
{
	while (num) {
		uint64_t run = num;
		const struct chain_link *link = owner(chain, page, &run);
		bool whole = link == &chain->links[chain->num - 1];
		uint64_t from = whole ? chain_offset(chain) : 0;
		int ret = vf_pread_all(link->fd, buf, run * EXTENT_PAGE,
				       (off_t)(from + page * EXTENT_PAGE));

		if (ret < 0)
			return ret;
		buf += run * EXTENT_PAGE;
		page += run;
		num -= run;
	}
	return 0;
}

const struct chain_link *chain_next(const struct chain *chain, uint64_t page,
				    struct extent *run)
{
	const struct chain_link *found = NULL;

	for (unsigned int i = 0; i + 1 < chain->num; i++) {
		const struct chain_link *link = &chain->links[i];
		const struct extent *e = extents_next(&link->pages, page);
		uint64_t from, end;

		if (!e)
			continue;
		from = e->page > page ? e->page : page;
		end = e->page + e->num;
		if (found && from >= run->page)
			continue;
		/* from there on it is a higher one's */
		if (found && end > run->page)
			end = run->page;
		*run = (struct extent){ from, end - from };
		found = link;
	}
	return found;
}

static int write_unless_zero(int fd, const uint8_t *buf, uint64_t page)
{
	if (extent_is_zero(buf))
		return 0;
	return vf_pwrite_all(fd, buf, EXTENT_PAGE, (off_t)(page * EXTENT_PAGE));
}

static int write_all_pages(const struct chain *chain, int fd, int cancel_fd)
{
	uint64_t bytes = chain_bytes(chain);
	__free uint8_t *buf = malloc(CHUNK_PAGES * EXTENT_PAGE);
	int ret = buf ? 0 : -ENOMEM;

	if (!ret && ftruncate(fd, (off_t)bytes) < 0)
		ret = -errno;
	for (uint64_t at = 0; !ret && at < bytes / EXTENT_PAGE;) {
		uint64_t n = bytes / EXTENT_PAGE - at;

		n = n < CHUNK_PAGES ? n : CHUNK_PAGES;
		ret = vf_check_cancel(cancel_fd);
		if (!ret)
			ret = chain_read(chain, at, buf, n);
		for (uint64_t i = 0; !ret && i < n; i++)
			ret = write_unless_zero(fd, buf + i * EXTENT_PAGE,
						at + i);
		at += n;
	}
	return ret;
}

int chain_merge(const struct chain *chain, int dir_fd, int cancel_fd,
		uint64_t *written, struct vf_err *err)
{
	__close int fd = openat(dir_fd, VMM_MEMORY_FILE,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st = { 0 };
	int ret;

	if (fd < 0)
		return vf_err_errno(err, errno, VMM_MEMORY_FILE);
	ret = write_all_pages(chain, fd, cancel_fd);
	if (!ret && (fsync(fd) < 0 || fstat(fd, &st) < 0))
		ret = -errno;
	if (ret < 0) {
		unlinkat(dir_fd, VMM_MEMORY_FILE, 0);
		return vf_err_errno(err, ret, VMM_MEMORY_FILE);
	}
	*written = (uint64_t)st.st_blocks * 512;
	return 0;
}
