/* SPDX-License-Identifier: MIT */
/*
 * VMs that are kept: with VM_KEPT_FILE in its run directory, one whose engine has
 * ended is not dead but stopped. It keeps its disks, leases and name, and can be
 * booted again; only stop by name, without --keep, takes it away.
 *
 * The mark comes before the engine ends and stays for good, so a VM that is kept
 * is never taken for dead, wherever a command was killed. What such a command
 * leaves (an engine, rules of its ports, marks) is loose: gc, or who starts or
 * stops it next, takes that away first.
 */
#ifndef VF_KEEP_H
#define VF_KEEP_H

#include "core/vm.h"

/* How a VM is to be stopped. */
struct keep_request {
	bool quiesce; /* the guest writes down what it has in memory */
	unsigned int timeout_ms; /* for that */
	int cancel_fd;		 /* readable when the user gives up; or -1 */
};

/**
 * keep_check() - Can a VM be kept?
 * @state:	state directory
 * @name:	its name
 * @err:	error
 *
 * Return: 0 or -errno: -ENOENT, -EBUSY if it is being made, -ESRCH if it is dead,
 * -ENOTSUP if it has no disk
 */
int keep_check(const struct vf_state *state, const char *name,
	       struct vf_err *err);

/**
 * keep_stop() - End a VM's engine, keep the rest, durably
 * @state:	state directory
 * @name:	one of which keep_check() said that it can be
 * @request:	how
 * @err:	error
 *
 * Its guest freezes its file systems, which are then as after a clean shutdown;
 * to its programs it is a power cut. One that is stopped already stays so. On
 * failure it goes on, or gc finds it.
 *
 * Return: 0 or -errno as keep_check()'s, -ENOTSUP also if its guest is not known
 * to have an agent, -EREMOTEIO if that could not, -ETIMEDOUT, -ECANCELED
 */
int keep_stop(const struct vf_state *state, const char *name,
	      const struct keep_request *request, struct vf_err *err);

/**
 * keep_claim() - Have a stopped VM for oneself, as if one made it
 * @vm:		out; vm_close() it, also after a failure
 * @state:	state directory
 * @name:	its name
 * @cancel_fd:	readable when the user gives up; or -1
 * @err:	error
 *
 * vm_created() it once it runs, keep_unclaim() it if it does not. If the caller
 * is killed it is stopped again.
 *
 * Return: 0 or -errno, -ENOENT if there is none, -ESRCH if it is dead, -EBUSY if
 * it runs or another command is at work on it, -ECANCELED, -ENOSPC
 */
int keep_claim(struct vm *vm, const struct vf_state *state, const char *name,
	       int cancel_fd, struct vf_err *err);

/**
 * keep_unclaim() - It is stopped, as before
 * @vm:		VM of keep_claim(), whose engine has ended
 */
void keep_unclaim(const struct vm *vm);

/**
 * keep_is_loose() - Is it stopped, but something of its last run left?
 * @state:	state directory
 * @name:	its name
 *
 * Return: true if so
 */
bool keep_is_loose(const struct vf_state *state, const char *name);

/**
 * keep_tidy() - Take away what is left of the last run of VMs
 * @state:	state directory
 * @names:	array of names, all of them loose
 * @lock_fd:	of state_lock(), under which that was seen; closed
 * @err:	error
 *
 * Return: 0 or -errno
 */
int keep_tidy(const struct vf_state *state, const json_t *names, int lock_fd,
	      struct vf_err *err);

#endif
