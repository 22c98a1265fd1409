/* SPDX-License-Identifier: MIT */
/*
 * QEMU's migration stream, as far as a snapshot needs it.
 *
 * A VM is saved with the capability mapped-ram: every RAM block's pages stand at
 * a fixed place of the file, so that a fork can map the main block from there.
 * What QEMU then loads is a second, small file that we make of the first: the
 * same machine and devices, and the small RAM blocks (firmware, ACPI tables,
 * the VMClock page; without them a fork could not reboot) as ordinary pages,
 * but without the main block, which the fork has already.
 *
 * What QEMU writes of the devices alone (xen-save-devices-state) lacks the
 * configuration and all RAM blocks; with those that we copied ourselves it
 * becomes such a file, too.
 *
 * Source of the format: QEMU 10.0, migration/savevm.c (sections),
 * migration/ram.c (RAM records, struct MappedRamHeader),
 * docs/devel/migration/mapped-ram.rst. All integers are big endian.
 */
#ifndef VF_MIGRATION_H
#define VF_MIGRATION_H

#include <stdint.h>

#include "base/err.h"

#define MIGRATION_MACHINE_SIZE 64
#define MIGRATION_NAME_SIZE    256
#define MIGRATION_BLOCKS       16
#define MIGRATION_SMALL_BYTES  (16 << 20) /* all but the main block */

/* Where the main RAM block stands in a mapped-ram file. */
struct migration_layout {
	char machine[MIGRATION_MACHINE_SIZE]; /* versioned machine type */
	uint64_t ram_offset;		      /* bytes from the file's start */
	uint64_t ram_bytes;
};

/**
 * migration_split() - Make a loadable device state of a mapped-ram file
 * @image_fd:	the file that QEMU wrote
 * @state_fd:	empty file that receives the state
 * @main_block:	name of the RAM block that is left out
 * @layout:	out: where that block stands
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if the file is not what it should be
 */
int migration_split(int image_fd, int state_fd, const char *main_block,
		    struct migration_layout *layout, struct vf_err *err);

/**
 * migration_place() - Where does the main block stand in a file being written?
 * @image_fd:	the file, of which QEMU has written the head
 * @main_block:	name of the RAM block
 * @layout:	out
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if the file is not what it should be
 */
int migration_place(int image_fd, const char *main_block,
		    struct migration_layout *layout, struct vf_err *err);

/* A small RAM block with its contents. */
struct migration_block {
	char name[MIGRATION_NAME_SIZE];
	uint64_t bytes; /* whole pages */
	uint8_t *data;	/* heap */
};

/**
 * migration_join() - Make a loadable device state of devices and small blocks
 * @devices_fd:	the file that QEMU wrote of its devices
 * @state_fd:	empty file that receives the state
 * @machine:	versioned machine type
 * @blocks:	all RAM blocks but the main one
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if the file is not what it should be
 */
int migration_join(int devices_fd, int state_fd, const char *machine,
		   const struct migration_block *blocks, unsigned int num,
		   struct vf_err *err);

/**
 * migration_blocks_exit() - Free what blocks hold
 * @blocks:	blocks
 * @num:	how many
 */
void migration_blocks_exit(struct migration_block *blocks, unsigned int num);

#endif
