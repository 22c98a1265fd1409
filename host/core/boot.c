// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/accel.h"
#include "core/ack.h"
#include "core/boot.h"
#include "core/nets.h"
#include "core/reap.h"
#include "core/settle.h"
#include "core/tail.h"

#define READY_MS     10000 /* for the engine's control interface */
#define SLICE_MS     100
#define KVM_TRIAL_MS 15000 /* a KVM that cannot was seen to die after 8 s */

/* All that one boot holds. */
struct boot {
	const struct vf_state *state;
	const struct boot_request *request;
	struct vm *vm;
	enum accel_verdict kvm;
	struct nets nets;
	struct ack_desk desk;
	struct letter letter;
	struct timeline timeline;
	struct ack_case ack_case;
	struct vmm vmm;
	struct tail tail;
};

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

static int write_mail(struct boot *b, struct vf_err *err)
{
	int ret = ack_desk_open(&b->desk, nets_gateway(&b->nets), 1, err);

	if (!ret)
		ret = nets_letter(&b->letter, &b->nets, b->vm, NULL,
				  b->desk.port, err);
	snprintf(b->letter.identity.guest.name, VMFORK_NAME_MAX + 1, "%s",
		 b->vm->name);
	if (!ret)
		ret = vm_write_mail(b->vm, &b->letter, err);
	return ret;
}

