// SPDX-License-Identifier: MIT
/* What verbs that change the state directory have in common. */
#include "cmd/cmd.h"

int cmd_change(struct cmd *cmd, enum gc_effect effect, cmd_change_fn *fn,
	       void *ctx, struct vf_err *err)
{
	struct vf_state state;
	int ret = state_open(&state, cmd->state_path, err);

	if (!ret)
		ret = gc_command_begin(&state, effect, err);
	if (!ret) {
		ret = fn(cmd, &state, ctx, err);
		gc_command_end(&state);
	}
	state_close(&state);
	return ret;
}
