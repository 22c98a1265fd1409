/* SPDX-License-Identifier: MIT */
/*
 * The pool: engines started ahead, each with a snapshot loaded and paused, its
 * disks made, its leases, TAPs and ports in place. A fork takes one, tells it who
 * it is, and lets it run.
 *
 * An entry is a run directory in pool/ instead of vms/, with all the files of a
 * VM's (vm.h) and
 *
 *	label	where its engine has its mailbox, and the name and mail that it was
 *		started with, when nobody knew whose it would be
 *
 * and lives as a VM does: by its creator's mark while it is filled or taken, by
 * its engine while it waits. Taken it is by whoever marks it under the state's
 * lock; it is then renamed into vms/. So it is in one of the two at any moment,
 * and whatever is killed when, gc finds it there.
 */
#ifndef VF_READY_H
#define VF_READY_H

#include "core/snapshot.h"

#define READY_PREFIX	 "pool-"
#define READY_LABEL_FILE "label"

/**
 * ready_create() - Begin an entry
 * @vm:		out: entry, see vm_create()
 * @pool:	state_pool(), locked
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ready_create(struct vm *vm, const struct vf_state *pool,
		 struct vf_err *err);

/**
 * ready_publish() - Entries that are filled can be taken from here on
 * @pool:	state_pool()
 * @snapshot:	that they were filled from
 * @vms:	entries
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno, -ESTALE if the snapshot has gone meanwhile
 */
int ready_publish(const struct vf_state *pool, const struct snapshot *snapshot,
		  struct vm *const *vms, unsigned int num, struct vf_err *err);

/* What a fork wants of an entry. */
struct ready_wish {
	const struct snapshot *snapshot;
	const struct vm_link *links; /* one for each interface, all named */
};

/**
 * ready_claim() - Take entries out of the pool, so that nobody else gets them
 * @pool:	state_pool()
 * @wish:	what they have to be
 * @vms:	out: entries that live, each to be given to ready_move() or
 *		ready_unclaim()
 * @num:	at most so many
 * @err:	error
 *
 * Return: how many, or -errno: then none
 */
int ready_claim(const struct vf_state *pool, const struct ready_wish *wish,
		struct vm *vms, unsigned int num, struct vf_err *err);

/**
 * ready_unclaim() - Give an entry back, of which nothing was changed
 * @vm:		entry, closed then
 */
void ready_unclaim(struct vm *vm);

/**
 * ready_move() - Make an entry that was claimed a VM that is being made
 * @vm:		entry; its name changes
 * @state:	state directory
 * @name:	name of the VM
 * @err:	error
 *
 * Return: 0 or -errno, -EINVAL for an invalid name, -EEXIST if it is taken
 */
int ready_move(struct vm *vm, const struct vf_state *state, const char *name,
	       struct vf_err *err);

/**
 * ready_owner_lives() - Is a lease or a link an entry's, or of one that was taken?
 * @state:	state directory
 * @owner:	its owner
 *
 * Return: true if so, and it lives
 */
bool ready_owner_lives(const struct vf_state *state, const char *owner);

/**
 * ready_drain() - Take entries away
 * @pool:	state_pool()
 * @snapshot:	those of the snapshots of this name; NULL: all
 * @removed:	array; the name of each that has gone is appended, also on error
 * @err:	error
 *
 * Those that are being filled, taken or taken away are left.
 *
 * Return: 0 or -errno
 */
int ready_drain(const struct vf_state *pool, const char *snapshot,
		json_t *removed, struct vf_err *err);

/**
 * ready_gc() - Take away entries that are dead, or whose snapshot has gone
 * @pool:	state_pool()
 * @lock_fd:	of state_lock(); closed, before engines end
 * @removed:	array; a line of text is appended for each
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ready_gc(const struct vf_state *pool, int lock_fd, json_t *removed,
	     struct vf_err *err);

/**
 * ready_drop_orphans() - ready_gc() after snapshots were removed; takes the lock
 * @state:	state directory
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ready_drop_orphans(const struct vf_state *state, struct vf_err *err);

/**
 * ready_age_s() - How long has an entry been ready?
 * @pool:	state_pool()
 * @name:	entry
 *
 * Return: seconds, or -errno if it is not
 */
int64_t ready_age_s(const struct vf_state *pool, const char *name);

/**
 * ready_engine_name() - What an entry's engine is called until it is taken
 * @vm:		entry
 * @name:	out: as long as any VM's, so that there is room for that
 */
void ready_engine_name(const struct vm *vm, char name[VF_NAME_MAX + 1]);

/**
 * ready_write_mail() - The mail at boot of an entry: none, to be found later
 * @vm:		entry
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ready_write_mail(const struct vm *vm, struct vf_err *err);

/**
 * ready_label() - Note where an entry's engine has its name and its mail
 * @vm:		entry, its engine loaded
 * @vmm:	engine
 * @err:	error
 *
 * Return: 0 or -errno, -ENOTSUP if it does not have its mail exactly once
 */
int ready_label(const struct vm *vm, struct vmm *vmm, struct vf_err *err);

/**
 * ready_relabel() - Tell an engine whose it is, before it runs
 * @vm:		VM that was an entry
 * @vmm:	engine
 * @boot:	its mail at boot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ready_relabel(const struct vm *vm, struct vmm *vmm,
		  const struct letter *boot, struct vf_err *err);

#endif
