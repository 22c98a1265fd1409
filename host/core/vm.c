// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/files.h"
#include "base/json.h"
#include "core/vm.h"

#define CONNECT_MS 5000

int vm_check_name(const char *name, struct vf_err *err)
{
	if (vf_name_is_valid(name, VF_NAME_MAX))
		return 0;
	vf_err_set(err, EINVAL, "name '%.64s': invalid", name);
	vf_err_hint(err, VF_NAME_RULE_FMT, VF_NAME_MAX);
	return -EINVAL;
}

int vm_run_open(const struct vf_state *state, const char *name)
{
	int fd = openat(state->vms_fd, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	files_lift(&fd);
	return fd;
}

int vm_create_locked(struct vm *vm, const struct vf_state *state,
		     const char *name, struct vf_err *err)
{
	int ret;

	*vm = (struct vm){ .run_fd = -1 };
	ret = vm_check_name(name, err);
	if (ret < 0)
		return ret;
	if (mkdirat(state->vms_fd, name, 0700) < 0) {
		vf_err_errno(err, errno, "VM %s", name);
		if (err->num == EEXIST) {
			vf_err_set(err, EEXIST, "VM %s: exists", name);
			vf_err_hint(err,
				    vm_get_state(state, name) ==
						    VM_STATE_STOPPED
					    ? "it was kept: 'vmfork start %s' "
					      "boots it"
					    : "'vmfork stop %s' ends it",
				    name);
		}
		return -err->num;
	}
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->run_fd = vm_run_open(state, name);
	ret = vm->run_fd < 0 ? vf_err_errno(err, vm->run_fd, "VM %s", name)
			     : process_mark(vm->run_fd, VM_CREATOR_FILE, err);
	if (ret < 0) {
		vf_remove_tree(state->vms_fd, name);
		/* who undoes it shall not take that for its own any more */
		vm->name[0] = '\0';
	}
	return ret;
}

int vm_create(struct vm *vm, const struct vf_state *state, const char *name,
	      struct vf_err *err)
{
	__close int lock_fd = state_lock(state, err);

	*vm = (struct vm){ .run_fd = -1 };
	return lock_fd < 0 ? lock_fd : vm_create_locked(vm, state, name, err);
}

void vm_close(struct vm *vm)
{
	vf_close_fd(&vm->run_fd);
	vm->run_fd = -1;
}

int vm_reopen(struct vm *vm, const struct vf_state *state, struct vf_err *err)
{
	if (vm->run_fd >= 0)
		return 0;
	vm->run_fd = vm_run_open(state, vm->name);
	if (vm->run_fd >= 0)
		return 0;
	vf_err_errno(err, vm->run_fd, "VM %s", vm->name);
	vm->run_fd = -1;
	return -err->num;
}

json_t *hardware_pack(const struct vm_hardware *hw)
{
	const struct vmm_config *c = &hw->config;

	return json_pack("{s:s,s:s,s:s,s:i,s:I,s:b,s:s,s:b,s:b}", "engine",
			 hw->engine->name, "machine", c->machine, "accel",
			 vmm_accel_name(c->accel), "cpus", (int)c->cpus,
			 "memory_bytes", (json_int_t)c->memory_bytes, "vmclock",
			 c->has_vmclock, "append", hw->append, "kernel",
			 hw->has_kernel, "initrd", hw->has_initrd);
}

int hardware_unpack(struct vm_hardware *hw, json_t *json, struct vf_err *err)
{
	const char *engine, *machine, *accel, *append;
	json_int_t memory_bytes;
	/* records of versions that knew nothing else do not say so */
	int has_kernel = true;
	int cpus, has_vmclock, has_initrd, ret;

	ret = vf_json_unpack(json, "hardware", err,
			     "{s:s,s:s,s:s,s:i,s:I,s:b,s:s,s?b,s:b}", "engine",
			     &engine, "machine", &machine, "accel", &accel,
			     "cpus", &cpus, "memory_bytes", &memory_bytes,
			     "vmclock", &has_vmclock, "append", &append,
			     "kernel", &has_kernel, "initrd", &has_initrd);
	if (ret < 0)
		return ret;
	hw->engine = vmm_find(engine);
	if (!hw->engine || vmm_accel_parse(&hw->config.accel, accel) < 0 ||
	    cpus < 1 || memory_bytes < 1)
		return vf_err_set(err, EBADMSG, "hardware: invalid");
	snprintf(hw->config.machine, sizeof(hw->config.machine), "%s", machine);
	snprintf(hw->append, sizeof(hw->append), "%s", append);
	hw->config.cpus = (unsigned int)cpus;
	hw->config.memory_bytes = (uint64_t)memory_bytes;
	hw->config.has_vmclock = has_vmclock;
	hw->has_kernel = has_kernel;
	hw->has_initrd = has_initrd;
	return 0;
}

int vm_save(const struct vm *vm, struct vf_err *err)
{
	__json json_t *json = NULL;
	char gpa[32], id[2 * sizeof(vm->snapshot_id) + 1];

	snprintf(gpa, sizeof(gpa), "0x%" PRIx64, vm->mailbox_gpa);
	vf_hex(id, vm->snapshot_id, sizeof(vm->snapshot_id));
	json = json_pack("{s:s,s:o,s:s,s:s,s:s,s:o,s:o}", "name", vm->name,
			 "hardware", hardware_pack(&vm->hardware), "snapshot",
			 vm->snapshot, "snapshot_id", id, "mailbox_gpa", gpa,
			 "nics", nics_pack(vm->nics, vm->num_nics), "disks",
			 disk_pack(&vm->disks));
	if (!json)
		return vf_err_errno(err, ENOMEM, "VM %s", vm->name);
	return vf_json_save(vm->run_fd, VM_RECORD_FILE, json, vm_is_kept(vm),
			    err);
}

static int record_unpack(struct vm *vm, json_t *json, struct vf_err *err)
{
	const char *snapshot, *id, *gpa;
	json_t *hardware, *nics, *disks;
	int ret;

	ret = vf_json_unpack(
		json, VM_RECORD_FILE, err, "{s:o,s:s,s:s,s:s,s:o,s:o}",
		"hardware", &hardware, "snapshot", &snapshot, "snapshot_id",
		&id, "mailbox_gpa", &gpa, "nics", &nics, "disks", &disks);
	if (!ret)
		ret = hardware_unpack(&vm->hardware, hardware, err);
	if (!ret)
		ret = nics_unpack(vm->nics, &vm->num_nics, nics, err);
	if (!ret)
		ret = disk_unpack(&vm->disks, disks, err);
	if (ret < 0)
		return ret;
	if (vf_unhex(vm->snapshot_id, sizeof(vm->snapshot_id), id) < 0)
		return vf_err_set(err, EBADMSG, "snapshot_id: malformed");
	snprintf(vm->snapshot, sizeof(vm->snapshot), "%s", snapshot);
	vm->mailbox_gpa = strtoull(gpa, NULL, 16);
	return 0;
}

int vm_open(struct vm *vm, const struct vf_state *state, const char *name,
	    struct vf_err *err)
{
	__json json_t *json = NULL;
	int ret;

	*vm = (struct vm){ .run_fd = -1 };
	ret = vm_check_name(name, err);
	if (ret < 0)
		return ret;
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->run_fd = vm_run_open(state, name);
	if (vm->run_fd == -ENOENT)
		return vf_err_set(err, ENOENT, "VM %s: does not exist", name);
	if (vm->run_fd < 0)
		return vf_err_errno(err, vm->run_fd, "VM %s", name);
	ret = vf_json_load(vm->run_fd, VM_RECORD_FILE, &json, err);
	if (!ret)
		ret = record_unpack(vm, json, err);
	if (ret < 0)
		vf_err_wrap(err, "VM %s", name);
	vm->disks.is_durable = vm_is_kept(vm);
	return ret;
}

void vm_created(const struct vm *vm)
{
	unlinkat(vm->run_fd, VM_CREATOR_FILE, 0);
}

enum vm_state vm_get_state(const struct vf_state *state, const char *name)
{
	__close int run_fd = vm_run_open(state, name);
	enum vm_state result = VM_STATE_DEAD;
	struct process proc;

	if (run_fd < 0)
		return VM_STATE_DEAD;
	if (faccessat(run_fd, VM_KEPT_FILE, F_OK, 0) == 0)
		result = VM_STATE_STOPPED;
	if (process_mark_lives(run_fd, VM_CREATOR_FILE))
		return VM_STATE_CREATING;
	/* what was begun to be taken away is not a VM any more */
	if (faccessat(run_fd, VM_REAPER_FILE, F_OK, 0) == 0)
		return process_mark_lives(run_fd, VM_REAPER_FILE)
			       ? VM_STATE_ENDING
			       : result;
	/* a creator that is on record but dead left a VM half made */
	if (faccessat(run_fd, VM_CREATOR_FILE, F_OK, 0) == 0)
		return result;
	/* what cannot be told is not dead */
	if (process_open(&proc, run_fd) != 0)
		result = VM_STATE_RUNNING;
	process_close(&proc);
	return result;
}

bool vm_is_kept(const struct vm *vm)
{
	return faccessat(vm->run_fd, VM_KEPT_FILE, F_OK, 0) == 0;
}

int vm_attach(const struct vm *vm, struct vmm *vmm, int cancel_fd,
	      struct vf_err *err)
{
	int ret;

	*vmm = (struct vmm){
		.ops = vm->hardware.engine,
		.proc.pidfd = -1,
		.run_fd = vm->run_fd,
		.cancel_fd = cancel_fd,
	};
	ret = process_open(&vmm->proc, vm->run_fd);
	if (ret < 0)
		return vf_err_errno(err, ret, "VM %s: its process", vm->name);
	if (!ret) {
		vf_err_set(err, ESRCH, "VM %s: not running", vm->name);
		vf_err_hint(err, faccessat(vm->run_fd, VM_KEPT_FILE, F_OK, 0)
					 ? "'vmfork gc' removes what is left "
					   "of it"
					 : "'vmfork start' boots it again");
		return -ESRCH;
	}
	ret = vmm->ops->connect(vmm, vf_now_us() + CONNECT_MS * 1000, err);
	if (ret < 0) {
		vf_err_wrap(err, "VM %s", vm->name);
		process_close(&vmm->proc);
	}
	return ret;
}

void vm_detach(struct vmm *vmm)
{
	vmm->ops->disconnect(vmm);
	process_close(&vmm->proc);
}

int vm_open_taps(struct vm *vm, int fds[VM_NICS_MAX], struct vf_err *err)
{
	for (unsigned int k = 0; k < vm->num_nics; k++) {
		fds[k] = net_port_open(&vm->nics[k].port, err);
		if (fds[k] < 0)
			return fds[k];
		files_lift(&fds[k]);
	}
	return 0;
}

void vm_close_taps(int fds[VM_NICS_MAX])
{
	for (unsigned int k = 0; k < VM_NICS_MAX; k++)
		if (fds[k] >= 0)
			close(vf_steal_fd(&fds[k]));
}

void vm_spec_nics(const struct vm *vm, const int fds[VM_NICS_MAX],
		  struct vmm_spec *spec)
{
	spec->num_nics = vm->num_nics;
	for (unsigned int k = 0; k < vm->num_nics; k++) {
		spec->nics[k].tap_fd = fds[k];
		memcpy(spec->nics[k].mac, vm->nics[k].port.mac, 6);
	}
}

int vm_place_file(int from_fd, int to_fd, const char *name, struct vf_err *err)
{
	__close int fd = -1;

	if (linkat(from_fd, name, to_fd, name, 0) == 0)
		return 0;
	fd = openat(from_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	return vf_copy_file(fd, to_fd, name, err);
}

int vm_place_boot_files(const struct vm_hardware *hw, int from_fd, int to_fd,
			bool durable, struct vf_err *err)
{
	const char *const names[] = {
		hw->has_kernel ? VM_KERNEL_FILE : NULL,
		hw->has_initrd ? VM_INITRD_FILE : NULL,
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(names); i++) {
		if (!names[i])
			continue;
		ret = vm_place_file(from_fd, to_fd, names[i], err);
		if (!ret && durable)
			ret = vf_sync_file(to_fd, names[i], err);
	}
	return ret;
}

int vm_write_mail(const struct vm *vm, const struct letter *letter,
		  struct vf_err *err)
{
	struct vmfork_mail mail;
	int ret = letter_seal(letter, 0, &mail, err);

	if (!ret)
		ret = vf_write_file(vm->run_fd, VM_MAIL_FILE, &mail,
				    sizeof(mail), vm_is_kept(vm), err);
	return ret;
}

int vm_list(const struct vf_state *state, json_t **names, struct vf_err *err)
{
	return vf_list_dir(state->vms_fd, names, err);
}
