// SPDX-License-Identifier: MIT
/* Which page is the mailbox of the VM that is snapshotted? take.h: the contract. */
#include "core/mailbox.h"
#include "core/take.h"

int take_probe(const struct take *t, uint64_t gpa,
	       struct request_answer *answer, struct vf_err *err)
{
	struct request_answer ignored;
	struct request_to to;

	request_to_init(&to, t->vm, t->vmm, gpa);
	return request_probe(&to, REQUEST_PROBE_MS, answer ? answer : &ignored,
			     err);
}

int take_find_mailbox(struct take *t, struct vf_err *err)
{
	const struct snapshot *s = t->s;
	const char *file = s->parent[0] ? SNAPSHOT_LAYER_FILE : VMM_MEMORY_FILE;
	uint64_t found[MAILBOX_CANDIDATES];
	int num = mailbox_search(s->dir_fd, file, &s->image, found, err);

	if (num < 0)
		return num;
	return request_choose(t->vm, t->vmm, found, num, &t->s->mailbox_gpa,
			      err);
}
