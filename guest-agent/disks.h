/* SPDX-License-Identifier: MIT */
/*
 * The guest's disks, held for a snapshot: file systems on block devices are
 * made whole on their device and keep still (FIFREEZE) until they are let go.
 */
#ifndef AGENT_DISKS_H
#define AGENT_DISKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DISKS_MAX      64
#define DISKS_PATH_LEN 1024

/* A row of /proc/self/mountinfo. */
struct disks_mount {
	dev_t dev;
	char path[DISKS_PATH_LEN];
	bool is_freezable; /* writable, and on a block device */
	bool has_own_dev;  /* stat() tells the same number */
};

struct disks {
	unsigned int num; /* held */
	int fds[DISKS_MAX];
};

/**
 * disks_parse() - Read a row of mountinfo (proc_pid_mountinfo(5))
 * @line:	row, changed by this
 * @mount:	out: what it says
 *
 * Return: 0 or -EBADMSG
 */
int disks_parse(char *line, struct disks_mount *mount);

/**
 * disks_freeze() - Hold all of them, those that lie on others first
 * @disks:	disks, zeroed before
 * @spared:	descriptors of what we may have to write to meanwhile
 * @num_spared:	how many
 *
 * It takes as long as writing takes what was not on the device yet. One that
 * somebody else holds already, or that cannot be held, is left alone.
 *
 * Return: 0, or -errno with none held
 */
int disks_freeze(struct disks *disks, const int *spared,
		 unsigned int num_spared);

/**
 * disks_thaw() - Let them go, in reverse
 * @disks:	disks
 *
 * Return: 0, 1 if none was held, -errno of the first that could not be let go
 */
int disks_thaw(struct disks *disks);

#endif
