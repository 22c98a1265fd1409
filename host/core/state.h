/* SPDX-License-Identifier: MIT */
/*
 * The state directory: all that vmfork knows between two commands.
 *
 *	vms/NAME/		run directory of a VM: vm.h
 *	pool/NAME/		one that waits to become a fork's: ready.h
 *	snapshots/NAME/		snapshot.h
 *	net/NAME/		net.h
 *	commands/PID		a command that changes things, while it does: gc.h
 */
#ifndef VF_STATE_H
#define VF_STATE_H

#include "base/err.h"

#define STATE_DEFAULT_PATH "/var/lib/vmfork"

struct vf_state {
	int fd;
	int vms_fd;
	int pool_fd;
	int snapshots_fd;
	int net_fd;
	int commands_fd;
};

/**
 * state_open() - Open the state directory, made if it is not there
 * @state:	out: directory; state_close() it, also after a failure
 * @path:	where; NULL: $VMFORK_STATE or STATE_DEFAULT_PATH
 * @err:	error
 *
 * Return: 0 or -errno
 */
int state_open(struct vf_state *state, const char *path, struct vf_err *err);

/**
 * state_close() - Close it
 * @state:	directory
 */
void state_close(struct vf_state *state);

/**
 * state_pool() - The same with the pool in place of the VMs
 * @state:	directory
 *
 * What is done with VMs can so be done with what waits to become one.
 *
 * Return: it; nothing to be closed
 */
struct vf_state state_pool(const struct vf_state *state);

/**
 * state_lock() - Nobody else takes anything away, or begins to make anything
 * @state:	directory
 * @err:	error
 *
 * Whoever judges that something is dead holds it from that judgement on until
 * it is gone; whoever makes something holds it until it bears a creator's mark.
 *
 * Return: a descriptor that holds the lock until it is closed, or -errno
 */
int state_lock(const struct vf_state *state, struct vf_err *err);

/**
 * state_hint_room() - Say what to do, if a failure is for want of room
 * @state:	directory, which is where it was wanted
 * @err:	error; a hint that is already there stays
 */
void state_hint_room(const struct vf_state *state, struct vf_err *err);

#endif
