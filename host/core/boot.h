/* SPDX-License-Identifier: MIT */
/* Booting a VM that has its network by mail, like any fork: a new one, or again. */
#ifndef VF_BOOT_H
#define VF_BOOT_H

#include "core/vm.h"

struct boot_request {
	const char *name;
	const char *kernel; /* path, or NULL: the first disk is booted */
	const char *initrd; /* path, or NULL */
	const char *append;
	unsigned int num_links;
	struct vm_link links[VM_NICS_MAX]; /* each with a network */
	const struct vmm_ops *engine;
	struct vmm_config config;
	unsigned int num_disks;
	struct disk_wish disks[VMM_DISKS_MAX];
	bool wait; /* until the guest is armed */
	int timeout_ms;
	int cancel_fd; /* readable when the user gives up; or -1 */
};

/**
 * boot_vm() - Boot a VM
 * @vm:		out; vm_close() it, also after a failure
 * @state:	state directory
 * @request:	what to boot
 * @err:	error
 *
 * With VMM_ACCEL_AUTO KVM is tried first, where it opens, and TCG taken if the
 * guest does not survive on it. On failure nothing is left behind.
 *
 * Return: 0 or -errno, -ETIMEDOUT if the guest did not arm in time
 */
int boot_vm(struct vm *vm, const struct vf_state *state,
	    const struct boot_request *request, struct vf_err *err);

/**
 * boot_again() - Boot a VM that was kept and is stopped, from its own disks
 * @vm:		out; vm_close() it, also after a failure
 * @state:	state directory
 * @request:	name, wait, timeout_ms, cancel_fd and config.accel, with
 *		VMM_ACCEL_AUTO as before; all else is on record
 * @err:	error
 *
 * It has the identity that it had. On failure it is stopped as before.
 *
 * Return: 0 or -errno, -ENOENT if there is none, -EBUSY if it is not stopped,
 * -ESRCH if it is dead, -ESTALE if an image was changed, -E2BIG if a disk has as
 * many layers as it may have, -ECANCELED, -ETIMEDOUT as boot_vm()
 */
int boot_again(struct vm *vm, const struct vf_state *state,
	       const struct boot_request *request, struct vf_err *err);

#endif
