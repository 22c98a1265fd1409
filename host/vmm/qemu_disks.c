// SPDX-License-Identifier: MIT
/*
 * A VM's disks in QEMU. The node of each layer that was once on top bears the
 * layer's name; those below a fork's first are QEMU's own affair.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "vmm/qcow2.h"
#include "vmm/qemu.h"

/*
 * As a rule layers live no longer than this machine runs: nothing is gained by
 * waiting for the storage when the guest flushes. Who keeps a layer syncs it.
 */
json_t *qemu_layer_node(const char *dir, unsigned int disk, unsigned int layer,
			bool is_durable)
{
	int no_flush = !is_durable;
	char name[VMM_LAYER_NAME], path[PATH_MAX];

	vmm_layer_name(name, disk, layer);
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return NULL;
	return json_pack("{s:s,s:s,s:s,s:{s:b},s:{s:s,s:s,s:s,s:{s:b}}}",
			 "driver", "qcow2", "node-name", name, "discard",
			 "unmap", "cache", "no-flush", no_flush, "file",
			 "driver", "file", "filename", path, "discard", "unmap",
			 "cache", "no-flush", no_flush);
}

int qemu_disk_probe(const char *path, enum vmm_format *format, uint64_t *bytes,
		    struct vf_err *err)
{
	return qcow2_probe(path, format, bytes, err);
}

int qemu_disk_create(int dir_fd, unsigned int disk, unsigned int layer,
		     const char *image, enum vmm_format format, uint64_t bytes,
		     struct vf_err *err)
{
	char name[VMM_LAYER_NAME], below[VMM_LAYER_NAME];
	struct qcow2_backing backing = { image, format };

	if (!image)
		backing = (struct qcow2_backing){
			vmm_layer_name(below, disk, layer - 1),
			VMM_FORMAT_QCOW2,
		};
	return qcow2_create(dir_fd, vmm_layer_name(name, disk, layer), &backing,
			    bytes, err);
}

int qemu_disks_query(struct vmm *vmm, struct vmm_disks *disks,
		     struct vf_err *err)
{
	for (unsigned int i = 0; i < disks->num; i++) {
		__json json_t *node = NULL;
		unsigned int disk, layer;
		char path[64], end;
		int ret;

		snprintf(path, sizeof(path), "/machine/peripheral/disk%u", i);
		ret = qmp_execute(qemu_client(vmm), "qom-get",
				  json_pack("{s:s,s:s}", "path", path,
					    "property", "drive"),
				  &node, qemu_soon(), err);
		if (ret < 0)
			return ret;
		if (!json_is_string(node) ||
		    sscanf(json_string_value(node), "disk%u.%u%c", &disk,
			   &layer, &end) != 2 ||
		    disk != i || layer >= VMM_LAYERS_MAX)
			return vf_err_set(err, EBADMSG,
					  "disk %u: not one of its layers", i);
		disks->disk[i].layers = layer + 1;
	}
	return 0;
}

int qemu_disks_add(struct vmm *vmm, const struct vmm_disks *disks,
		   struct vf_err *err)
{
	char dir[PATH_MAX];
	int ret = qemu_path(vmm->run_fd, ".", dir, sizeof(dir));

	if (ret < 0)
		return vf_err_errno(err, ret, "disks");
	for (unsigned int i = 0; !ret && i < disks->num; i++) {
		json_t *node = qemu_layer_node(dir, i, disks->disk[i].layers,
					       disks->is_durable);

		if (!node)
			return vf_err_errno(err, ENOMEM, "disk %u", i);
		/* the pivot says what is below it */
		json_object_set_new(node, "backing", json_null());
		ret = qmp_execute(qemu_client(vmm), "blockdev-add", node, NULL,
				  qemu_soon(), err);
	}
	return ret;
}

void qemu_disks_drop(struct vmm *vmm, const struct vmm_disks *disks)
{
	struct vf_err ignored;

	for (unsigned int i = 0; i < disks->num; i++) {
		char name[VMM_LAYER_NAME];

		vmm_layer_name(name, i, disks->disk[i].layers);
		qmp_execute(qemu_client(vmm), "blockdev-del",
			    json_pack("{s:s}", "node-name", name), NULL,
			    qemu_soon(), &ignored);
	}
}

int qemu_disks_pivot(struct vmm *vmm, const struct vmm_disks *disks,
		     struct vf_err *err)
{
	json_t *actions = json_array();

	for (unsigned int i = 0; i < disks->num; i++) {
		char top[VMM_LAYER_NAME], next[VMM_LAYER_NAME];
		unsigned int layers = disks->disk[i].layers;

		json_array_append_new(
			actions,
			json_pack("{s:s,s:{s:s,s:s}}", "type",
				  "blockdev-snapshot", "data", "node",
				  vmm_layer_name(top, i, layers - 1), "overlay",
				  vmm_layer_name(next, i, layers)));
	}
	/* all of them or none */
	return qmp_execute(qemu_client(vmm), "transaction",
			   json_pack("{s:o}", "actions", actions), NULL,
			   qemu_soon(), err);
}
