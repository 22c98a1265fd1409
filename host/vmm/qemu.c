// SPDX-License-Identifier: MIT
/* The QEMU engine: the distribution's own QEMU, driven over QMP. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/unix.h"
#include "vmm/qemu.h"
#include "vmm/qmp.h"

#define COMMAND_MS 5000 /* a command that QEMU answers at once */
#define RETRY_US   200
#define LOG_TAIL   200

#define INSTALL_HINT "install qemu-system-x86, or set VMFORK_QEMU"

int64_t qemu_soon(void)
{
	return vf_now_us() + COMMAND_MS * 1000;
}

struct qmp *qemu_client(struct vmm *vmm)
{
	struct qemu *qemu = vmm->priv;

	qemu->qmp.cancel_fd = vmm->cancel_fd;
	return &qemu->qmp;
}

static int qemu_check(char *version, size_t size, struct vf_err *err)
{
	char *argv[] = { (char *)qemu_program(), "--version", NULL };
	unsigned int major;
	int ret;

	ret = process_output(argv, version, size, COMMAND_MS, err);
	if (ret < 0) {
		vf_err_hint(err, INSTALL_HINT);
		return ret;
	}
	version[strcspn(version, "\n")] = '\0';
	if (sscanf(version, "QEMU emulator version %u", &major) != 1) {
		vf_err_set(err, EINVAL, "%s: not a QEMU", qemu_program());
		vf_err_hint(err, INSTALL_HINT);
		return -EINVAL;
	}
	if (major < QEMU_VERSION_NEEDED) {
		vf_err_set(err, EPROTONOSUPPORT,
			   "%s: too old: %s, but %d.0 is needed",
			   qemu_program(), version, QEMU_VERSION_NEEDED);
		vf_err_hint(err, "install it from the distribution's "
				 "backports, or set VMFORK_QEMU");
		return -EPROTONOSUPPORT;
	}
	return 0;
}

static char *last_line(char *text)
{
	char *end = strrchr(text, '\n');

	return end ? end + 1 : text;
}

/*
 * QEMU ended when it should not have. Its last words are the reason; but if it
 * is too old, that is the better one.
 */
static int qemu_died(struct vmm *vmm, struct vf_err *err)
{
	__free char *log = NULL;
	char version[128], *line, *end;
	struct vf_err ignored;
	size_t len;

	if (qemu_check(version, sizeof(version), &ignored) < 0) {
		*err = ignored;
		return -err->num;
	}
	if (vf_read_file(vmm->run_fd, VMM_ENGINE_LOG, 1 << 20, &log, &len,
			 &ignored) < 0 ||
	    !len)
		return vf_err_set(err, ECONNRESET, "QEMU ended without a word");
	for (end = log + len; end > log && end[-1] == '\n';)
		*--end = '\0';
	line = last_line(log);
	/* advice, on how to use it by hand */
	if (line > log && !strncmp(line, "Use -", 5)) {
		line[-1] = '\0';
		line = last_line(log);
	}
	vf_err_set(err, ECONNRESET, "QEMU ended: %.*s", LOG_TAIL,
		   vf_ascii(line));
	if (strstr(line, "unsupported machine type"))
		vf_err_hint(err, "the snapshot is of a newer QEMU: run that, "
				 "or take it anew");
	else if (strstr(line, "load of migration failed"))
		vf_err_hint(err, "the snapshot is of another QEMU, or of "
				 "another machine's processor: take it anew");
	return -ECONNRESET;
}

static int qemu_spawn(struct vmm *vmm, const struct vmm_spec *spec,
		      struct vf_err *err)
{
	__close int qmp_fd = -1, console_fd = -1, memory_fd = -1;
	struct qemu_args args;
	int ret;

	/* listening before QEMU starts: a connect waits for it, nothing polls */
	qmp_fd = vf_unix_listen(vmm->run_fd, QEMU_QMP_SOCKET);
	if (qmp_fd < 0)
		return vf_err_errno(err, qmp_fd, QEMU_QMP_SOCKET);
	console_fd = vf_unix_listen(vmm->run_fd, VMM_CONSOLE_SOCKET);
	if (console_fd < 0)
		return vf_err_errno(err, console_fd, VMM_CONSOLE_SOCKET);
	if (spec->image) {
		memory_fd = openat(spec->image_fd, VMM_MEMORY_FILE,
				   O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (memory_fd < 0)
			return vf_err_errno(err, errno, VMM_MEMORY_FILE);
	}

	ret = qemu_args_init(&args, spec, vmm->run_fd, qmp_fd, console_fd,
			     memory_fd);
	if (!ret)
		ret = process_spawn(&vmm->proc, vmm->run_fd, VMM_ENGINE_LOG,
				    args.argv, args.fds, args.num_fds, err);
	else
		vf_err_errno(err, ret, "QEMU's command line");
	qemu_args_exit(&args);
	if (ret == -ENOENT || ret == -EACCES)
		vf_err_hint(err, INSTALL_HINT);
	return ret;
}

static void qemu_disconnect(struct vmm *vmm)
{
	struct qemu *qemu = vmm->priv;

	if (qemu)
		qmp_close(&qemu->qmp);
	free(qemu);
	vmm->priv = NULL;
}

static int qemu_connect(struct vmm *vmm, int64_t deadline_us,
			struct vf_err *err)
{
	struct qemu *qemu = calloc(1, sizeof(*qemu));
	int ret;

