// SPDX-License-Identifier: MIT
/*
 * Where a snapshot has the page of its mailbox:
 *
 *	mailpage where SNAPSHOT		print the link of its chain that has it,
 *					0 being its own files
 *	mailpage hollow VM SNAPSHOT	take a diff that has it in a hole
 *
 * A page that answers is one that changes. For a hole, what it holds in the pause
 * is written into what the VM was forked from, so that the layer does not differ
 * there: no other fork of that is to be made afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/chain.h"

static const struct vf_state *state_of_ours;
static const struct vm *vm_of_ours;

/* The memory of small guests is one piece, that begins at address 0. */
static int page_of(const struct snapshot *s, uint64_t *page, struct vf_err *err)
{
	*page = s->mailbox_gpa / EXTENT_PAGE;
	if (s->image.num_regions != 1 || s->image.regions[0].gpa != 0)
		return vf_err_set(err, ENOTSUP, "more than one region");
	return 0;
}

static unsigned int link_of(const struct chain *chain, uint64_t page)
{
	unsigned int i;

	for (i = 0; i + 1 < chain->num; i++) {
		const struct extent *e =
			extents_next(&chain->links[i].pages, page);

		if (e && e->page <= page)
			break;
	}
	return i;
}

/* In whichever of its files has the page. */
static int chain_write(const struct chain *chain, const void *data,
		       struct vf_err *err)
{
	const struct snapshot *s = &chain->links[0].snapshot;
	const char *name = SNAPSHOT_LAYER_FILE;
	__close int fd = -1;
	uint64_t page, offset = 0;
	int ret = page_of(s, &page, err);

	if (ret < 0)
		return ret;
	s = &chain->links[link_of(chain, page)].snapshot;
	if (!s->parent[0]) {
		name = VMM_MEMORY_FILE;
		offset = s->image.regions[0].offset;
	}
	fd = openat(s->dir_fd, name, O_WRONLY | O_CLOEXEC);
	ret = fd < 0 ? -errno
		     : vf_pwrite_all(fd, data, EXTENT_PAGE,
				     (off_t)(offset + page * EXTENT_PAGE));
	return ret < 0 ? vf_err_errno(err, ret, "%s", name) : 0;
}

/* Everything has been copied, and the guest does not run yet. */
static int resume_hollow(struct vmm *vmm, int64_t *at_us, struct vf_err *err)
{
	uint8_t page[EXTENT_PAGE];
	struct chain chain;
	struct vf_err why;
	int resume_ret;
	int ret = chain_open(&chain, state_of_ours, vm_of_ours->snapshot,
			     vm_of_ours->snapshot_id, err);

	if (!ret)
		ret = qemu_ops.peek(vmm, vm_of_ours->mailbox_gpa, page,
				    sizeof(page), err);
	if (!ret)
		ret = chain_write(&chain, page, err);
	chain_close(&chain);
	resume_ret = qemu_ops.resume(vmm, at_us, ret ? &why : err);
	return ret ? ret : resume_ret;
}

static int hollow(const struct vf_state *state, const char *vm_name,
		  const char *name, struct vf_err *err)
{
	const struct snapshot_request request = {
		.name = name,
		.mode = SNAPSHOT_MODE_DIFF,
		.cancel_fd = -1,
	};
	struct vmm_ops ops = qemu_ops;
	struct snapshot s = { .dir_fd = -1 };
	struct vm vm;
	int ret = vm_open(&vm, state, vm_name, err);

	ops.resume = resume_hollow;
	vm.hardware.engine = &ops;
	state_of_ours = state;
	vm_of_ours = &vm;
	if (!ret)
		ret = snapshot_take(&s, state, &vm, &request, err);
	snapshot_close(&s);
	vm_close(&vm);
	return ret;
}

static int where(const struct vf_state *state, const char *name,
		 struct vf_err *err)
{
	struct chain chain;
	uint64_t page;
	int ret = chain_open(&chain, state, name, NULL, err);

	if (!ret)
		ret = page_of(&chain.links[0].snapshot, &page, err);
	if (!ret)
		printf("%u\n", link_of(&chain, page));
	chain_close(&chain);
	return ret;
}

int main(int argc, char **argv)
{
	struct vf_state state;
	struct vf_err err;
	int ret;

	if (!(argc == 3 && !strcmp(argv[1], "where")) &&
	    !(argc == 4 && !strcmp(argv[1], "hollow"))) {
		fprintf(stderr, "usage: mailpage where SNAPSHOT | "
				"hollow VM SNAPSHOT\n");
		return 2;
	}
	ret = state_open(&state, NULL, &err);
	if (!ret) {
		ret = argc == 3 ? where(&state, argv[2], &err)
				: hollow(&state, argv[2], argv[3], &err);
		state_close(&state);
	}
	if (ret < 0)
		fprintf(stderr, "mailpage: %s\n", err.msg);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
