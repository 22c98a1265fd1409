// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/boot_start.h"
#include "core/reap.h"

static int copy_boot_file(int run_fd, const char *path, const char *what,
			  const char *name, struct vf_err *err)
{
	__close int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return vf_err_errno(err, errno, "%s %s", what, path);
	ret = vf_copy_file(fd, run_fd, name, err);
	return ret < 0 ? vf_err_wrap(err, "%s %s", what, path) : 0;
}

/*
 * A bzImage: Documentation/arch/x86/boot.rst, "header". What is none makes the
 * engine say strange things.
 */
static int check_kernel(const char *path, struct vf_err *err)
{
	__close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char magic[4];

	if (fd < 0)
		return vf_err_errno(err, errno, "kernel %s", path);
	if (vf_pread_all(fd, magic, sizeof(magic), 0x202) < 0 ||
	    memcmp(magic, "HdrS", sizeof(magic)) != 0)
		return vf_err_set(err, EINVAL,
				  "kernel %s: not a Linux kernel image", path);
	return 0;
}

static int copy_boot_files(struct boot *b, struct vf_err *err)
{
	const struct boot_request *r = b->request;
	int ret = r->kernel ? check_kernel(r->kernel, err) : 0;

	if (!ret && r->kernel)
		ret = copy_boot_file(b->vm->run_fd, r->kernel, "kernel",
				     VM_KERNEL_FILE, err);
	if (!ret && r->initrd)
		ret = copy_boot_file(b->vm->run_fd, r->initrd, "initrd",
				     VM_INITRD_FILE, err);
	return ret;
}

/* Identity on the network, on record before anything is made of it. */
static int take_identity(struct boot *b, struct vf_err *err)
{
	int ret;

	b->nets.num = b->request->num_links;
	memcpy(b->nets.link, b->request->links, sizeof(b->nets.link));
	ret = nets_open(&b->nets, b->state, err);
	if (!ret)
		ret = nets_lease(&b->nets, &b->vm, 1, err);
	if (ret < 0)
		return ret;
	ret = vm_save(b->vm, err);
	if (ret < 0)
		nets_release(&b->nets, &b->vm, 1);
	return ret;
}

/* Did the machine fail us, and not the guest? */
static bool engine_gave_up(struct boot *b)
{
	enum vmm_state vm_state;
	struct vf_err ignored;

	if (b->vmm.proc.pidfd < 0)
		return false;
	if (process_wait(&b->vmm.proc, 0) == 0)
		return true;
	return b->vmm.priv &&
	       b->vmm.ops->query(&b->vmm, &vm_state, &ignored) == 0 &&
	       vm_state == VMM_STATE_BROKEN;
}

static int boot_prepared(struct boot *b, struct vf_err *err)
{
	struct vmm_config *config = &b->vm->hardware.config;
	int ret = take_identity(b, err);

	if (!ret)
		ret = boot_write_mail(b, NULL, err);
	if (!ret)
		ret = boot_start(b, err);
	if (!boot_is_trial(b))
		return ret;
	if (b->ack_case.acked)
		accel_note(b->state, ACCEL_USABLE);
	if (ret < 0 && engine_gave_up(b)) {
		boot_stop(b);
		config->accel = VMM_ACCEL_TCG;
		ret = boot_start(b, err);
		/* what fails on both says nothing about KVM */
		if (!ret)
			accel_note(b->state, ACCEL_UNUSABLE);
	}
	return ret;
}

int boot_vm(struct vm *vm, const struct vf_state *state,
	    const struct boot_request *request, struct vf_err *err)
{
	struct boot b;
	struct vf_err ignored;
	int ret;

	boot_init(&b, vm, state, request);
	ret = reap_create(vm, state, request->name, request->cancel_fd, err);
	if (ret < 0)
		return ret;
	vm->hardware.engine = request->engine;
	vm->hardware.config = request->config;
	vm->hardware.config.accel =
		accel_choose(state, request->config.accel, &b.kvm);
	vm->hardware.has_kernel = request->kernel;
	vm->hardware.has_initrd = request->initrd;
	snprintf(vm->hardware.append, sizeof(vm->hardware.append), "%s",
		 request->append);
	ret = copy_boot_files(&b, err);
	if (!ret)
		ret = disk_make(&vm->disks, request->engine, request->disks,
				request->num_disks, vm->run_fd, err);
	if (!ret)
		ret = boot_prepared(&b, err);
	if (!ret)
		ret = boot_shape(&b, err);
	boot_exit(&b);
	if (ret < 0)
		reap_vm(state, vm->name, &ignored);
	else
		vm_created(vm);
	return ret;
}
