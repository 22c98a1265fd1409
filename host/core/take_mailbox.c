// SPDX-License-Identifier: MIT
/* Which page is the mailbox of the VM that is snapshotted? take.h: the contract. */
#include <errno.h>
#include <inttypes.h>

#include "core/mailbox.h"
#include "core/take.h"

#define NO_AGENT_HINT "is vmfork-agent running in the guest?"
#define PROBE_MS      2500 /* the guest looks once a second */

int take_probe(const struct take *t, uint64_t gpa,
	       struct request_answer *answer, struct vf_err *err)
{
	struct request_answer ignored;
	struct request_to to;

	request_to_init(&to, t->vm, t->vmm, gpa);
	return request_probe(&to, PROBE_MS, answer ? answer : &ignored, err);
}

/*
 * The page that answers is the mailbox. One that does not was left by an agent
 * that has gone: mail in it would be lost.
 */
static int choose_mailbox(struct take *t, const uint64_t *found, int num,
			  struct vf_err *err)
{
	uint64_t alive[MAILBOX_CANDIDATES];
	int num_alive = 0;

	for (int i = 0; i < num; i++)
		if (take_probe(t, found[i], NULL, err) == 0)
			alive[num_alive++] = found[i];
	if (num_alive == 1) {
		t->s->mailbox_gpa = alive[0];
		return 0;
	}
	if (num == 1) {
		vf_err_hint(err, NO_AGENT_HINT);
		return -err->num;
	}
	if (num_alive > 1)
		found = alive;
	return vf_err_set(err, ENOTUNIQ,
			  "mailbox: ambiguous: pages at 0x%" PRIx64
			  " and 0x%" PRIx64 " both claim to be it, and %s",
			  found[0], found[1],
			  num_alive ? "both answer" : "neither answers");
}

int take_find_mailbox(struct take *t, struct vf_err *err)
{
	const struct snapshot *s = t->s;
	const char *file = s->parent[0] ? SNAPSHOT_LAYER_FILE : VMM_MEMORY_FILE;
	uint64_t found[MAILBOX_CANDIDATES];
	int num = mailbox_search(s->dir_fd, file, &s->image, found, err);

	if (num < 0)
		return num;
	if (num == 0) {
		vf_err_set(err, ENOENT, "mailbox: none in the guest's memory");
		vf_err_hint(err, NO_AGENT_HINT);
		return -ENOENT;
	}
	return choose_mailbox(t, found, num, err);
}
