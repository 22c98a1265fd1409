// SPDX-License-Identifier: MIT
/*
 * Take a branch of what changed, and in the same pause save all memory; then
 * compare what the branch and all that it builds on come to with that:
 *
 *	onepause VM SNAPSHOT DIRECTORY	print "pages=N changed=N other=N"
 *
 * Other than in the whole image are none, if all is well.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/chain.h"

#define SAVE_US	    60000000
#define PIECE_PAGES 256

static int whole_fd = -1; /* directory of the whole image */

/* The VM, of which all has been taken, is to go on: not yet. */
static int save_and_resume(struct vmm *vmm, int64_t *at_us, struct vf_err *err)
{
	struct vf_err ignored;
	int ret, resume_ret;

	/* the pause before was given up for another */
	unlinkat(whole_fd, VMM_MEMORY_FILE, 0);
	ret = qemu_ops.save(vmm, whole_fd, vf_now_us() + SAVE_US, err);
	resume_ret = qemu_ops.resume(vmm, at_us, ret ? &ignored : err);
	return ret ? ret : resume_ret;
}

static int take(const struct vf_state *state, const char *vm_name,
		const char *name, struct vmm_image *whole, struct vf_err *err)
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

	ops.resume = save_and_resume;
	vm.hardware.engine = &ops;
	if (!ret)
		ret = snapshot_take(&s, state, &vm, &request, err);
	if (!ret)
		ret = qemu_ops.finish(whole_fd, &vm.hardware.config, whole,
				      err);
	snapshot_close(&s);
	vm_close(&vm);
	return ret;
}

static int compare(const struct chain *chain, const struct vmm_image *whole,
		   uint64_t *other, struct vf_err *err)
{
	static uint8_t ours[PIECE_PAGES * EXTENT_PAGE], theirs[sizeof(ours)];
	const struct snapshot *s = &chain->links[0].snapshot;
	uint64_t pages = s->hardware.config.memory_bytes / EXTENT_PAGE;
	__close int fd =
		openat(whole_fd, VMM_MEMORY_FILE, O_RDONLY | O_CLOEXEC);

	for (uint64_t at = 0; at < pages; at += PIECE_PAGES) {
		uint64_t offset = whole->regions[0].offset + at * EXTENT_PAGE;
		int ret = chain_read(chain, at, ours, PIECE_PAGES);

		if (!ret)
			ret = vf_pread_all(fd, theirs, sizeof(theirs),
					   (off_t)offset);
		if (ret < 0)
			return vf_err_errno(err, ret, "page %" PRIu64, at);
		for (size_t i = 0; i < sizeof(ours); i += EXTENT_PAGE)
			*other += memcmp(ours + i, theirs + i, EXTENT_PAGE) !=
				  0;
	}
	printf("pages=%" PRIu64 " changed=%" PRIu64 " other=%" PRIu64 "\n",
	       pages, chain->links[0].pages.pages, *other);
	return 0;
}

static int run(char **argv, uint64_t *other, struct vf_err *err)
{
	struct vmm_image whole;
	struct vf_state state;
	struct chain chain;
	int ret = state_open(&state, NULL, err);

	if (ret < 0)
		return ret;
	ret = take(&state, argv[1], argv[2], &whole, err);
	if (!ret) {
		ret = chain_open(&chain, &state, argv[2], NULL, err);
		if (!ret)
			ret = compare(&chain, &whole, other, err);
		chain_close(&chain);
	}
	state_close(&state);
	return ret;
}

int main(int argc, char **argv)
{
	struct vf_err err;
	uint64_t other = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: onepause VM SNAPSHOT DIRECTORY\n");
		return 2;
	}
	whole_fd = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (whole_fd < 0) {
		perror(argv[3]);
		return EXIT_FAILURE;
	}
	if (run(argv, &other, &err) < 0) {
		fprintf(stderr, "onepause: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	return other ? EXIT_FAILURE : EXIT_SUCCESS;
}
