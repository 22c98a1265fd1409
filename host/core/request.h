/* SPDX-License-Identifier: MIT */
/*
 * Requests: what is asked of a running guest through its mailbox, and what it
 * answers. Nothing rings when it does: its memory is looked at until then.
 */
#ifndef VF_REQUEST_H
#define VF_REQUEST_H

#include "core/vm.h"

#define REQUEST_PROBE_MS 2500 /* the guest looks once a second */

/* A guest and the page through which it is asked. */
struct request_to {
	struct vmm *vmm;
	uint64_t gpa;
	/* for the hint that makes it look at once; IPv4-mapped, or :: for none */
	struct in6_addr addr;
};

/*
 * An answer. The moments are on vf_now_us()'s clock: the guest answered between
 * two looks at its memory.
 */
struct request_answer {
	uint32_t counter;    /* of the request */
	int error;	     /* errno, 0: done */
	uint64_t guest_ns;   /* its CLOCK_MONOTONIC as it answered; hostile */
	int64_t unseen_us;   /* it had not answered yet */
	int64_t answered_us; /* it had */
};

/**
 * request_to_init() - Say who is asked
 * @to:		out
 * @vm:		VM
 * @vmm:	its engine
 * @gpa:	its mailbox
 */
void request_to_init(struct request_to *to, const struct vm *vm,
		     struct vmm *vmm, uint64_t gpa);

/**
 * request_post() - Ask a guest something, and do not wait for the answer
 * @to:		guest
 * @ask:	operation and its words; the counter is set here
 * @answer:	out: for request_wait()
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if no mailbox is there, -EOPNOTSUPP if its agent
 * answers no requests
 */
int request_post(const struct request_to *to, const struct vmfork_request *ask,
		 struct request_answer *answer, struct vf_err *err);

/**
 * request_wait() - Wait for the answer
 * @to:		guest
 * @timeout_ms:	how long
 * @answer:	in: from request_post(); out: what was answered, also an errno
 * @err:	error
 *
 * Return: 0 if it answered, -ETIMEDOUT if not: its agent has gone, is stuck, or
 * has moved to another page; -ECANCELED, -errno
 */
int request_wait(const struct request_to *to, int timeout_ms,
		 struct request_answer *answer, struct vf_err *err);

/**
 * request_probe() - Ask a guest whether a page is its mailbox, and what time it is
 * @to:		guest
 * @timeout_ms:	how long to wait
 * @answer:	out
 * @err:	error
 *
 * Return: 0 if it answered, otherwise as the two above
 */
int request_probe(const struct request_to *to, int timeout_ms,
		  struct request_answer *answer, struct vf_err *err);

/**
 * request_choose() - Which of some pages is a guest's mailbox? The one that answers
 * @vm:		VM
 * @vmm:	its engine
 * @found:	pages
 * @num:	how many, at most MAILBOX_CANDIDATES
 * @gpa:	out: it
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is none to choose from, -ENOTUNIQ
 */
int request_choose(const struct vm *vm, struct vmm *vmm, const uint64_t *found,
		   int num, uint64_t *gpa, struct vf_err *err);

/**
 * request_clock() - What a guest's CLOCK_MONOTONIC was, by a recent answer
 * @answer:	answer
 * @from_us:	the moment that is asked for lies between this
 * @to_us:	and this, on vf_now_us()'s clock
 * @guest_ns:	out: its clock then, never 0
 * @error_us:	out: how far off that may be
 *
 * That the guest was held up between reading its clock and answering is not
 * accounted for: it does both within microseconds.
 *
 * Return: 0 or -ERANGE, if the guest said what cannot be
 */
int request_clock(const struct request_answer *answer, int64_t from_us,
		  int64_t to_us, uint64_t *guest_ns, int64_t *error_us);

#endif
