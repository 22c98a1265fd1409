/* SPDX-License-Identifier: MIT */
#ifndef VF_VMINFO_H
#define VF_VMINFO_H

#include <jansson.h>
#include <stdbool.h>

#include "cmd/cmd.h"
#include "core/vm.h"

/**
 * vminfo_list() - VMs as their user sees them
 * @state:	state directory
 * @names:	their names
 *
 * The host is asked once for all of them what it has heard.
 *
 * Return: an array, see vminfo_describe(); a new reference
 */
json_t *vminfo_list(const struct vf_state *state, const json_t *names);

/**
 * vminfo_describe() - A VM as its user sees it
 * @state:	state directory
 * @name:	name
 * @may_speak:	its guest may have run: the host is asked what it has heard
 *
 * Return: an object (name, state, pid, snapshot, mac, ipv4, ipv6, tap,
 * memory_bytes, private_bytes, shared_bytes, …), a new reference
 */
json_t *vminfo_describe(const struct vf_state *state, const char *name,
			bool may_speak);

/**
 * vminfo_booted() - Tell of a VM that was just booted, as was asked for
 * @cmd:	command
 * @state:	state directory
 * @vm:		VM, closed or not
 * @err:	error
 *
 * Return: CMD_EXIT_DONE, CMD_EXIT_PARTLY if it is faster than it was to be, or
 * -errno
 */
int vminfo_booted(struct cmd *cmd, const struct vf_state *state,
		  const struct vm *vm, struct vf_err *err);

#endif
