/* SPDX-License-Identifier: MIT */
/*
 * A VM and its run directory.
 *
 *	vm.json		the record below
 *	creator		who makes it, until it is made (process.h)
 *	reaper		who takes it away, while it does (process.h)
 *	kept		its user wants it to outlive its engine (keep.h)
 *	pid		its engine's process (process.h)
 *	kernel, initrd	what it boots: links to immutable files of ours, so that
 *			a reboot gets what the first boot got
 *	disks.json, diskD.L  the layers of its disks and what they stand on (disk.h)
 *	mail		its mail at boot; not if it was taken from the pool, and has
 *			no disk to boot from again
 *	record.json	a fork's timeline, as `vmfork fork --json` printed it
 *	*.sock, *.log	the engine's
 *
 * A VM is there if its directory is; it lives if its engine does, or while its
 * creator does. One whose reaper has died is dead, whatever its engine does; but
 * for one that is kept, which then is stopped.
 */
#ifndef VF_VM_H
#define VF_VM_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/disk.h"
#include "core/mailbox.h"
#include "core/nic.h"
#include "core/state.h"
#include "net/net.h"
#include "vmfork_mailbox.h"
#include "vmm/vmm.h"

#define VM_APPEND_MAX 1024
#define VM_ORIGIN_LEN 16 /* of a snapshot's id */

#define VM_RECORD_FILE	 "vm.json"
#define VM_CREATOR_FILE	 "creator"
#define VM_REAPER_FILE	 "reaper"
#define VM_KEPT_FILE	 "kept"
#define VM_KERNEL_FILE	 "kernel"
#define VM_INITRD_FILE	 "initrd"
#define VM_MAIL_FILE	 "mail"
#define VM_TIMELINE_FILE "record.json"

/* What a VM boots and runs on: goes unchanged from source to fork. */
struct vm_hardware {
	const struct vmm_ops *engine;
	struct vmm_config config;
	bool has_kernel; /* or its firmware boots the first disk */
	bool has_initrd;
	char append[VM_APPEND_MAX]; /* empty without a kernel */
};

struct vm {
	char name[VF_NAME_MAX + 1];
	int run_fd;
	struct vm_hardware hardware;
	char snapshot[VF_NAME_MAX + 1]; /* that it was forked from, or empty */
	uint8_t snapshot_id[VM_ORIGIN_LEN];
	unsigned int num_nics; /* 0: no leases yet */
	struct vm_nic nics[VM_NICS_MAX];
	uint64_t mailbox_gpa;	/* as the guest told; 0: it did not */
	struct vmm_disks disks; /* as it began: each branch adds a layer */
};

enum vm_state {
	VM_STATE_CREATING,
	VM_STATE_RUNNING, /* its engine lives */
	VM_STATE_ENDING,  /* somebody takes it away */
	VM_STATE_STOPPED, /* its engine has ended, or is to; it is kept */
	VM_STATE_DEAD,
};

/**
 * vm_check_name() - May a VM be called that?
 * @name:	name
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int vm_check_name(const char *name, struct vf_err *err);

/**
 * vm_create() - Reserve a name: make the run directory
 * @vm:		out: VM with name and run_fd, without a name after a failure;
 *		vm_close() it, also then
 * @state:	state directory
 * @name:	name
 * @err:	error
 *
 * The leftovers of a dead VM of that name have to be removed before.
 *
 * Return: 0 or -errno, -EINVAL for an invalid name, -EEXIST if it is taken
 */
int vm_create(struct vm *vm, const struct vf_state *state, const char *name,
	      struct vf_err *err);

/**
 * vm_create_locked() - vm_create() for who holds the lock of the state
 * @vm:		see vm_create()
 * @state:	state directory, locked
 * @name:	name
 * @err:	error
 *
 * Return: see vm_create()
 */
int vm_create_locked(struct vm *vm, const struct vf_state *state,
		     const char *name, struct vf_err *err);

/**
 * vm_run_open() - Open a VM's run directory, whatever stands in it
 * @state:	state directory
 * @name:	name
 *
 * Return: a descriptor, -errno, -ENOENT if there is none
 */
int vm_run_open(const struct vf_state *state, const char *name);

/**
 * vm_open() - Read a VM's record
 * @vm:		out: VM; vm_close() it, also after a failure
 * @state:	state directory
 * @name:	name
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is none
 */
