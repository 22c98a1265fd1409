/* SPDX-License-Identifier: MIT */
/*
 * The disks of VMs and snapshots: files in their directories, see vmm/disk.h.
 * What a VM's disks stood on when it was first run is in one more file, which
 * goes along with the layers and never changes.
 */
#ifndef VF_DISK_H
#define VF_DISK_H

#include <jansson.h>
#include <limits.h>

#include "vmm/vmm.h"

#define DISK_ORIGIN_FILE "disks.json"

struct vm;

/* An image that a VM shall have as a disk. */
struct disk_wish {
	char path[PATH_MAX];
	enum vmm_format format;
};

/**
 * disk_parse() - Take an argument apart: FILE[,format=raw|qcow2]
 * @wish:	out
 * @text:	argument
 *
 * Return: 0, -EINVAL for a format that there is not, -ENOENT without a file,
 * -ENAMETOOLONG
 */
int disk_parse(struct disk_wish *wish, const char *text);

/**
 * disk_make() - Make the disks of a VM that is to boot
 * @disks:	out
 * @engine:	its engine
 * @wishes:	the images, which are never written
 * @num:	how many, at most VMM_DISKS_MAX
 * @run_fd:	its run directory
 * @err:	error
 *
 * Return: 0 or -errno
 */
int disk_make(struct vmm_disks *disks, const struct vmm_ops *engine,
	      const struct disk_wish *wishes, unsigned int num, int run_fd,
	      struct vf_err *err);

/**
 * disk_check() - Are the images what they were when layers were put on them?
 * @disks:	disks
 * @dir_fd:	directory of a VM or a snapshot
 * @err:	error
 *
 * Return: 0 or -errno, -ESTALE if one was changed, -ENOENT if it has gone
 */
int disk_check(const struct vmm_disks *disks, int dir_fd, struct vf_err *err);

/**
 * disk_place() - Put layers that do not change any more into another directory
 * @disks:	which
 * @from_fd:	directory that has them
 * @to_fd:	directory on the same file system
 * @durable:	sync them
 * @err:	error
 *
 * Hard links; copies where links are refused.
 *
 * Return: 0 or -errno
 */
int disk_place(const struct vmm_disks *disks, int from_fd, int to_fd,
	       bool durable, struct vf_err *err);

/**
 * disk_fork() - Give a fork its own disks: one layer on those of its snapshot
 * @vm:		fork; its disks are its snapshot's plus the layer
 * @snapshot_fd: directory of the snapshot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int disk_fork(const struct vm *vm, int snapshot_fd, struct vf_err *err);

/**
 * disk_resume() - The disks of a VM that is to boot again: what it wrote last
 * @vm:		VM whose engine has ended
 * @disks:	in: as on record; out: as they are
 * @err:	error
 *
 * A snapshot may have been taken since, or was about to be: what others have too
 * gets one more layer, what was not made to its end goes.
 *
 * Return: 0 or -errno, -E2BIG if a disk has as many layers as it may have
 */
int disk_resume(const struct vm *vm, struct vmm_disks *disks,
		struct vf_err *err);

/**
 * disk_grow() - Make ready for a pivot: a layer more, which is not used yet
 * @vm:		VM
 * @vmm:	its engine
 * @disks:	out: its disks, as they are
 * @err:	error
 *
 * Return: 0 or -errno, -E2BIG if a disk has as many layers as it may have
 */
int disk_grow(const struct vm *vm, struct vmm *vmm, struct vmm_disks *disks,
	      struct vf_err *err);

/**
 * disk_tidy() - Take back what no pivot has used, whoever made it
 * @vm:		VM
 * @vmm:	its engine
 */
void disk_tidy(const struct vm *vm, struct vmm *vmm);

/**
 * disk_feed() - Let a VM go on that stood still because its disk had no room
 * @vm:		VM
 * @vmm:	its engine
 *
 * If there still is none, it stands still again.
 *
 * Return: true if it did
 */
bool disk_feed(const struct vm *vm, struct vmm *vmm);

/**
 * disk_describe() - Disks as their user sees them
 * @disks:	disks
 * @dir_fd:	directory of a VM or a snapshot
 *
 * Return: array of objects (image, format, bytes, layers), a new reference
 */
json_t *disk_describe(const struct vmm_disks *disks, int dir_fd);

/**
 * disk_pack() - Disks as they are kept in a record
 * @disks:	disks
 *
 * Return: array, a new reference
 */
json_t *disk_pack(const struct vmm_disks *disks);

/**
 * disk_unpack() - The reverse
 * @disks:	out
 * @json:	array
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int disk_unpack(struct vmm_disks *disks, json_t *json, struct vf_err *err);

#endif
