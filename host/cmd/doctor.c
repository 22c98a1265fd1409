// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "core/accel.h"
#include "net/net.h"
#include "vmm/vmm.h"

#define KVM_PATH "/dev/kvm"

static void add(json_t *checks, const char *name, bool ok, const char *detail)
{
	json_array_append_new(checks, json_pack("{s:s,s:b,s:s}", "name", name,
						"ok", ok, "detail", detail));
}

static void check_engine(json_t *checks)
{
	char version[128];
	struct vf_err err;

	if (qemu_ops.check(version, sizeof(version), &err) < 0)
		add(checks, "qemu", false, err.msg);
	else
		add(checks, "qemu", true, version);
}

/* What pauses of running VMs depend on. */
static void check_branches(json_t *checks)
{
	struct vmm_check found[VMM_CHECKS_MAX];
	unsigned int num = vmm_check(found, ARRAY_SIZE(found));

	for (unsigned int i = 0; i < num; i++)
		add(checks, found[i].name, found[i].ok, found[i].detail);
}

static void check_kvm(json_t *checks, const struct vf_state *state)
{
	__close int fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	enum accel_verdict verdict = ACCEL_UNKNOWN;

	if (state)
		accel_choose(state, VMM_ACCEL_TCG, &verdict);
	if (fd < 0)
		add(checks, "kvm", false,
		    "not to be opened: guests run on TCG, many times slower");
	else if (verdict == ACCEL_UNUSABLE)
		add(checks, "kvm", false,
		    "opens, but a guest could not run on it: TCG is used, many "
		    "times slower");
	else if (verdict == ACCEL_USABLE)
		add(checks, "kvm", true, "a guest ran on it");
	else
		add(checks, "kvm", true,
		    "opens; whether it can run a guest, only a guest tells");
}

static void check_state(json_t *checks, const char *path)
{
	struct vf_state state;
	struct vf_err err;
	int ret = state_open(&state, path, &err);

	add(checks, "state", ret == 0, ret < 0 ? err.msg : "writable");
	check_kvm(checks, ret < 0 ? NULL : &state);
	state_close(&state);
}

/* What no verb can do without. The others name what a feature would lack. */
static bool is_essential(const char *name)
{
	static const char *const names[] = {
		"qemu",	  "state",	"networks here",	  "tun",
		"bridge", "port flags", "nftables bridge family",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

int cmd_doctor(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "CHECK", .key = "name" },
		{ .title = "OK", .key = "ok" },
		{ .title = "NEEDED", .key = "needed" },
		{ .title = "DETAIL", .key = "detail" },
	};
	const struct usage usage = {
		"",
		"Check what this machine can do. Exits with 1 if something is\n"
		"missing that is needed; without the rest some features are "
		"not\n"
		"to be had.",
		NULL,
		0,
		0,
	};
	__json json_t *checks = json_array();
	json_t *check;
	bool well = true;
	size_t i;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	check_engine(checks);
	check_state(checks, cmd->state_path);
	check_branches(checks);
	net_check(checks);
	json_array_foreach(checks, i, check) {
		bool needed = is_essential(
			json_string_value(json_object_get(check, "name")));

		json_object_set_new(check, "needed", json_boolean(needed));
		if (needed && json_is_false(json_object_get(check, "ok")))
			well = false;
	}
	ret = cmd_print_rows(cmd, checks, columns, ARRAY_SIZE(columns), err);
	if (ret < 0)
		return ret;
	return well ? CMD_EXIT_DONE : CMD_EXIT_FAILED;
}
