/* SPDX-License-Identifier: MIT */
/*
 * Whether this machine's KVM can run guests. /dev/kvm that opens is no proof: a
 * nested one may die within the kernel's first seconds. So a guest is the test,
 * and its verdict is kept, until the machine boots again.
 */
#ifndef VF_ACCEL_H
#define VF_ACCEL_H

#include "core/state.h"
#include "vmm/vmm.h"

enum accel_verdict {
	ACCEL_UNKNOWN, /* no guest has tried */
	ACCEL_USABLE,
	ACCEL_UNUSABLE,
};

/**
 * accel_choose() - What to run a guest on
 * @state:	state directory
 * @wanted:	what the user asked for
 * @verdict:	out: what is known about KVM
 *
 * With VMM_ACCEL_AUTO, KVM if it opens and is not known to be unusable.
 *
 * Return: never VMM_ACCEL_AUTO
 */
enum vmm_accel accel_choose(const struct vf_state *state, enum vmm_accel wanted,
			    enum accel_verdict *verdict);

/**
 * accel_note() - A guest has tried KVM
 * @state:	state directory
 * @verdict:	how it went; unusable is told to the user, once
 */
void accel_note(const struct vf_state *state, enum accel_verdict verdict);

#endif
