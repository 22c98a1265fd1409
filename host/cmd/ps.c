// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cmd/cmd.h"
#include "cmd/vminfo.h"
#include "core/vm.h"

static const char *const states[] = {
	[VM_STATE_CREATING] = "creating",
	[VM_STATE_RUNNING] = "running",
	[VM_STATE_DEAD] = "dead",
};

/* The memory that a process shares with nobody, in bytes; 0 if unknown. */
static uint64_t private_bytes(pid_t pid)
{
	__free char *rollup = NULL;
	unsigned long long kib = 0, sum = 0;
	struct vf_err err;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	if (vf_read_file(AT_FDCWD, path, 8192, &rollup, NULL, &err) < 0)
		return 0;
	for (char *line = rollup; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "Private_Clean: %llu kB", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %llu kB", &kib) == 1)
			sum += kib;
	}
	return sum << 10;
}

json_t *vminfo_describe(const struct vf_state *state, const char *name)
{
	enum vm_state vm_state = vm_get_state(state, name);
	struct process proc = { .pidfd = -1 };
	struct vf_err err;
	struct vm vm;
	json_t *json, *port;

	json = json_pack("{s:s,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n}", "name",
			 name, "state", states[vm_state], "pid", "snapshot",
			 "mac", "ipv4", "ipv6", "tap", "memory_bytes",
			 "private_bytes");
	if (vm_open(&vm, state, name, &err) < 0)
		goto out;
	if (process_open(&proc, vm.run_fd)) {
		json_object_set_new(json, "pid", json_integer(proc.pid));
		json_object_set_new(
			json, "private_bytes",
			json_integer((json_int_t)private_bytes(proc.pid)));
	}
	process_close(&proc);
	json_object_set_new(
		json, "memory_bytes",
		json_integer((json_int_t)vm.hardware.config.memory_bytes));
	if (vm.snapshot[0])
		json_object_set_new(json, "snapshot", json_string(vm.snapshot));
	json_object_set_new(
		json, "accel",
		json_string(vmm_accel_name(vm.hardware.config.accel)));
	if (vm.net_name[0]) {
		port = net_port_save(vm.net_name, &vm.port);
		json_object_update_missing(json, port);
		json_object_update_existing(json, port);
		json_object_del(json, "owner");
		json_object_del(json, "index");
		json_decref(port);
	}
out:
	vm_close(&vm);
	return json;
}

static int list(const struct vf_state *state, json_t *rows, struct vf_err *err)
{
	__json json_t *names = NULL;
	json_t *name;
	size_t i;
	int ret = vm_list(state, &names, err);

	if (ret < 0)
		return ret;
	json_array_foreach(names, i, name) json_array_append_new(
		rows, vminfo_describe(state, json_string_value(name)));
	return 0;
}

int cmd_ps(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	static const struct column columns[] = {
		{ .title = "NAME", .key = "name" },
		{ .title = "STATE", .key = "state" },
		{ .title = "PID", .key = "pid" },
		{ .title = "SNAPSHOT", .key = "snapshot" },
		{ .title = "MAC", .key = "mac" },
		{ .title = "IPV4", .key = "ipv4" },
		{ .title = "IPV6", .key = "ipv6" },
		{ .title = "TAP", .key = "tap" },
		{ .title = "MEMORY/MIB",
		  .key = "memory_bytes",
		  .is_bytes = true },
		{ .title = "PRIVATE/MIB",
		  .key = "private_bytes",
		  .is_bytes = true },
	};
	const struct usage usage = { "", "List the VMs.", NULL, 0, 0 };
	__json json_t *rows = json_array();
	struct vf_state state;
	int ret = cmd_parse(cmd, &usage, &argc, &argv, err);

	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	ret = state_open(&state, cmd->state_path, err);
	if (!ret)
		ret = list(&state, rows, err);
	state_close(&state);
	if (ret < 0)
		return ret;
	if (cmd->json)
		return cmd_print_json(rows, err);
	cmd_print_table(rows, columns, ARRAY_SIZE(columns));
	return CMD_EXIT_DONE;
}
