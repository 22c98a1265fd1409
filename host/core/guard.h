/* SPDX-License-Identifier: MIT */
/*
 * A guard over a VM that is held or paused for a snapshot: a small process that
 * resumes and releases it if the command that did so is killed. It needs neither
 * disk nor memory for that.
 */
#ifndef VF_GUARD_H
#define VF_GUARD_H

#include "core/vm.h"

struct guard {
	int fd; /* the guard waits for its end */
	pid_t pid;
};

/**
 * guard_start() - Set a guard, before the VM is held or paused
 * @guard:	out
 * @vm:		VM
 * @gpa:	its mailbox, 0: it is not held
 * @vmm:	the caller's connection to it
 * @err:	error
 *
 * Only for a single-threaded caller: the guard is a fork of it.
 *
 * Return: 0 or -errno
 */
int guard_start(struct guard *guard, const struct vm *vm, uint64_t gpa,
		struct vmm *vmm, struct vf_err *err);

/**
 * guard_stop() - Dismiss it
 * @guard:	guard
 * @done:	the VM runs again and nothing is held; if not, the guard tries
 */
void guard_stop(struct guard *guard, bool done);

#endif
