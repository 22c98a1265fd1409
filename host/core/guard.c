// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/guard.h"
#include "core/hold.h"

#define TRIES	20
#define WAIT_MS 100

/* Have the VM run, and release it if it may be held. */
static int restore(const struct vm *vm, uint64_t gpa, struct vf_err *err)
{
	struct request_to to;
	struct vmm vmm;
	int ret = vm_attach(vm, &vmm, -1, err);

	if (ret < 0)
		return ret;
	ret = vmm_revive(&vmm, err);
	disk_tidy(vm, &vmm);
	request_to_init(&to, vm, &vmm, gpa);
	if (!ret && gpa)
		ret = hold_drop(&to, err);
	vm_detach(&vmm);
	return ret;
}

static _Noreturn void guard_run(int fd, const struct vm *vm, uint64_t gpa,
				struct process *engine)
{
	struct vf_err err;
	char byte;
	ssize_t n;
	int ret = 0;

	/* a terminal's signals are for the command, not for us */
	setsid();
	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	/* a byte: dismissed. The end without one: the command was killed. */
	for (int i = 0; n != 1 && i < TRIES; i++) {
		ret = restore(vm, gpa, &err);
		if (!ret || process_wait(engine, WAIT_MS) == 0)
			_exit(0);
	}
	if (ret < 0)
		vf_log(VF_LOG_WARN, "VM %s: %s", vm->name, err.msg);
	_exit(0);
}

int guard_start(struct guard *guard, const struct vm *vm, uint64_t gpa,
		struct vmm *vmm, struct vf_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return vf_err_errno(err, errno, "guard");
	guard->pid = fork();
	if (guard->pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return vf_err_errno(err, errno, "guard");
	}
	if (guard->pid == 0) {
		const int kept[] = { fds[0], vm->run_fd, vmm->proc.pidfd };

		/* a copy of it would keep QEMU from serving anybody else */
		vmm->ops->disconnect(vmm);
		/* nor may a copy of anything keep others waiting for its end */
		process_keep_fds(kept, ARRAY_SIZE(kept));
		guard_run(fds[0], vm, gpa, &vmm->proc);
	}
	close(fds[0]);
	guard->fd = fds[1];
	return 0;
}

void guard_stop(struct guard *guard, bool done)
{
	if (done)
		(void)!write(guard->fd, "", 1);
	close(guard->fd);
	/* a guard that has work to do outlives us */
	while (done && waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
