// SPDX-License-Identifier: MIT
#include "cmd/cmd.h"
#include "cmd/vminfo.h"
#include "core/boot.h"

#define TIMEOUT_S     60
#define TIMEOUT_MAX_S 86400

static int start(struct cmd *cmd, const struct vf_state *state, void *ctx,
		 struct vf_err *err)
{
	struct vm vm;
	int ret = boot_again(&vm, state, ctx, err);

	vm_close(&vm);
	return ret < 0 ? ret : vminfo_booted(cmd, state, &vm, err);
}

int cmd_start(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct boot_request r = { .wait = true, .cancel_fd = cmd->cancel_fd };
	unsigned int timeout_s = TIMEOUT_S;
	const char *accel = NULL;
	const struct opt opts[] = {
		{ "accel", 0, OPT_STRING, &accel, "NAME",
		  "kvm or tcg (what it ran on)" },
		{ "no-wait", 0, OPT_NEGATE, &r.wait, NULL,
		  "return at once, not when the guest is armed" },
		{ "timeout", 't', OPT_UINT, &timeout_s, "SECONDS",
		  "how long to wait for that (60)" },
		{ 0 },
	};
	const struct usage usage = {
		"VM",
		"Boot a VM that 'vmfork stop --keep' kept, from its own disks, "
		"as itself.",
		opts,
		1,
		1,
	};
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	if (accel && (vmm_accel_parse(&r.config.accel, accel) < 0 ||
		      r.config.accel == VMM_ACCEL_AUTO))
		return cmd_usage_error(
			cmd, err, "--accel '%s': neither kvm nor tcg", accel);
	r.name = argv[0];
	r.timeout_ms =
		(int)(timeout_s < TIMEOUT_MAX_S ? timeout_s : TIMEOUT_MAX_S) *
		1000;
	return cmd_change(cmd, GC_MAKES, start, &r, err);
}
