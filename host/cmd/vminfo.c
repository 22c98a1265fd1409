// SPDX-License-Identifier: MIT
#include "cmd/vminfo.h"
#include "base/json.h"
#include "base/usage.h"
#include "core/nets.h"

static const char *const states[] = {
	[VM_STATE_CREATING] = "creating",
	[VM_STATE_RUNNING] = "running",
	[VM_STATE_ENDING] = "stopping",
	[VM_STATE_DEAD] = "dead",
};

/* What a fork costs: the pages of a snapshot that it looked at cost nothing. */
static void add_process(json_t *json, pid_t pid)
{
	struct usage_memory memory;

	json_object_set_new(json, "pid", json_integer(pid));
	if (usage_memory(pid, &memory) < 0)
		return;
	json_object_set_new(json, "private_bytes",
			    json_integer((json_int_t)memory.private_bytes));
	json_object_set_new(json, "shared_bytes",
			    json_integer((json_int_t)memory.shared_bytes));
}

json_t *vminfo_describe(const struct vf_state *state, const char *name,
			bool may_speak)
{
	enum vm_state vm_state = vm_get_state(state, name);
	struct process proc = { .pidfd = -1 };
	struct vf_err err;
	struct vm vm;
	__json json_t *links = NULL;
	json_t *json;

	json = json_pack("{s:s,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n}",
			 "name", name, "state", states[vm_state], "pid",
			 "snapshot", "mac", "ipv4", "ipv6", "tap",
			 "memory_bytes", "private_bytes", "shared_bytes");
	if (vm_open(&vm, state, name, &err) < 0)
		goto out;
	if (process_open(&proc, vm.run_fd) > 0)
		add_process(json, proc.pid);
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
	if (vm_state == VM_STATE_RUNNING && may_speak)
		nets_look(state, &vm);
	links = nics_describe(vm.nics, vm.num_nics);
	json_object_update(json, links);
out:
	vm_close(&vm);
	return json;
}