static int spawn(struct boot *b, const int tap_fds[VM_NICS_MAX],
		 struct vf_err *err)
{
	struct vm *vm = b->vm;
	__close int kernel_fd =
		openat(vm->run_fd, VM_KERNEL_FILE, O_RDONLY | O_CLOEXEC);
	__close int initrd_fd =
		openat(vm->run_fd, VM_INITRD_FILE, O_RDONLY | O_CLOEXEC);
	__close int mail_fd =
		openat(vm->run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	struct vmm_spec spec = {
		.name = vm->name,
		.config = &vm->hardware.config,
		.append = vm->hardware.append,
		.kernel_fd = kernel_fd,
		.initrd_fd = initrd_fd,
		.mail_fd = mail_fd,
		.disks = &vm->disks,
		.image_fd = -1,
	};

	vm_spec_nics(vm, tap_fds, &spec);
	b->vmm = (struct vmm){
		.ops = vm->hardware.engine,
		.proc.pidfd = -1,
		.run_fd = vm->run_fd,
		.cancel_fd = b->request->cancel_fd,
	};
	return b->vmm.ops->spawn(&b->vmm, &spec, err);
}

/* Start the engine with fresh TAPs, which go when the engine goes. */
static int start(struct boot *b, struct vf_err *err)
{
	int tap_fds[VM_NICS_MAX] = { -1, -1, -1, -1 };
	struct vm *vm = b->vm;
	int ret = vm_open_taps(vm, tap_fds, err);

	if (!ret)
		ret = vm_save(vm, err);
	if (!ret)
		ret = spawn(b, tap_fds, err);
	if (!ret)
		ret = nets_attach(&b->nets, &b->vm, 1, err);
	if (!ret)
		ret = b->vmm.ops->connect(&b->vmm,
					  vf_now_us() + READY_MS * 1000, err);
	if (!ret)
		ret = b->vmm.ops->boot(&b->vmm, err);
	vm_close_taps(tap_fds);
	return ret;
}

/* End the engine; the VM's other belongings stay. */
static void stop(struct boot *b)
{
	tail_close(&b->tail);
	if (b->vmm.ops)
		b->vmm.ops->disconnect(&b->vmm);
	process_kill(&b->vmm.proc, 0);
	process_close(&b->vmm.proc);
	nets_detach(&b->nets, &b->vm, 1);
}

/* Is the engine fine? */
static int look_after(struct boot *b, struct vf_err *err)
{
	enum vmm_state vm_state;
	int ret;

	if (process_wait(&b->vmm.proc, 0) == 0)
		return vf_err_set(err, EIO, "VM %s: its engine ended",
				  b->vm->name);
	ret = b->vmm.ops->query(&b->vmm, &vm_state, err);
	if (ret < 0)
		return ret;
	if (vm_state != VMM_STATE_BROKEN)
		return 0;
	vf_err_set(err, EIO, "VM %s: the accelerator gave up on it",
		   b->vm->name);
	vf_err_hint(err, "--accel tcg runs everywhere, many times slower");
	return -EIO;
}

/*
 * SeaBIOS has given up: boot_fail() of its src/boot.c. A guest that says the same
 * to deceive us ends its own boot.
 */
static int check_bootable(const struct boot *b, struct vf_err *err)
{
	if (b->vm->hardware.has_kernel ||
	    !tail_has(&b->tail, "No bootable device."))
		return 0;
	vf_err_set(err, ENOEXEC,
		   "VM %s: its first disk has nothing that a BIOS could boot",
		   b->vm->name);
	vf_err_hint(err, "an image for UEFI alone does not do; --kernel and "
			 "--initrd boot any disk");
	return -ENOEXEC;
}

static int wait_armed(struct boot *b, struct vf_err *err)
{
	const struct boot_request *r = b->request;
	int timeout_ms = r->wait ? r->timeout_ms : KVM_TRIAL_MS;
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	struct ack_case *c = &b->ack_case;
	int ret;

	for (;;) {
		int64_t slice_us = vf_now_us() + SLICE_MS * 1000;

		tail_read(&b->tail);

		ret = ack_desk_serve(&b->desk, c, 1, r->cancel_fd,
				     slice_us < deadline_us ? slice_us
							    : deadline_us);
		if (c->acked || ret == -ECANCELED)
			break;
		if (c->failed) {
			settle_refusal(c->ack.error, c->ack.step, c->ack.detail,
				       err);
			return vf_err_wrap(err, "VM %s", b->vm->name);
		}
		ret = look_after(b, err);
		if (!ret)
			ret = check_bootable(b, err);
		if (ret < 0)
			return ret;
		if (vf_now_us() < deadline_us)
			continue;
		if (!r->wait)
			return 0;
		tail_show(&b->tail);
		vf_err_set(err, ETIMEDOUT, "VM %s: did not arm within %d s",
			   b->vm->name, timeout_ms / 1000);
		vf_err_hint(err,
			    "its init has to start vmfork-agent, which 'vmfork "
			    "bake' puts in; --timeout gives it more");
		return -ETIMEDOUT;
	}
	if (ret == -ECANCELED)
		return vf_err_set(err, ECANCELED, "interrupted");
	return 0;
}

/*
 * The guest has said that it is armed, and where its mailbox is: believe that
 * after a look.
 */
static int note_armed(struct boot *b, struct vf_err *err)
{
	struct vmfork_mailbox page;
	int ret;

	if (!b->ack_case.acked)
		return 0;
	ret = mailbox_read(&b->vmm, b->ack_case.ack.gpa, &page, err);
	if (!ret)
		ret = nets_verify(&b->nets, &b->vm, 1, err);
	if (ret < 0)
		return ret;
	b->vm->mailbox_gpa = b->ack_case.ack.gpa;
	return vm_save(b->vm, err);
}

/* Is this guest the one that shows whether KVM works? */
static bool is_trial(const struct boot *b)
{
	return b->request->config.accel == VMM_ACCEL_AUTO &&
	       b->vm->hardware.config.accel == VMM_ACCEL_KVM &&
	       b->kvm == ACCEL_UNKNOWN;
}

static int start_and_wait(struct boot *b, struct vf_err *err)
{
	int ret;

	timeline_init(&b->timeline);
	b->ack_case = (struct ack_case){
		.letter = &b->letter,
		.from = &b->vm->nics[0].port,
		.timeline = &b->timeline,
		.waiting = true,
	};
	ret = start(b, err);
	if (!ret && (b->request->wait || is_trial(b))) {
		tail_open(&b->tail, b->vm->run_fd);
		ret = wait_armed(b, err);
		tail_close(&b->tail);
	}
	if (!ret)
		ret = note_armed(b, err);
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
		ret = write_mail(b, err);
	if (!ret)
		ret = start_and_wait(b, err);
	if (!is_trial(b))
		return ret;
	if (b->ack_case.acked)
		accel_note(b->state, ACCEL_USABLE);
	if (ret < 0 && engine_gave_up(b)) {
		stop(b);
		config->accel = VMM_ACCEL_TCG;
		ret = start_and_wait(b, err);
		/* what fails on both says nothing about KVM */
		if (!ret)
			accel_note(b->state, ACCEL_UNUSABLE);
	}
	return ret;
}

int boot_vm(struct vm *vm, const struct vf_state *state,
	    const struct boot_request *request, struct vf_err *err)
{
	struct boot b = {
		.state = state,
		.request = request,
		.vm = vm,
		.desk.fd = -1,
		.vmm.proc.pidfd = -1,
		.tail.fd = -1,
	};
	struct vf_err ignored;
	int ret;

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
	if (!ret && nics_are_pending(vm->nics, vm->num_nics)) {
		/* what came of it is on record; the VM is fine without */
		nics_shape(vm->nics, vm->num_nics, &ignored);
		ret = vm_save(vm, err);
	}
	if (b.vmm.ops)
		b.vmm.ops->disconnect(&b.vmm);
	process_close(&b.vmm.proc);
	ack_desk_close(&b.desk);
	nets_close(&b.nets);
	if (ret < 0)
		reap_vm(state, vm->name, &ignored);
	else
		vm_created(vm);
	return ret;
}
