// SPDX-License-Identifier: MIT
/* From a VM that is prepared to one whose guest is armed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/boot_start.h"
#include "core/settle.h"

#define HINT_AGENT                                                 \
	"its init has to start vmfork-agent, which 'vmfork bake' " \
	"puts in; --timeout gives it more"
/* Some guests do not die of a KVM that cannot run them: they stand still. */
#define HINT_TRIAL                                                     \
	"no guest has run on this KVM yet: --accel tcg does without; " \
	"or its init does not start vmfork-agent, which 'vmfork bake' puts in"

#define READY_MS     10000 /* for the engine's control interface */
#define SLICE_MS     100
#define KVM_TRIAL_MS 15000 /* a KVM that cannot was seen to die after 8 s */

void boot_init(struct boot *b, struct vm *vm, const struct vf_state *state,
	       const struct boot_request *request)
{
	*b = (struct boot){
		.state = state,
		.request = request,
		.vm = vm,
		.desk.fd = -1,
		.vmm.proc.pidfd = -1,
		.tail.fd = -1,
	};
}

void boot_exit(struct boot *b)
{
	if (b->vmm.ops)
		b->vmm.ops->disconnect(&b->vmm);
	process_close(&b->vmm.proc);
	ack_desk_close(&b->desk);
	nets_close(&b->nets);
}

int boot_write_mail(struct boot *b, const struct identity_guest *guest,
		    struct vf_err *err)
{
	struct identity_guest *told = &b->letter.identity.guest;
	int ret = ack_desk_open(&b->desk, nets_gateway(&b->nets), 1, err);

	if (!ret)
		ret = nets_letter(&b->letter, &b->nets, b->vm, NULL,
				  b->desk.port, err);
	if (ret < 0)
		return ret;
	if (guest)
		*told = *guest;
	told->payload = NULL;
	told->payload_len = 0;
	snprintf(told->name, sizeof(told->name), "%s", b->vm->name);
	return vm_write_mail(b->vm, &b->letter, err);
}

/* @fd: out: left alone if the VM has no such file; without it, it boots otherwise */
static int open_file(int *fd, const struct vm *vm, const char *name,
		     bool has_it, struct vf_err *err)
{
	if (!has_it)
		return 0;
	*fd = openat(vm->run_fd, name, O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? vf_err_errno(err, errno, "VM %s: %s", vm->name, name)
		       : 0;
}

static int spawn(struct boot *b, const int tap_fds[VM_NICS_MAX],
		 struct vf_err *err)
{
	struct vm *vm = b->vm;
	const struct vm_hardware *hw = &vm->hardware;
	__close int kernel_fd = -1, initrd_fd = -1, mail_fd = -1;
	int ret =
		open_file(&kernel_fd, vm, VM_KERNEL_FILE, hw->has_kernel, err);
	struct vmm_config config = hw->config;
	struct vmm_spec spec;

	if (b->accel != VMM_ACCEL_AUTO)
		config.accel = b->accel;
	if (!ret)
		ret = open_file(&initrd_fd, vm, VM_INITRD_FILE, hw->has_initrd,
				err);
	if (!ret)
		ret = open_file(&mail_fd, vm, VM_MAIL_FILE, true, err);
	if (ret < 0)
		return ret;
	spec = (struct vmm_spec){
		.name = vm->name,
		.config = &config,
		.append = hw->append,
		.kernel_fd = kernel_fd,
		.initrd_fd = initrd_fd,
		.mail_fd = mail_fd,
		.disks = &vm->disks,
		.image_fd = -1,
	};

	vm_spec_nics(vm, tap_fds, &spec);
	b->vmm = (struct vmm){
		.ops = hw->engine,
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

void boot_stop(struct boot *b)
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
		if (!r->wait) {
			vf_log(VF_LOG_WARN,
			       "VM %s: not heard of in %d s: its guest may be "
			       "slow, or KVM not able to run it, which "
			       "--accel tcg does without",
			       b->vm->name, timeout_ms / 1000);
			return 0;
		}
		tail_show(&b->tail);
		vf_err_set(err, ETIMEDOUT, "VM %s: did not arm within %d s",
			   b->vm->name, timeout_ms / 1000);
		vf_err_hint(err, boot_is_trial(b) ? HINT_TRIAL : HINT_AGENT);
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

bool boot_is_trial(const struct boot *b)
{
	return b->request->config.accel == VMM_ACCEL_AUTO &&
	       b->vm->hardware.config.accel == VMM_ACCEL_KVM &&
	       b->kvm == ACCEL_UNKNOWN;
}

int boot_start(struct boot *b, struct vf_err *err)
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
	if (!ret && (b->request->wait || boot_is_trial(b))) {
		tail_open(&b->tail, b->vm->run_fd);
		ret = wait_armed(b, err);
		tail_close(&b->tail);
	}
	if (!ret)
		ret = note_armed(b, err);
	return ret;
}

int boot_shape(struct boot *b, struct vf_err *err)
{
	struct vm *vm = b->vm;
	struct vf_err ignored;

	if (!nics_are_pending(vm->nics, vm->num_nics))
		return 0;
	/* what came of it is on record; the VM is fine without */
	nics_shape(vm->nics, vm->num_nics, &ignored);
	return vm_save(vm, err);
}
