// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/json.h"
#include "cmd/vminfo.h"
#include "core/nets.h"

static const char *const states[] = {
	[VM_STATE_CREATING] = "creating",
	[VM_STATE_RUNNING] = "running",
	[VM_STATE_DEAD] = "dead",
};

/*
 * The memory that a process shares with nobody, in bytes; 0 if unknown. Pages of
 * a snapshot that it alone has looked at are the page cache's, not its own.
 */
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
		if (sscanf(line, "Anonymous: %llu kB", &kib) == 1 ||
		    sscanf(line, "Swap: %llu kB", &kib) == 1)
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
	__json json_t *links = NULL;
	json_t *json;

	json = json_pack("{s:s,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n}", "name",
			 name, "state", states[vm_state], "pid", "snapshot",
			 "mac", "ipv4", "ipv6", "tap", "memory_bytes",
			 "private_bytes");
	if (vm_open(&vm, state, name, &err) < 0)
		goto out;
	if (process_open(&proc, vm.run_fd) > 0) {
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
	json_object_set_new(json, "disks", disk_describe(&vm.disks, vm.run_fd));
	if (vm_state == VM_STATE_RUNNING)
		nets_look(state, &vm);
	links = nics_describe(vm.nics, vm.num_nics);
	json_object_update(json, links);
out:
	vm_close(&vm);
	return json;
}
