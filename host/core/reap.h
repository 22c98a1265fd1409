/* SPDX-License-Identifier: MIT */
/*
 * Taking VMs away, whatever state they are in: the one undo of everything that
 * makes a VM. The order is fixed: all engines are told to end, their TAPs are
 * deleted, the engines have ended, then the leases are freed, then the run
 * directories are removed. Each step finds out for itself what there is to do, so
 * it works after a kill at any moment. An engine that does not end has no network
 * any more; it keeps its lease and its directory, and the next try ends it.
 *
 * Ending engines takes time. Meanwhile the state is not locked, but each VM bears
 * the mark of who takes it away (vm.h): to others it is neither alive nor dead. If
 * its reaper is killed it is dead, and gc's.
 */
#ifndef VF_REAP_H
#define VF_REAP_H

#include <jansson.h>

#include "core/vm.h"

/**
 * reap_vms() - Take VMs away; locks the state to mark, and to free them
 * @state:	state directory
 * @names:	array of names; one that does not exist is no error; one that
 *		another command takes away is waited for, and what bears its name
 *		by then is left alone: it is not what was meant
 * @cancel_fd:	ends that wait when readable; or -1
 * @err:	error: the first failure; the others are taken away all the same,
 *		unless it cannot be told whose they are
 *
 * Return: 0 or -errno
 */
int reap_vms(const struct vf_state *state, const json_t *names, int cancel_fd,
	     struct vf_err *err);

/**
 * reap_unkept() - reap_vms(), but for VMs that are kept
 * @state:	state directory
 * @names:	array of names; out: without those that were left alone
 * @cancel_fd:	see reap_vms()
 * @err:	error
 *
 * Also of one that another command is just keeping, which is waited for.
 *
 * Return: see reap_vms()
 */
int reap_unkept(const struct vf_state *state, json_t *names, int cancel_fd,
		struct vf_err *err);

/**
 * reap_vms_unlock() - reap_vms() for who has judged them under the lock
 * @state:	state directory
 * @names:	array of names, none of which another command takes away
 * @lock_fd:	of state_lock(); closed
 * @err:	error
 *
 * Return: 0 or -errno
 */
int reap_vms_unlock(const struct vf_state *state, const json_t *names,
		    int lock_fd, struct vf_err *err);

/**
 * reap_end() - End the engines of VMs, and what the host has for their ports
 * @state:	state directory
 * @names:	array of names, all of them marked by the caller
 * @err:	error
 *
 * Their files and leases stay.
 *
 * Return: 0 or -errno
 */
int reap_end(const struct vf_state *state, const json_t *names,
	     struct vf_err *err);

/**
 * reap_vm() - Take one VM away
 * @state:	state directory
 * @name:	its name
 * @err:	error
 *
 * Return: 0 or -errno
 */
int reap_vm(const struct vf_state *state, const char *name, struct vf_err *err);

/**
 * reap_dead() - Take a VM away if it is dead; wait if another command does
 * @state:	state directory
 * @name:	its name
 * @cancel_fd:	ends that wait when readable; or -1
 * @err:	error
 *
 * Return: 0, also if it lives, or -errno
 */
int reap_dead(const struct vf_state *state, const char *name, int cancel_fd,
	      struct vf_err *err);

/**
 * reap_create() - vm_create() that takes a dead VM of that name away first
 * @vm:		see vm_create()
 * @state:	state directory
 * @name:	name
 * @cancel_fd:	see reap_dead()
 * @err:	error
 *
 * Return: see vm_create()
 */
int reap_create(struct vm *vm, const struct vf_state *state, const char *name,
		int cancel_fd, struct vf_err *err);

#endif