int vm_open(struct vm *vm, const struct vf_state *state, const char *name,
	    struct vf_err *err);

/**
 * vm_close() - Let go of a VM; it goes on
 * @vm:		VM
 */
void vm_close(struct vm *vm);

/**
 * vm_reopen() - Have the run directory of a VM that was closed again
 * @vm:		VM that bears the caller's mark, so that nobody has taken it away;
 *		or one that is open
 * @state:	state directory
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_reopen(struct vm *vm, const struct vf_state *state, struct vf_err *err);

/**
 * vm_save() - Write the record
 * @vm:		VM
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_save(const struct vm *vm, struct vf_err *err);

/**
 * vm_created() - The VM is made: from here on it lives as long as its engine
 * @vm:		VM
 */
void vm_created(const struct vm *vm);

/**
 * vm_get_state() - Does it live?
 * @state:	state directory
 * @name:	name
 *
 * Return: VM_STATE_DEAD also if there is none
 */
enum vm_state vm_get_state(const struct vf_state *state, const char *name);

/**
 * vm_is_kept() - Is it to outlive its engine?
 * @vm:		VM, open
 *
 * Return: true if so
 */
bool vm_is_kept(const struct vm *vm);

/**
 * vm_attach() - Connect to a living VM's engine
 * @vm:		VM
 * @vmm:	out: engine; vm_detach() it
 * @cancel_fd:	see struct vmm
 * @err:	error
 *
 * Return: 0 or -errno, -ESRCH if it does not live
 */
int vm_attach(const struct vm *vm, struct vmm *vmm, int cancel_fd,
	      struct vf_err *err);

/**
 * vm_detach() - Undo vm_attach()
 * @vmm:	engine
 */
void vm_detach(struct vmm *vmm);

/**
 * vm_open_taps() - Make a VM's TAPs
 * @vm:		VM with its leases; a TAP's name is changed where the host has a
 *		link of that name
 * @fds:	in: -1 each; out: descriptors, see net_port_open();
 *		vm_close_taps() them, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_open_taps(struct vm *vm, int fds[VM_NICS_MAX], struct vf_err *err);

/**
 * vm_close_taps() - Leave TAPs to the engine, or to nobody
 * @fds:	descriptors; -1 afterwards
 */
void vm_close_taps(int fds[VM_NICS_MAX]);

/**
 * vm_spec_nics() - A VM's interfaces, for its engine
 * @vm:		VM
 * @fds:	their TAPs
 * @spec:	out: nics and num_nics
 */
void vm_spec_nics(const struct vm *vm, const int fds[VM_NICS_MAX],
		  struct vmm_spec *spec);

/**
 * vm_place_file() - Put a file that never changes into another directory of ours
 * @from_fd:	directory that has it
 * @to_fd:	directory on the same file system
 * @name:	file
 * @err:	error
 *
 * A hard link; a copy where links are refused.
 *
 * Return: 0 or -errno
 */
int vm_place_file(int from_fd, int to_fd, const char *name, struct vf_err *err);

/**
 * vm_place_boot_files() - vm_place_file() for what hardware boots
 * @hw:		hardware: says whether there is an initrd
 * @from_fd:	directory that has the files
 * @to_fd:	directory on the same file system
 * @durable:	they survive a power failure, but for their names
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_place_boot_files(const struct vm_hardware *hw, int from_fd, int to_fd,
			bool durable, struct vf_err *err);

/**
 * vm_write_mail() - Write a VM's mail at boot into its run directory
 * @vm:		VM
 * @letter:	what it is told
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_write_mail(const struct vm *vm, const struct letter *letter,
		  struct vf_err *err);

/**
 * vm_list() - The names of all VMs
 * @state:	state directory
 * @names:	out: JSON array of strings, sorted, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vm_list(const struct vf_state *state, json_t **names, struct vf_err *err);

/**
 * hardware_pack() - Hardware as JSON
 * @hw:		hardware
 *
 * Return: an object, a new reference
 */
json_t *hardware_pack(const struct vm_hardware *hw);

/**
 * hardware_unpack() - The reverse
 * @hw:		out
 * @json:	object
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int hardware_unpack(struct vm_hardware *hw, json_t *json, struct vf_err *err);

#endif
