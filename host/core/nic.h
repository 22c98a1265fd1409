/* SPDX-License-Identifier: MIT */
/*
 * The interfaces of a VM: what is asked of one, what it is, and both as JSON.
 * The acknowledgement comes over the first.
 */
#ifndef VF_NIC_H
#define VF_NIC_H

#include <jansson.h>

#include "mail.h"
#include "net/net.h"
#include "net/shape.h"
#include "vmm/vmm.h"

#define VM_NICS_MAX  VMM_NICS_MAX
#define NIC_MTU_MIN  68
#define NIC_MTU_MAX  1500 /* what the bridge takes */
#define NIC_MTU6_MIN 1280

/* What is asked of one interface. */
struct vm_link {
	char net_name[NET_NAME_MAX + 1]; /* empty: as it is by default */
	struct net_wish wish;
	uint32_t mtu; /* 0: as it is */
	unsigned int num_routes;
	struct identity_route routes[IDENTITY_ROUTES_MAX];
	struct shape_rates rates;
};

/* Whether an interface is as slow as it was asked to be. */
enum nic_shaping {
	NIC_SHAPING_NONE, /* nothing was asked */
	NIC_SHAPING_PENDING,
	NIC_SHAPING_APPLIED,
	NIC_SHAPING_FAILED,
	NIC_SHAPING_NUM
};

#define NIC_WHY_SIZE 160

/* One interface of a VM. */
struct vm_nic {
	char net_name[NET_NAME_MAX + 1];
	struct net_port port;
	bool verify_failed;   /* nobody knows whether it was seen */
	uint8_t guest_mac[6]; /* that it has: not its port's, if its mail was
				 not applied */
	uint32_t mtu;	      /* 0: the guest's own */
	struct shape_rates rates;
	enum nic_shaping shaping;
	char shaping_why[NIC_WHY_SIZE]; /* it failed */
};

/**
 * nics_pack() - Interfaces as JSON, for a VM's record
 * @nics:	interfaces
 * @num:	how many
 *
 * Return: an array, a new reference
 */
json_t *nics_pack(const struct vm_nic *nics, unsigned int num);

/**
 * nics_unpack() - Read what nics_pack() wrote
 * @nics:	out: VM_NICS_MAX of them
 * @num:	out: how many
 * @json:	the array
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int nics_unpack(struct vm_nic *nics, unsigned int *num, json_t *json,
		struct vf_err *err);

/**
 * nics_describe() - Interfaces as their user sees them
 * @nics:	interfaces
 * @num:	how many
 *
 * Return: an object, a new reference: network, tap, mac, ipv4 and ipv6 of the
 * first, null where there is none, and of all of them in the array "links", where
 * each has mtu, verified (null if that is not known), rate_in, rate_out (bits per
 * second, null without a limit) and shaping too. "shaping" of all is that of the
 * one which it is worst with: null, "applied", "pending" or "failed: why"
 */
json_t *nics_describe(const struct vm_nic *nics, unsigned int num);

/**
 * nics_shape() - Limit interfaces to what was asked
 * @nics:	interfaces whose TAPs are open; in: those whose shaping is pending;
 *		out: what became of it
 * @num:	how many
 * @err:	error
 *
 * Return: 0, or -errno of the first one that failed; the others are limited
 */
int nics_shape(struct vm_nic *nics, unsigned int num, struct vf_err *err);

/**
 * nics_give_up() - There is no time left to limit interfaces
 * @nics:	interfaces; those whose shaping is pending have failed
 * @num:	how many
 * @err:	out: why, if there are any
 */
void nics_give_up(struct vm_nic *nics, unsigned int num, struct vf_err *err);

/**
 * nics_are_pending() - Is there anything for nics_shape() to do?
 * @nics:	interfaces
 * @num:	how many
 *
 * Return: true if so
 */
bool nics_are_pending(const struct vm_nic *nics, unsigned int num);

/**
 * nics_verified_pack() - Did the host see all of them? As JSON
 * @nics:	interfaces
 * @num:	how many
 *
 * Return: true if each one's own MAC and address came from its port, null if the
 * host could not be asked about one
 */
json_t *nics_verified_pack(const struct vm_nic *nics, unsigned int num);

#endif
