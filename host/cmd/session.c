// SPDX-License-Identifier: MIT
/* What verbs have in common that work on the state directory. */
#include "cmd/cmd.h"

int cmd_change(struct cmd *cmd, enum gc_effect effect, cmd_state_fn *fn,
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
	if (ret < 0)
		state_hint_room(&state, err);
	state_close(&state);
	return ret;
}

int cmd_read(struct cmd *cmd, cmd_state_fn *fn, void *ctx, struct vf_err *err)
{
	struct vf_state state;
	int ret = state_open(&state, cmd->state_path, err);

	if (!ret)
		ret = fn(cmd, &state, ctx, err);
	state_close(&state);
	return ret;
}