	if (!qemu)
		return vf_err_errno(err, ENOMEM, "QMP");
	vmm->priv = qemu;
	ret = qmp_open(&qemu->qmp, vmm->run_fd, QEMU_QMP_SOCKET, vmm->cancel_fd,
		       deadline_us, err);
	if (ret < 0 && process_wait(&vmm->proc, 100) == 0)
		ret = qemu_died(vmm, err);
	if (ret < 0)
		qemu_disconnect(vmm);
	return ret;
}

static int qemu_query(struct vmm *vmm, enum vmm_state *state,
		      struct vf_err *err)
{
	__json json_t *result = NULL;
	const char *status;
	int ret = qmp_execute(qemu_client(vmm), "query-status", NULL, &result,
			      qemu_soon(), err);

	if (ret < 0)
		return ret;
	status = json_string_value(json_object_get(result, "status"));
	if (!status)
		return vf_err_set(err, EBADMSG, "query-status: no status");
	if (!strcmp(status, "running"))
		*state = VMM_STATE_RUNNING;
	else if (!strcmp(status, "inmigrate"))
		*state = VMM_STATE_LOADING;
	else if (!strcmp(status, "io-error"))
		*state = VMM_STATE_STARVED;
	else if (!strcmp(status, "internal-error"))
		*state = VMM_STATE_BROKEN;
	else
		*state = VMM_STATE_PAUSED;
	return 0;
}

static int qemu_load(struct vmm *vmm, int image_fd, int64_t deadline_us,
		     struct vf_err *err)
{
	json_t *from = qemu_channel(image_fd, VMM_STATE_FILE);
	struct qmp *qmp = qemu_client(vmm);
	enum vmm_state state;
	int ret;

	if (!from)
		return vf_err_errno(err, EBADF, VMM_STATE_FILE);
	/*
	 * QEMU, and the guest's driver at its behest, would announce a VM that
	 * was moved: here, a copy with its parent's addresses.
	 */
	const struct qmp_command commands[] = {
		qemu_capability("events", true),
		{ "migrate-set-parameters",
		  json_pack("{s:i}", "announce-rounds", 0) },
		{ "migrate-incoming", from },
	};
	ret = qmp_execute_all(qmp, commands, ARRAY_SIZE(commands), qemu_soon(),
			      err);
	if (!ret)
		ret = qemu_migration_wait(qmp, deadline_us, err);
	/* the answer says that it began, the event that it ended; this, how */
	if (!ret)
		ret = qemu_query(vmm, &state, err);
	if (!ret && state != VMM_STATE_PAUSED)
		return vf_err_set(err, EIO, "not paused after loading");
	if (!ret)
		ret = qemu_vmclock_raise(vmm, err);
	if (ret < 0 && process_wait(&vmm->proc, 100) == 0)
		return qemu_died(vmm, err);
	return ret;
}

static int run_command(struct vmm *vmm, const char *command, const char *event,
		       int64_t *at_us, struct vf_err *err)
{
	__json json_t *e = NULL;
	struct qmp *qmp = qemu_client(vmm);
	int ret = qmp_execute(qmp, command, NULL, NULL, qemu_soon(), err);

	if (!ret)
		ret = qmp_wait_event(qmp, event, &e, qemu_soon(), err);
	if (!ret)
		*at_us = qmp_event_us(e);
	return ret;
}

int qemu_pause(struct vmm *vmm, int64_t *at_us, struct vf_err *err)
{
	return run_command(vmm, "stop", "STOP", at_us, err);
}

int qemu_resume(struct vmm *vmm, int64_t *at_us, struct vf_err *err)
{
	int64_t deadline_us = qemu_soon();
	int ret;

	/* until QEMU has put a migration behind itself it refuses to go on */
	do
		ret = run_command(vmm, "cont", "RESUME", at_us, err);
	while (ret == -EREMOTEIO && vf_now_us() < deadline_us &&
	       usleep(RETRY_US) == 0);
	return ret;
}

/* What the guest shall find from its first instruction on is there before it. */
static int qemu_boot(struct vmm *vmm, struct vf_err *err)
{
	int64_t at_us;
	int ret = qemu_vmclock_enable(vmm, err);

	return ret < 0 ? ret : qemu_resume(vmm, &at_us, err);
}

const struct vmm_ops qemu_ops = {
	.name = "qemu",
	.check = qemu_check,
	.spawn = qemu_spawn,
	.connect = qemu_connect,
	.disconnect = qemu_disconnect,
	.boot = qemu_boot,
	.load = qemu_load,
	.peek = qemu_peek,
	.poke = qemu_poke,
	.locate = qemu_locate,
	.recall = qemu_recall,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.save = qemu_save,
	.cancel = qemu_cancel,
	.finish = qemu_finish,
	.live_check = qemu_live_check,
	.live_open = qemu_live_open,
	.live_begin = qemu_live_begin,
	.live_end = qemu_live_end,
	.memory = qemu_memory,
	.devices_open = qemu_devices_open,
	.devices_begin = qemu_devices_begin,
	.devices_end = qemu_devices_end,
	.devices_finish = qemu_devices_finish,
	.devices_close = qemu_devices_close,
	.disk_probe = qemu_disk_probe,
	.disk_create = qemu_disk_create,
	.disks_query = qemu_disks_query,
	.disks_add = qemu_disks_add,
	.disks_drop = qemu_disks_drop,
	.disks_pivot = qemu_disks_pivot,
	.query = qemu_query,
};
