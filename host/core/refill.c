// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/gc.h"
#include "core/refill.h"

int refill_now(struct fork_result *result, const struct vf_state *state,
	       const struct snapshot *snapshot, const struct refill *refill,
	       int cancel_fd, struct vf_err *err)
{
	const struct vf_state pool = state_pool(state);
	struct fork_request request = {
		.num = refill->num,
		.wait = FORK_WAIT_NONE,
		.ahead = true,
		.cancel_fd = cancel_fd,
		.num_links = refill->num_links,
	};

	memcpy(request.links, refill->links, sizeof(request.links));
	/* an entry has no rates: who takes it may ask for others, or for none */
	for (unsigned int k = 0; k < request.num_links; k++)
		request.links[k].rates = (struct shape_rates){ 0 };
	return fork_snapshot(result, &pool, snapshot, &request, err);
}

static _Noreturn void run(const struct vf_state *state,
			  const struct refill *refill, int cancel_fd)
{
	struct snapshot snapshot = { .dir_fd = -1 };
	struct fork_result result = { 0 };
	struct vf_err err;
	int ret;

	process_detach();
	ret = gc_command_begin(state, GC_MAKES, &err);
	if (!ret)
		ret = snapshot_open(&snapshot, state, refill->snapshot, &err);
	/* another may be called so by now */
	if (!ret &&
	    !memcmp(snapshot.id, refill->snapshot_id, sizeof(snapshot.id)))
		refill_now(&result, state, &snapshot, refill, cancel_fd, &err);
	fork_result_exit(&result);
	snapshot_close(&snapshot);
	gc_command_end(state);
	_exit(0);
}

int refill_detached(const struct vf_state *state, const struct refill *refill,
		    int cancel_fd, struct vf_err *err)
{
	pid_t pid = fork();

	if (pid == 0)
		run(state, refill, cancel_fd);
	return pid < 0 ? vf_err_errno(err, errno, "refill") : 0;
}
