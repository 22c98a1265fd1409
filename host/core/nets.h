/* SPDX-License-Identifier: MIT */
/*
 * The networks on which the VMs of one command are: the k-th interface of each
 * of them is on the k-th network. What is done with the interfaces is done
 * network by network, for all VMs at once.
 */
#ifndef VF_NETS_H
#define VF_NETS_H

#include "core/vm.h"

struct nets {
	struct net *net[VM_NICS_MAX];
	struct vm_link link[VM_NICS_MAX]; /* what is asked of each interface */
	unsigned int num;
};

/**
 * nets_open() - Open networks, each put up if it is not
 * @nets:	in: link and num, all of them with a name; out: the networks;
 *		nets_close() it, also after a failure
 * @state:	state directory
 * @err:	error
 *
 * Return: 0 or -errno, -EINVAL if one is named twice
 */
int nets_open(struct nets *nets, const struct vf_state *state,
	      struct vf_err *err);

/**
 * nets_close() - Let go of them
 * @nets:	networks
 */
void nets_close(struct nets *nets);

/**
 * nets_lease() - Give VMs their interfaces, all or none
 * @nets:	networks
 * @vms:	VMs; nics and num_nics are set, the MTU where one is asked for
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno, see net_ports_lease()
 */
int nets_lease(struct nets *nets, struct vm *const *vms, unsigned int num,
	       struct vf_err *err);

/**
 * nets_adopt() - Have VMs use interfaces that they were given before
 * @nets:	networks, those of the interfaces
 * @vm:		VM with its leases; the MTU is set where one is asked for
 * @err:	error
 *
 * Return: 0 or -errno, -EINVAL if what is asked for cannot be
 */
int nets_adopt(struct nets *nets, struct vm *vm, struct vf_err *err);

/**
 * nets_rename() - Give interfaces to VMs whose names are others by now
 * @nets:	networks
 * @vms:	VMs; the owners of their ports become their names
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno, see net_ports_rename()
 */
int nets_rename(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err);

/**
 * nets_release() - Give leases back
 * @nets:	networks
 * @vms:	VMs, whose TAPs have gone or were never made
 * @num:	how many
 */
void nets_release(struct nets *nets, struct vm *const *vms, unsigned int num);

/**
 * nets_attach() - Let the interfaces of VMs speak
 * @nets:	networks
 * @vms:	VMs whose TAPs are open
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; on failure all of them are detached
 */
int nets_attach(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err);

/**
 * nets_moments() - When the last nets_attach() did what, on all networks
 * @nets:	networks
 *
 * Return: the first of the beginnings, the last of the ends; 0: not reached
 */
struct net_moments nets_moments(const struct nets *nets);

/**
 * nets_detach() - Undo nets_attach(), as far as it goes
 * @nets:	networks
 * @vms:	VMs
 * @num:	how many
 */
void nets_detach(struct nets *nets, struct vm *const *vms, unsigned int num);

/**
 * nets_verify() - Which interfaces has the host seen speak as themselves?
 * @nets:	networks
 * @vms:	VMs; port.verified is set in each of their nics, verify_failed in
 *		those that could not be asked about
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int nets_verify(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err);

/**
 * nets_look() - See which interfaces of VMs have spoken by now
 * @state:	state directory
 * @vms:	VMs, on any networks; port.verified is set in those of their nics
 *		that have, verify_failed in those that could not be asked about
 * @num:	how many
 *
 * Each network is asked once, whatever it has of others.
 */
void nets_look(const struct vf_state *state, struct vm *const *vms,
	       unsigned int num);

/**
 * nets_gateway() - Where the acknowledgements of these VMs are awaited
 * @nets:	networks
 *
 * Return: the gateway's address on the first network, in the family in which its
 * VMs answer; IPv4 as IPv4-mapped
 */
struct in6_addr nets_gateway(const struct nets *nets);

/**
 * nets_letter() - Tell a VM of its interfaces
 * @letter:	out
 * @nets:	networks
 * @vm:		VM
 * @old_macs:	MACs that its interfaces have now; NULL: those of their ports
 * @ack_port:	see letter_init()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int nets_letter(struct letter *letter, const struct nets *nets,
		const struct vm *vm, const uint8_t (*old_macs)[6],
		uint16_t ack_port, struct vf_err *err);

#endif
