// SPDX-License-Identifier: MIT
/*
 * Saving a VM while it runs: QEMU write-protects guest memory with userfaultfd
 * inside a short pause, and copies it behind the running guest. The file is
 * that of any mapped-ram migration, but for its bitmaps of written pages, which
 * stay empty.
 *
 * Source: QEMU 10.0, bg_migration_thread() in migration/migration.c.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "vmm/qemu.h"

#define RETRY_US  10000
#define RETRY_MAX 100
#define LOOK_US	  200
#define PAUSE_US  2000000 /* a VM that stands still for longer goes on without */

int qemu_live_check(struct vmm *vmm, struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	int ret = qemu_set_capability(qmp, "background-snapshot", true, err);

	if (!ret)
		ret = qemu_set_capability(qmp, "background-snapshot", false,
					  err);
	/*
	 * QEMU tries it on each block, and refuses where it fails; it refuses
	 * all capabilities while it migrates, too
	 */
	if (ret == -EREMOTEIO && strcasestr(err->msg, "background-snapshot")) {
		vf_err_set(err, ENOTSUP,
			   "this VM's memory cannot be write-protected");
		vf_err_hint(err, "it needs userfaultfd, and no memory from a "
				 "disk's file system: use --mode diff or full");
		ret = -ENOTSUP;
	}
	return ret;
}

/* For a moment after one migration, QEMU refuses the next. */
static int start(struct qmp *qmp, int image_fd, const struct vmm_begun *begun,
		 struct vf_err *err)
{
	for (int i = 0;; i++) {
		json_t *args = qemu_channel(image_fd, VMM_MEMORY_FILE);
		int ret;

		if (!args)
			return vf_err_errno(err, EBADF, VMM_MEMORY_FILE);
		ret = qmp_begin(qmp, "migrate", args, err);
		if (!ret && begun)
			begun->cb(begun->ctx);
		if (!ret)
			ret = qmp_end(qmp, "migrate", NULL, qemu_soon(), err);
		if (ret != -EREMOTEIO || i == RETRY_MAX ||
		    !strstr(err->msg, "yank"))
			return ret;
		usleep(RETRY_US);
	}
}

/* Wait for an event that comes before the end; if that comes instead, say why. */
static int moment(struct qmp *qmp, const char *name, int64_t *at_us,
		  int64_t deadline_us, struct vf_err *err)
{
	const char *const names[] = { name, "MIGRATION", NULL };

	for (;;) {
		__json json_t *event = NULL;
		const char *status;
		int ret = qmp_wait_events(qmp, names, &event, deadline_us, err);

		if (ret < 0)
			return ret;
		if (!strcmp(json_string_value(json_object_get(event, "event")),
			    name)) {
			*at_us = qmp_event_us(event);
			return 0;
		}
		status = json_string_value(json_object_get(
			json_object_get(event, "data"), "status"));
		if (!status || (strcmp(status, "failed") != 0 &&
				strcmp(status, "cancelled") != 0 &&
				strcmp(status, "completed") != 0))
			continue;
		json_array_insert(qmp->events, 0, event);
		ret = qemu_migration_wait(qmp, deadline_us, err);
		return ret < 0 ? ret
			       : vf_err_set(err, EPROTO, "no %s event", name);
	}
}

/* Wait until all is prepared, and memory about to be protected. @at_us: out */
static int active(struct qmp *qmp, int64_t *at_us, int64_t deadline_us,
		  struct vf_err *err)
{
	for (;;) {
		__json json_t *event = NULL;
		const char *status;
		int ret = qmp_wait_event(qmp, "MIGRATION", &event, deadline_us,
					 err);

		if (ret < 0)
			return ret;
		status = json_string_value(json_object_get(
			json_object_get(event, "data"), "status"));
		if (!status || !strcmp(status, "setup"))
			continue;
		if (!strcmp(status, "active")) {
			*at_us = qmp_event_us(event);
			return 0;
		}
		/* that it has ended is somebody else's to know, too */
		json_array_insert(qmp->events, 0, event);
		return strcmp(status, "completed") != 0
			       ? qemu_migration_wait(qmp, deadline_us, err)
			       : 0;
	}
}

