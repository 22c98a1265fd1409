// SPDX-License-Identifier: MIT
/*
 * A paused VM's devices without its memory: QEMU writes those in under 2 ms. It
 * leaves out all RAM blocks, also the small ones, without which a fork could not
 * reboot (firmware, ACPI tables): these we copy ourselves.
 *
 * Source: QEMU 10.0, qmp_xen_save_devices_state() in migration/savevm.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "vmm/migration.h"
#include "vmm/qemu.h"

#define MACHINE_SUFFIX "-machine"
#define SAVE_COMMAND   "xen-save-devices-state"
#define BLOCKS_TEXT    16384

struct vmm_devices {
	char machine[MIGRATION_MACHINE_SIZE];
	unsigned int num;
	struct migration_block blocks[MIGRATION_BLOCKS];
	uint64_t hvas[MIGRATION_BLOCKS];
};

/* One line of `info ramblock`; the column that is left out is its room. */
static int add_block(struct vmm_devices *d, const char *line,
		     struct vf_err *err)
{
	struct migration_block *b = &d->blocks[d->num];
	uint64_t bytes, hva;
	char name[MIGRATION_NAME_SIZE];

	if (sscanf(line, " %255s %*u %*s %*x %" SCNx64 " %*x %" SCNx64, name,
		   &bytes, &hva) != 3)
		return vf_err_set(err, EBADMSG,
				  "QEMU's RAM blocks: not understood");
	if (!strcmp(name, QEMU_RAM_BLOCK))
		return 0;
	if (d->num == MIGRATION_BLOCKS || !bytes || bytes % EXTENT_PAGE ||
	    bytes > MIGRATION_SMALL_BYTES)
		return vf_err_set(err, ENOTSUP,
				  "RAM block %.64s: too large, or one too many",
				  name);
	snprintf(b->name, sizeof(b->name), "%s", name);
	b->bytes = bytes;
	/* zeroed, and so there, before the pause */
	b->data = calloc(1, bytes);
	if (!b->data)
		return vf_err_errno(err, ENOMEM, "RAM block");
	memset(b->data, 0, bytes);
	d->hvas[d->num++] = hva;
	return 0;
}

static int find_blocks(struct vmm_devices *d, struct qmp *qmp,
		       struct vf_err *err)
{
	__free char *text = calloc(1, BLOCKS_TEXT);
	char *line, *next;
	int ret;

	if (!text)
		return vf_err_errno(err, ENOMEM, "RAM blocks");
	ret = qmp_monitor(qmp, "info ramblock", text, BLOCKS_TEXT, qemu_soon(),
			  err);
	/* the first line is the table's head */
	line = strchr(text, '\n');
	for (line = line ? line + 1 : NULL; !ret && line && *line;
	     line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (line[strspn(line, " \r")])
			ret = add_block(d, line, err);
	}
	if (!ret && !d->num)
		ret = vf_err_set(err, EBADMSG, "QEMU's RAM blocks: none");
	return ret;
}

static int find_machine(struct vmm_devices *d, struct qmp *qmp,
			struct vf_err *err)
{
	__json json_t *result = NULL;
	const char *type;
	size_t len;
	int ret = qmp_execute(
		qmp, "qom-get",
		json_pack("{s:s,s:s}", "path", "/machine", "property", "type"),
		&result, qemu_soon(), err);

	if (ret < 0)
		return ret;
	type = json_string_value(result);
	len = type ? strlen(type) : 0;
	if (len <= strlen(MACHINE_SUFFIX) ||
	    strcmp(type + len - strlen(MACHINE_SUFFIX), MACHINE_SUFFIX) != 0 ||
	    len - strlen(MACHINE_SUFFIX) >= sizeof(d->machine))
		return vf_err_set(err, EBADMSG, "QEMU's machine: no name");
	memcpy(d->machine, type, len - strlen(MACHINE_SUFFIX));
	return 0;
}

int qemu_devices_open(struct vmm *vmm, struct vmm_devices **devices,
		      struct vf_err *err)
{
	struct qmp *qmp = qemu_client(vmm);
	struct vmm_devices *d = calloc(1, sizeof(*d));
	int ret;

	*devices = d;
	if (!d)
		return vf_err_errno(err, ENOMEM, "devices");
	ret = find_machine(d, qmp, err);
	return ret < 0 ? ret : find_blocks(d, qmp, err);
}

void qemu_devices_close(struct vmm_devices *devices)
{
	if (devices)
		migration_blocks_exit(devices->blocks, devices->num);
	free(devices);
}

int qemu_devices_begin(struct vmm *vmm, struct vmm_devices *devices,
		       int image_fd, struct vf_err *err)
{
	char path[PATH_MAX];
	int ret = qemu_path(image_fd, VMM_DEVICES_FILE, path, sizeof(path));

	(void)devices;
	if (ret < 0)
		return vf_err_errno(err, ret, VMM_DEVICES_FILE);
	/* not "live": then QEMU would hand its disks to somebody else */
	return qmp_begin(qemu_client(vmm), SAVE_COMMAND,
			 json_pack("{s:s,s:b}", "filename", path, "live", 0),
			 err);
}

int qemu_devices_end(struct vmm *vmm, struct vmm_devices *devices,
		     struct vf_err *err)
{
	struct vf_err why = { 0 };
	int ret = 0;

	for (unsigned int i = 0; !ret && i < devices->num; i++) {
		struct migration_block *b = &devices->blocks[i];
		struct iovec local = { b->data, b->bytes };
		struct iovec remote = { (void *)(uintptr_t)devices->hvas[i],
					b->bytes };
		ssize_t n = process_vm_readv(vmm->proc.pid, &local, 1, &remote,
					     1, 0);

		if (n != (ssize_t)b->bytes)
			ret = vf_err_errno(&why, n < 0 ? errno : EFAULT,
					   "RAM block %s", b->name);
	}
	/* the answer has to be taken, whatever became of the blocks */
	if (qmp_end(qemu_client(vmm), SAVE_COMMAND, NULL, qemu_soon(), err) < 0)
		return -err->num;
	if (ret < 0)
		*err = why;
	return ret;
}

int qemu_devices_finish(struct vmm_devices *devices, int image_fd,
			const struct vmm_config *config,
			struct vmm_image *image, struct vf_err *err)
{
	__close int devices_fd = openat(image_fd, VMM_DEVICES_FILE,
					O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	__close int state_fd = openat(image_fd, VMM_STATE_FILE,
				      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				      0600);
	int ret;

	if (devices_fd < 0 || state_fd < 0)
		return vf_err_errno(err, errno, "snapshot");
	ret = migration_join(devices_fd, state_fd, devices->machine,
			     devices->blocks, devices->num, err);
	if (ret < 0)
		return ret;
	if (fsync(state_fd) < 0 || unlinkat(image_fd, VMM_DEVICES_FILE, 0) < 0)
		return vf_err_errno(err, errno, "snapshot");
	snprintf(image->machine, sizeof(image->machine), "%s",
		 devices->machine);
	qemu_layout(0, config->memory_bytes, image);
	return 0;
}
