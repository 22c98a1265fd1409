// SPDX-License-Identifier: MIT
#include "cmd/vminfo.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/usage.h"
#include "core/nets.h"

static const char *const states[] = {
	[VM_STATE_CREATING] = "creating", [VM_STATE_RUNNING] = "running",
	[VM_STATE_ENDING] = "stopping",	  [VM_STATE_STOPPED] = "stopped",
	[VM_STATE_DEAD] = "dead",
};

/* A VM that is being described. */
struct vminfo {
	struct vm vm;
	enum vm_state state;
	bool is_there;
	json_t *json;
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

static void add_hardware(json_t *json, const struct vm *vm)
{
	const struct vmm_config *config = &vm->hardware.config;

	json_object_set_new(json, "memory_bytes",
			    json_integer((json_int_t)config->memory_bytes));
	json_object_set_new(json, "kept", json_boolean(vm_is_kept(vm)));
	if (vm->snapshot[0])
		json_object_set_new(json, "snapshot",
				    json_string(vm->snapshot));
	json_object_set_new(json, "accel",
			    json_string(vmm_accel_name(config->accel)));
	json_object_set_new(json, "disks",
			    disk_describe(&vm->disks, vm->run_fd));
}

/* All but its interfaces; nothing stays open. */
static void begin(struct vminfo *info, const struct vf_state *state,
		  const char *name)
{
	struct process proc = { .pidfd = -1 };
	struct vf_err err;

	info->state = vm_get_state(state, name);
	info->json = json_pack("{s:s,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n}",
			       "name", name, "state", states[info->state],
			       "pid", "snapshot", "mac", "ipv4", "ipv6", "tap",
			       "memory_bytes", "private_bytes", "shared_bytes");
	info->is_there = vm_open(&info->vm, state, name, &err) == 0;
	if (info->is_there) {
		if (process_open(&proc, info->vm.run_fd) > 0)
			add_process(info->json, proc.pid);
		process_close(&proc);
		add_hardware(info->json, &info->vm);
	}
	vm_close(&info->vm);
}

/* A TAP went with its engine; what was seen on it is of no run any more. */
static void drop_taps(json_t *json)
{
	json_t *link;
	size_t i;

	json_object_set_new(json, "tap", json_null());
	json_array_foreach(json_object_get(json, "links"), i, link) {
		json_object_set_new(link, "tap", json_null());
		json_object_set_new(link, "verified", json_null());
	}
}

static json_t *end(struct vminfo *info)
{
	__json json_t *links = NULL;

	if (info->is_there) {
		links = nics_describe(info->vm.nics, info->vm.num_nics);
		if (info->state == VM_STATE_STOPPED)
			drop_taps(links);
		json_object_update(info->json, links);
	}
	return info->json;
}

json_t *vminfo_list(const struct vf_state *state, const json_t *names)
{
	size_t max = json_array_size(names) + 1, i;
	__free struct vminfo *infos = calloc(max, sizeof(*infos));
	__free struct vm **vms = calloc(max, sizeof(*vms));
	json_t *name, *list = json_array();
	unsigned int num = 0;

	if (!infos || !vms)
		return list;
	json_array_foreach(names, i, name) {
		begin(&infos[i], state, json_string_value(name));
		if (infos[i].is_there && infos[i].state == VM_STATE_RUNNING)
			vms[num++] = &infos[i].vm;
	}
	nets_look(state, vms, num);
	json_array_foreach(names, i, name)
		json_array_append_new(list, end(&infos[i]));
	return list;
}

json_t *vminfo_describe(const struct vf_state *state, const char *name,
			bool may_speak)
{
	struct vminfo info;
	struct vm *vm = &info.vm;

	begin(&info, state, name);
	if (info.is_there && info.state == VM_STATE_RUNNING && may_speak)
		nets_look(state, &vm, 1);
	return end(&info);
}

/* It runs, faster than it was to be. */
static int tell_shaping(const struct vm *vm)
{
	int ret = CMD_EXIT_DONE;

	for (unsigned int k = 0; k < vm->num_nics; k++) {
		const struct vm_nic *nic = &vm->nics[k];

		if (nic->shaping != NIC_SHAPING_FAILED)
			continue;
		vf_log(VF_LOG_ERROR, "VM %s: network %s: shaping: %s", vm->name,
		       nic->net_name, nic->shaping_why);
		ret = CMD_EXIT_PARTLY;
	}
	return ret;
}

int vminfo_booted(struct cmd *cmd, const struct vf_state *state,
		  const struct vm *vm, struct vf_err *err)
{
	__json json_t *json = NULL;
	int ret, done = tell_shaping(vm);

	if (!cmd->json) {
		printf("%s\n", vm->name);
		return done;
	}
	json = vminfo_describe(state, vm->name, true);
	ret = cmd_print_json(json, err);
	return ret < 0 ? ret : done;
}
