// SPDX-License-Identifier: MIT
/*
 * Make the agent of a running VM one that does not know how to spin for a
 * snapshot, as far as its page tells: an older one says so in no other way.
 *
 *	older VM
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "core/mailbox.h"
#include "core/vm.h"

/* The header's writer stands still meanwhile. */
static int age(struct vmm *vmm, uint64_t gpa, struct vf_err *err)
{
	struct vmfork_mailbox page;
	struct vf_err ignored;
	int64_t at_us;
	int ret = vmm->ops->pause(vmm, &at_us, err);

	if (!ret)
		ret = mailbox_read(vmm, gpa, &page, err);
	if (!ret) {
		page.header.capabilities &= ~VMFORK_CAP_ARM;
		header_seal(&page.header);
		ret = vmm->ops->poke(vmm, gpa, &page.header,
				     sizeof(page.header), err);
	}
	if (vmm->ops->resume(vmm, &at_us, ret ? &ignored : err) < 0)
		return ret ? ret : -err->num;
	return ret;
}

static int run(const char *name, struct vf_err *err)
{
	struct vm vm = { .run_fd = -1 };
	struct vf_state state;
	struct vmm vmm;
	int ret = state_open(&state, NULL, err);

	if (!ret)
		ret = vm_open(&vm, &state, name, err);
	if (!ret)
		ret = vm_attach(&vm, &vmm, -1, err);
	if (!ret) {
		ret = age(&vmm, vm.mailbox_gpa, err);
		vm_detach(&vmm);
	}
	vm_close(&vm);
	state_close(&state);
	return ret;
}

int main(int argc, char **argv)
{
	struct vf_err err;

	if (argc != 2) {
		fprintf(stderr, "usage: older VM\n");
		return EXIT_FAILURE;
	}
	if (run(argv[1], &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "older: %s\n", err.msg);
	return EXIT_FAILURE;
}
