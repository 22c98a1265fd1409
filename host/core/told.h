/* SPDX-License-Identifier: MIT */
/*
 * What forks are told beside their network: what the user wants, and what each
 * of them gets of it. Name, parent and random numbers are always told.
 */
#ifndef VF_TOLD_H
#define VF_TOLD_H

#include "core/mailbox.h"
#include "core/payload.h"

/* What the user wants. Zero is what is told if nobody asks for anything. */
struct told {
	const char *hostname; /* "{name}" in it is the name; NULL: just that */
	bool no_hostname;
	bool keep_machine_id;
	bool no_clock;
	const char *payload; /* file, for all; or NULL */
	const char
		*payload_dir; /* of a file for each, named as it is; or NULL */
	struct identity_guest all; /* the same for all: DNS, TCP, hooks */
};

/**
 * told_guest() - What one fork is told
 * @told:		what the user wants
 * @guest:		out, but for the payload
 * @name:		the fork's
 * @parent:		the snapshot's
 * @monotonic_ns:	the guest's clock in the snapshot, 0 if unknown
 * @err:		error
 *
 * An underscore, which names of VMs may have and those of hosts may not, becomes
 * a hyphen in the host name.
 *
 * Return: 0 or -errno, -EINVAL for a template that holds other braces than
 * those of {name}
 */
int told_guest(const struct told *told, struct identity_guest *guest,
	       const char *name, const char *parent, uint64_t monotonic_ns,
	       struct vf_err *err);

/**
 * told_check() - Could a guest take that?
 * @told:	what the user wants
 * @err:	error
 *
 * Return: 0 or -errno, the error being one line that names the attribute
 */
int told_check(const struct told *told, struct vf_err *err);

/**
 * told_at_boot() - Leave out what is of one moment, or about what was before
 * @guest:	what a fork is told; out: what it is told when it reboots
 */
void told_at_boot(struct identity_guest *guest);

/* The payloads of some forks: none, one for all, or one for each. */
struct told_payloads {
	struct payload *items;
	unsigned int num;
};

/**
 * told_payloads_init() - Read the payloads of forks
 * @payloads:		out; told_payloads_exit() it, also after a failure
 * @told:		what the user wants
 * @names:		of the forks
 * @num:		how many
 * @cancel_fd:		readable when the user gives up; or -1
 * @deadline_us:	on vf_now_us()'s clock
 * @err:		error
 *
 * Return: 0 or -errno
 */
int told_payloads_init(struct told_payloads *payloads, const struct told *told,
		       const char *const *names, unsigned int num,
		       int cancel_fd, int64_t deadline_us, struct vf_err *err);

/**
 * told_payloads_give() - Put a fork's payload into what it is told
 * @payloads:	payloads, which have to stay
 * @index:	of the fork
 * @guest:	what it is told
 */
void told_payloads_give(const struct told_payloads *payloads,
			unsigned int index, struct identity_guest *guest);

/**
 * told_payloads_exit() - Wipe and free them
 * @payloads:	payloads
 */
void told_payloads_exit(struct told_payloads *payloads);

#endif
