// SPDX-License-Identifier: MIT
/* QEMU's migration: what its users share, and the save of a paused VM. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "vmm/migration.h"
#include "vmm/qemu.h"

struct qmp_command qemu_capability(const char *name, bool on)
{
	return (struct qmp_command){
		.name = "migrate-set-capabilities",
		.args = json_pack("{s:[{s:s,s:b}]}", "capabilities",
				  "capability", name, "state", on),
	};
}

int qemu_set_capability(struct qmp *qmp, const char *name, bool on,
			struct vf_err *err)
{
	struct qmp_command command = qemu_capability(name, on);

	return qmp_execute_all(qmp, &command, 1, qemu_soon(), err);
}

int qemu_path(int dir_fd, const char *name, char *path, size_t size)
{
	char link[64];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", dir_fd);
	len = readlink(link, path, size);
	if (len < 0)
		return -errno;
	if ((size_t)len + strlen(name) + 2 > size)
		return -ENAMETOOLONG;
	snprintf(path + len, size - (size_t)len, "/%s", name);
	return 0;
}

json_t *qemu_channel(int dir_fd, const char *name)
{
	char path[64];

	/*
	 * By way of our own descriptor: a snapshot that is removed at this
	 * moment gets another name, but keeps its files while we have it.
	 */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d/%s", getpid(), dir_fd,
		 name);
	return json_pack("{s:[{s:s,s:{s:s,s:s,s:i}}]}", "channels",
			 "channel-type", "main", "addr", "transport", "file",
			 "filename", path, "offset", 0);
}

int qemu_migration_wait(struct qmp *qmp, int64_t deadline_us,
			struct vf_err *err)
{
	for (;;) {
		__json json_t *event = NULL, *info = NULL;
		const char *status, *why;
		int ret = qmp_wait_event(qmp, "MIGRATION", &event, deadline_us,
					 err);

		if (ret < 0)
			return ret;
		status = json_string_value(json_object_get(
			json_object_get(event, "data"), "status"));
		if (status && !strcmp(status, "completed"))
			return 0;
		if (!status || (strcmp(status, "failed") != 0 &&
				strcmp(status, "cancelled") != 0))
			continue;
		vf_err_set(err, EIO, "migration %s", status);
		if (qmp_execute(qmp, "query-migrate", NULL, &info, qemu_soon(),
				&(struct vf_err){ 0 }) < 0)
			return -EIO;
		why = json_string_value(json_object_get(info, "error-desc"));
		if (!why)
			return -EIO;
		/* that there is no room is told by its text alone */
		return vf_err_set(err,
				  strstr(why, strerror(ENOSPC)) ? ENOSPC : EIO,
				  "%.200s", why);
	}
}

int qemu_save_open(struct vmm *vmm, int image_fd, bool live, struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	__close int memory_fd = -1;
	struct vmm_memory memory;
	/* which refuses a layout that is not the image's */
	int ret = qemu_memory(vmm, &memory, err);

	if (!ret)
		ret = qemu_set_capability(qmp, "events", true, err);
	if (!ret)
		ret = qemu_set_capability(qmp, "mapped-ram", true, err);
	/* a killed command may have left it on */
	if (!ret)
		ret = qemu_set_capability(qmp, "background-snapshot", live,
					  err);
	/* the default is 128 MiB/s, meant for a network that others use too */
	if (!ret)
		ret = qmp_execute(qmp, "migrate-set-parameters",
				  json_pack("{s:I}", "max-bandwidth",
					    (json_int_t)1 << 40),
				  NULL, qemu_soon(), err);
	if (ret < 0)
		return ret;
	/* QEMU would make it readable for others */
	memory_fd = openat(image_fd, VMM_MEMORY_FILE,
			   O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return memory_fd < 0 ? vf_err_errno(err, errno, VMM_MEMORY_FILE) : 0;
}

/* Return: 1 if no migration goes on, 0, -errno */
static int has_ended(struct qmp *qmp, struct vf_err *err)
{
	static const char *const ends[] = { "none", "completed", "failed",
					    "cancelled" };
	__json json_t *info = NULL;
	const char *status;
	int ret = qmp_execute(qmp, "query-migrate", NULL, &info, qemu_soon(),
			      err);

	if (ret < 0)
		return ret;
	status = json_string_value(json_object_get(info, "status"));
	ret = !status;
	for (size_t i = 0; !ret && i < ARRAY_SIZE(ends); i++)
		ret = !strcmp(status, ends[i]);
	return ret;
}

/*
 * Asked before it is waited for: of one that never began, or whose end was heard
 * of before, no event comes.
 */
static int give_up(struct qmp *qmp, struct vf_err *err)
{
	struct vf_err ignored;
	int ret = qmp_execute(qmp, "migrate_cancel", NULL, NULL, qemu_soon(),
			      err);

	if (!ret)
		ret = has_ended(qmp, err);
	if (!ret) {
		qemu_migration_wait(qmp, qemu_soon(), &ignored);
		ret = has_ended(qmp, err);
	}
	if (!ret)
		return vf_err_set(err, ETIMEDOUT, "migration: does not end");
	return ret < 0 ? ret : 0;
}

int qemu_cancel(struct vmm *vmm, struct vf_err *err)
{
	return give_up(qemu_client(vmm), err);
}

void qemu_save_close(struct qmp *qmp, bool unfinished)
{
	struct vf_err ignored;

	/* whatever happened, the VM has to be able to go on */
	qmp->cancel_fd = -1;
	if (unfinished)
		give_up(qmp, &ignored);
	qemu_set_capability(qmp, "background-snapshot", false, &ignored);
	qemu_set_capability(qmp, "mapped-ram", false, &ignored);
}

int qemu_save(struct vmm *vmm, int image_fd, int64_t deadline_us,
	      struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	int ret = qemu_save_open(vmm, image_fd, false, err);
	json_t *args = NULL;

	if (!ret) {
		args = qemu_channel(image_fd, VMM_MEMORY_FILE);
		if (!args)
			ret = vf_err_errno(err, EBADF, VMM_MEMORY_FILE);
	}
	if (!ret)
		ret = qmp_execute(qmp, "migrate", args, NULL, qemu_soon(), err);
	if (!ret)
		ret = qemu_migration_wait(qmp, deadline_us, err);
	qemu_save_close(qmp, ret == -ETIMEDOUT || ret == -ECANCELED);
	return ret;
}

int qemu_finish(int image_fd, const struct vmm_config *config,
		struct vmm_image *image, struct vf_err *err)
{
	__close int memory_fd = openat(image_fd, VMM_MEMORY_FILE,
				       O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	__close int state_fd = openat(image_fd, VMM_STATE_FILE,
				      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				      0600);
	struct migration_layout layout;
	int ret;

	if (memory_fd < 0 || state_fd < 0)
		return vf_err_errno(err, errno, "snapshot");
	ret = migration_split(memory_fd, state_fd, QEMU_RAM_BLOCK, &layout,
			      err);
	if (ret < 0)
		return ret;
	if (layout.ram_bytes != config->memory_bytes)
		return vf_err_set(err, EBADMSG,
				  "memory image: %" PRIu64 " bytes of memory "
				  "instead of %" PRIu64,
				  layout.ram_bytes, config->memory_bytes);
	/* QEMU does not sync what it writes */
	if (fsync(memory_fd) < 0 || fsync(state_fd) < 0)
		return vf_err_errno(err, errno, "snapshot");
	snprintf(image->machine, sizeof(image->machine), "%s", layout.machine);
	qemu_layout(layout.ram_offset, layout.ram_bytes, image);
	return 0;
}
