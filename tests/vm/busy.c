// SPDX-License-Identifier: MIT
/*
 * Take a branch of a VM whose memory changes more, between the look at it and
 * the pause, than there is room for, and that as often as is said:
 *
 *	busy VM SNAPSHOT MODE TIMES	print "mode=MODE pauses=N"
 *
 * What is written is what was there before, so the guest does not notice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "core/snapshot.h"

#define GROUP_PAGES 16

/* Of each group; what is new is more than the room that there is by then. */
static const uint64_t pages_written[] = { 1, 4, 14 };

static unsigned int pauses, times;

static int group_write(const struct vmm *vmm, const struct vmm_memory *memory,
		       uint64_t page, uint64_t num, struct vf_err *err)
{
	static uint8_t buf[GROUP_PAGES * EXTENT_PAGE];
	const struct vmm_patch patch = { page, num, buf };
	struct iovec local = { buf, num * EXTENT_PAGE };
	struct iovec remote = {
		(void *)(uintptr_t)(memory->hva + page * EXTENT_PAGE),
		local.iov_len,
	};

	if (process_vm_readv(vmm->proc.pid, &local, 1, &remote, 1, 0) !=
	    (ssize_t)local.iov_len)
		return vf_err_set(err, EIO, "page %lu", page);
	return vmm_memory_write(vmm, memory, &patch, 1, err);
}

static int pause_busily(struct vmm *vmm, int64_t *at_us, struct vf_err *err)
{
	struct vmm_memory memory;
	int ret = qemu_ops.pause(vmm, at_us, err);

	if (ret < 0 || pauses++ >= times)
		return ret;
	ret = qemu_ops.memory(vmm, &memory, err);
	for (uint64_t page = 0; !ret && page < memory.bytes / EXTENT_PAGE;
	     page += GROUP_PAGES)
		ret = group_write(vmm, &memory, page, pages_written[pauses - 1],
				  err);
	return ret;
}

static int take(const char *vm_name, struct snapshot_request *request,
		struct snapshot *s, struct vf_err *err)
{
	struct vmm_ops ops = qemu_ops;
	struct vf_state state;
	struct vm vm;
	int ret = state_open(&state, NULL, err);

	if (ret < 0)
		return ret;
	ret = vm_open(&vm, &state, vm_name, err);
	ops.pause = pause_busily;
	vm.hardware.engine = &ops;
	if (!ret)
		ret = snapshot_take(s, &state, &vm, request, err);
	vm_close(&vm);
	state_close(&state);
	return ret;
}

int main(int argc, char **argv)
{
	struct snapshot_request request = { .cancel_fd = -1 };
	struct snapshot s = { .dir_fd = -1 };
	struct vf_err err;
	int ret;

	times = argc == 5 ? (unsigned int)strtoul(argv[4], NULL, 10) : 0;
	if (!times || times > ARRAY_SIZE(pages_written) ||
	    snapshot_mode_parse(&request.mode, argv[3]) < 0) {
		fprintf(stderr, "usage: busy VM SNAPSHOT MODE 1...3\n");
		return 2;
	}
	request.name = argv[2];
	ret = take(argv[1], &request, &s, &err);
	if (ret < 0)
		fprintf(stderr, "vmfork: %s\n", err.msg);
	printf("mode=%s pauses=%u\n", snapshot_mode_name(s.mode), pauses);
	snapshot_close(&s);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
