/* SPDX-License-Identifier: MIT */
/*
 * A guest's memory, of one page, behind an engine that can peek and poke: what
 * an agent answers to a request is laid down beforehand.
 */
#ifndef TESTS_FAKE_GUEST_H
#define TESTS_FAKE_GUEST_H

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/request.h"

#define FAKE_GPA 0x7f000

struct fake_guest {
	struct vmm vmm;
	struct request_to to;
	struct vmfork_mailbox page;
	struct vmfork_request seen[8]; /* as they stood when they were raised */
	unsigned int num_seen;
	unsigned int looks; /* how often the host looks until the answer */
	bool is_dead;	    /* it never answers */
	bool is_writing;    /* its status never stands still */
	int peek_error;	    /* the next look fails so */
	uint32_t result;    /* of the requests */
	unsigned int
		forgets;     /* if not 0, so many have that result, then none */
	uint64_t request_ns; /* of the next answer */
};

static inline int fake_peek(struct vmm *vmm, uint64_t gpa, void *buf,
			    size_t len, struct vf_err *err)
{
	struct fake_guest *guest = vmm->priv;
	struct vmfork_status *status = &guest->page.status;

	if (gpa < FAKE_GPA || gpa + len > FAKE_GPA + sizeof(guest->page))
		return vf_err_errno(err, EFAULT, "peek");
	if (guest->peek_error && gpa != FAKE_GPA) {
		int error = guest->peek_error;

		guest->peek_error = 0;
		return vf_err_errno(err, error, "peek");
	}
	if (guest->is_writing)
		status->seq |= 1;
	if (gpa != FAKE_GPA && !guest->is_dead && guest->num_seen &&
	    (!guest->looks || !--guest->looks)) {
		if (guest->forgets && guest->num_seen > guest->forgets)
			guest->result = 0;
		status->request_seen = guest->page.request.counter;
		status->request_result = guest->result;
		status->request_ns = guest->request_ns;
	}
	memcpy(buf, (uint8_t *)&guest->page + (gpa - FAKE_GPA), len);
	return 0;
}

static inline int fake_poke(struct vmm *vmm, uint64_t gpa, const void *buf,
			    size_t len, struct vf_err *err)
{
	struct fake_guest *guest = vmm->priv;
	uint32_t counter = guest->page.request.counter;

	if (gpa < FAKE_GPA + VMFORK_REQUEST_OFFSET ||
	    gpa + len > FAKE_GPA + sizeof(guest->page))
		return vf_err_errno(err, EFAULT, "poke");
	memcpy((uint8_t *)&guest->page + (gpa - FAKE_GPA), buf, len);
	if (guest->page.request.counter != counter &&
	    guest->num_seen < ARRAY_SIZE(guest->seen))
		guest->seen[guest->num_seen++] = guest->page.request;
	return 0;
}

static const struct vmm_ops fake_ops = {
	.name = "fake",
	.peek = fake_peek,
	.poke = fake_poke,
};

static inline void fake_seal(struct fake_guest *guest, uint32_t capabilities)
{
	guest->page.header = (struct vmfork_header){
		.gpa = FAKE_GPA,
		.arm_seq = 7,
		.capabilities = capabilities,
	};
	header_seal(&guest->page.header);
}

static inline void fake_init(struct fake_guest *guest, uint32_t capabilities)
{
	memset(guest, 0, sizeof(*guest));
	guest->vmm.ops = &fake_ops;
	guest->vmm.priv = guest;
	guest->vmm.cancel_fd = -1;
	guest->to.vmm = &guest->vmm;
	guest->to.gpa = FAKE_GPA;
	fake_seal(guest, capabilities);
}

#endif
