/* SPDX-License-Identifier: MIT */
/* The agent's directory below /run: lock, status for readers, own record. */
#ifndef AGENT_STATEDIR_H
#define AGENT_STATEDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmfork_payload.h"

#define STATEDIR_NAME_SIZE \
	(VMFORK_NAME_MAX + 8) /* a multiple of 8: no padding */

/* What an agent that is started again has to know. */
struct statedir_record {
	uint8_t magic[8];
	uint8_t applied_id[VMFORK_ID_LEN]; /* the last mail that was applied */
	struct vmfork_status status;
	/* what the mail said, NUL-terminated; empty: it did not */
	char name[STATEDIR_NAME_SIZE];
	char parent[STATEDIR_NAME_SIZE];
	uint64_t snapshot_ns; /* CLOCK_MONOTONIC of the snapshot; 0: unknown */
	uint32_t is_settled;  /* its tasks have ended; no padding may differ */
	uint32_t crc32c;
};

struct statedir {
	int dir_fd;
	int lock_fd;
};

/**
 * statedir_open() - Make the directory and lock it
 * @dir:	out: directory
 * @path:	where
 *
 * Return: 0 or -errno, -EBUSY if another agent runs
 */
int statedir_open(struct statedir *dir, const char *path);

/**
 * statedir_close() - Unlock it; the files stay
 * @dir:	directory
 */
void statedir_close(struct statedir *dir);

/**
 * statedir_is_locked() - Does an agent run?
 * @path:	the directory
 *
 * Return: true if so
 */
bool statedir_is_locked(const char *path);

/**
 * statedir_write() - Write a file so that readers see the old or the new one
 * @dir:	directory
 * @name:	file
 * @mode:	its mode, whatever the umask is
 * @buf:	bytes
 * @len:	how many
 *
 * Return: 0 or -errno
 */
int statedir_write(const struct statedir *dir, const char *name, mode_t mode,
		   const void *buf, size_t len);

/**
 * statedir_load() - Read the record
 * @dir:	directory
 * @record:	out: record
 *
 * Return: 0, -ENOENT if there is none, -EBADMSG if it is no record
 */
int statedir_load(const struct statedir *dir, struct statedir_record *record);

/**
 * statedir_save() - Write the record
 * @dir:	directory
 * @record:	record; magic and crc are filled in
 *
 * Return: 0 or -errno
 */
int statedir_save(const struct statedir *dir, struct statedir_record *record);

#endif
