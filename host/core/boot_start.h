/* SPDX-License-Identifier: MIT */
/* What booting a new VM and one that was kept have in common; boot.h's own. */
#ifndef VF_BOOT_START_H
#define VF_BOOT_START_H

#include "core/accel.h"
#include "core/ack.h"
#include "core/boot.h"
#include "core/nets.h"
#include "core/tail.h"

/* All that one boot holds. */
struct boot {
	const struct vf_state *state;
	const struct boot_request *request;
	struct vm *vm;
	enum accel_verdict kvm;
	enum vmm_accel accel; /* VMM_ACCEL_AUTO: what is on record */
	struct nets nets;
	struct ack_desk desk;
	struct letter letter;
	struct timeline timeline;
	struct ack_case ack_case;
	struct vmm vmm;
	struct tail tail;
};

/**
 * boot_init() - Begin
 * @b:		out; boot_exit() it
 * @vm:		VM
 * @state:	state directory
 * @request:	what is wanted
 */
void boot_init(struct boot *b, struct vm *vm, const struct vf_state *state,
	       const struct boot_request *request);

/**
 * boot_exit() - Let go of everything; the VM goes on
 * @b:		boot
 */
void boot_exit(struct boot *b);

/**
 * boot_write_mail() - Write the VM's mail at boot, and listen for what it answers
 * @b:		boot, with its networks and leases
 * @guest:	what it is told beside those, but for its name and a payload; or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int boot_write_mail(struct boot *b, const struct identity_guest *guest,
		    struct vf_err *err);

/**
 * boot_start() - Start the engine and wait until the guest is armed, if wanted
 * @b:		boot: the VM has its leases, files, disks and mail at boot
 * @err:	error
 *
 * Return: 0 or -errno; boot_stop() it then
 */
int boot_start(struct boot *b, struct vf_err *err);

/**
 * boot_stop() - End the engine; the VM's other belongings stay
 * @b:		boot
 */
void boot_stop(struct boot *b);

/**
 * boot_is_trial() - Is this guest the one that shows whether KVM works?
 * @b:		boot
 *
 * Return: true if so
 */
bool boot_is_trial(const struct boot *b);

/**
 * boot_shape() - Limit its interfaces, where that was asked for
 * @b:		boot, started
 * @err:	error
 *
 * Return: 0, also if one could not be limited, or -errno
 */
int boot_shape(struct boot *b, struct vf_err *err);

#endif
