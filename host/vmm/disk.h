/* SPDX-License-Identifier: MIT */
/*
 * Disks of VMs. A disk is a chain of layers on an image that somebody gave: file
 * diskD.0 is what differs from the image, diskD.1 what differs from that, and so
 * on. Only the top one is written, by one VM. Each layer names the one below
 * without a folder: a directory that has all of them, by hard links, is whole,
 * wherever it is moved and whatever becomes of the others.
 */
#ifndef VF_VMM_DISK_H
#define VF_VMM_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define VMM_DISKS_MAX 4
/* Reading goes through all that have no answer, and each is an open file. */
#define VMM_LAYERS_MAX 64
#define VMM_LAYER_NAME 32

enum vmm_format {
	VMM_FORMAT_DETECT, /* only in requests */
	VMM_FORMAT_RAW,
	VMM_FORMAT_QCOW2,
	VMM_FORMAT_NUM
};

struct vmm_disk {
	uint64_t bytes;	     /* that the guest sees */
	unsigned int layers; /* the top one is the last */
};

struct vmm_disks {
	unsigned int num;
	struct vmm_disk disk[VMM_DISKS_MAX];
	bool is_durable; /* what a guest flushes survives the loss of the machine */
};

/**
 * vmm_layer_name() - What a layer is called, as a file and in the engine
 * @name:	out
 * @disk:	which disk
 * @layer:	0: the one on the image
 *
 * Return: @name
 */
static inline const char *vmm_layer_name(char name[VMM_LAYER_NAME],
					 unsigned int disk, unsigned int layer)
{
	snprintf(name, VMM_LAYER_NAME, "disk%u.%u", disk, layer);
	return name;
}

#endif
