/* SPDX-License-Identifier: MIT */
/*
 * A guard over a paused VM: a small process that resumes it if the command that
 * paused it is killed. It needs neither disk nor memory to do so.
 */
#ifndef VF_GUARD_H
#define VF_GUARD_H

#include "core/vm.h"

struct guard {
	int fd; /* the guard waits for its end */
	pid_t pid;
};

/**
 * guard_start() - Set a guard, before the VM is paused
 * @guard:	out
 * @vm:		VM
 * @vmm:	the caller's connection to it
 * @err:	error
 *
 * Only for a single-threaded caller: the guard is a fork of it.
 *
 * Return: 0 or -errno
 */
int guard_start(struct guard *guard, const struct vm *vm, struct vmm *vmm,
		struct vf_err *err);

/**
 * guard_stop() - Dismiss it
 * @guard:	guard
 * @resumed:	the VM runs again; if not, the guard goes on to try
 */
void guard_stop(struct guard *guard, bool resumed);

#endif