/* Has QEMU begun to write pages? Then all of them are protected. */
static int has_begun(struct qmp *qmp, struct vf_err *err)
{
	__json json_t *info = NULL;
	const char *status;
	json_t *ram;
	int ret = qmp_execute(qmp, "query-migrate", NULL, &info, qemu_soon(),
			      err);

	if (ret < 0)
		return ret;
	status = json_string_value(json_object_get(info, "status"));
	ram = json_object_get(info, "ram");
	if (!status || !strcmp(status, "failed") ||
	    !strcmp(status, "cancelled"))
		return vf_err_set(err, EIO, "migration %s",
				  status ? status : "failed");
	return !strcmp(status, "completed") ||
	       json_integer_value(json_object_get(ram, "normal")) ||
	       json_integer_value(json_object_get(ram, "duplicate"));
}

/*
 * QEMU would pause the VM at a moment of its own, in which no disk can be
 * pivoted: so it is paused before. A VM that was paused stays so, and nothing
 * tells that its memory is protected but the first pages that are written. The
 * answer to that question comes when QEMU's own end of the pause has passed.
 */
static int begin_paused(struct vmm *vmm, int image_fd,
			const struct vmm_disks *disks, struct vmm_pause *pause,
			int64_t deadline_us, struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	int64_t active_us;
	int ret;

	pause->asked_us = vf_now_us();
	ret = qemu_pause(vmm, &pause->paused_us, err);
	if (deadline_us > vf_now_us() + PAUSE_US)
		deadline_us = vf_now_us() + PAUSE_US;
	if (!ret)
		ret = qemu_disks_pivot(vmm, disks, err);
	if (!ret)
		ret = start(qmp, image_fd, NULL, err);
	if (!ret)
		ret = active(qmp, &active_us, deadline_us, err);
	while (!ret) {
		ret = has_begun(qmp, err);
		if (!ret && vf_now_us() > deadline_us)
			ret = vf_err_set(err, ETIMEDOUT,
					 "memory was not protected in time");
		/* no event tells of it; QEMU needs its time for the pages */
		if (!ret)
			usleep(LOOK_US);
	}
	return ret < 0 ? ret : qemu_resume(vmm, &pause->resumed_us, err);
}

int qemu_live_open(struct vmm *vmm, int image_fd, struct vf_err *err)
{
	return qemu_save_open(vmm, image_fd, true, err);
}

int qemu_live_begin(struct vmm *vmm, int image_fd,
		    const struct vmm_disks *disks,
		    const struct vmm_begun *begun, struct vmm_pause *pause,
		    int64_t deadline_us, struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	int ret;

	qmp_forget_events(qmp);
	if (disks->num)
		return begin_paused(vmm, image_fd, disks, pause, deadline_us,
				    err);
	pause->asked_us = vf_now_us();
	ret = start(qmp, image_fd, begun, err);
	if (!ret)
		ret = active(qmp, &pause->asked_us, deadline_us, err);
	if (!ret)
		ret = moment(qmp, "STOP", &pause->paused_us, deadline_us, err);
	if (!ret)
		ret = moment(qmp, "RESUME", &pause->resumed_us, deadline_us,
			     err);
	return ret;
}

int qemu_live_end(struct vmm *vmm, int image_fd, int64_t deadline_us,
		  struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	struct extents ours = { 0 };
	bool give_up = true;
	int ret = -ETIMEDOUT;

	if (deadline_us)
		ret = qemu_sweep(vmm, image_fd, deadline_us, &ours, err);
	if (!ret) {
		ret = qemu_migration_wait(qmp, deadline_us, err);
		give_up = ret == -ETIMEDOUT || ret == -ECANCELED;
	}
	qemu_save_close(qmp, give_up);
	if (!ret)
		ret = qemu_sweep_merge(image_fd, &ours, vmm->cancel_fd, err);
	extents_exit(&ours);
	return ret;
}
