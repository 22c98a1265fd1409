/* SPDX-License-Identifier: MIT */
/* Whole reads and writes, files that appear complete or not at all, deadlines. */
#ifndef VF_IO_H
#define VF_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/**
 * vf_now_us() - The monotonic clock
 *
 * Return: CLOCK_MONOTONIC in microseconds
 */
int64_t vf_now_us(void);

/**
 * vf_wait_readable() - Wait until a descriptor can be read
 * @fd:			descriptor
 * @cancel_fd:		a second one, which ends the wait when readable; or -1
 * @deadline_us:	on vf_now_us()'s clock
 *
 * Return: 0 if @fd is readable or at its end, -ETIMEDOUT, -ECANCELED, -errno
 */
int vf_wait_readable(int fd, int cancel_fd, int64_t deadline_us);

/**
 * vf_check_cancel() - Has the user given up?
 * @cancel_fd:	readable if so; or -1
 *
 * For what takes long without ever waiting, to be asked now and then.
 *
 * Return: 0, -ECANCELED, -errno
 */
int vf_check_cancel(int cancel_fd);

/**
 * vf_write_all() - Write everything
 * @fd:		descriptor, blocking
 * @buf:	bytes
 * @len:	how many
 *
 * Return: 0 or -errno
 */
int vf_write_all(int fd, const void *buf, size_t len);

/**
 * vf_pread_all() - Read exactly so much; a short file is an error, not zeros
 * @fd:		descriptor
 * @buf:	where to
 * @len:	bytes
 * @offset:	in the file, bytes
 *
 * Return: 0, -ENODATA if the file ends before, -errno
 */
int vf_pread_all(int fd, void *buf, size_t len, off_t offset);

/**
 * vf_pwrite_all() - Write everything to one place
 * @fd:		descriptor
 * @buf:	bytes
 * @len:	how many
 * @offset:	in the file, bytes
 *
 * Return: 0 or -errno
 */
int vf_pwrite_all(int fd, const void *buf, size_t len, off_t offset);

/**
 * vf_read_file() - Read a small file beneath a directory
 * @dir_fd:	directory, or AT_FDCWD
 * @path:	file
 * @max:	the largest size that is accepted, bytes
 * @out:	out: contents, NUL terminated; the caller frees it
 * @len:	out: their length without the NUL; or NULL
 * @err:	error
 *
 * Return: 0 or -errno, -EFBIG if it is larger than @max
 */
int vf_read_file(int dir_fd, const char *path, size_t max, char **out,
		 size_t *len, struct vf_err *err);

/**
 * vf_write_file() - Write a file so that readers see the old or the new one
 * @dir_fd:	directory
 * @name:	file
 * @buf:	bytes
 * @len:	how many
 * @durable:	true: it survives a power failure once this returns
 * @err:	error
 *
 * Not for two writers of one file at the same time.
 *
 * Return: 0 or -errno; on failure nothing is left behind
 */
int vf_write_file(int dir_fd, const char *name, const void *buf, size_t len,
		  bool durable, struct vf_err *err);

/**
 * vf_copy_file() - Copy a file's contents, sharing blocks where that is possible
 * @from_fd:	source, read from its start
 * @to_dir_fd:	directory of the copy
 * @to_name:	its name, which must not exist
 * @err:	error
 *
 * It is not synced: who needs it durable does that when all is in place.
 *
 * Return: 0 or -errno; on failure nothing is left behind
 */
int vf_copy_file(int from_fd, int to_dir_fd, const char *to_name,
		 struct vf_err *err);

/**
 * vf_sync_file() - Make durable what a file holds
 * @dir_fd:	directory
 * @name:	file; no link is followed
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vf_sync_file(int dir_fd, const char *name, struct vf_err *err);

/**
 * vf_mkdir_open() - Open a directory, made (mode 0700) if it is not there
 * @dir_fd:	the directory above, or AT_FDCWD
 * @name:	its name; with AT_FDCWD a path of which all but the last exists
 * @err:	error
 *
 * Return: a descriptor, which the caller closes, or -errno
 */
int vf_mkdir_open(int dir_fd, const char *name, struct vf_err *err);

/**
 * vf_remove_tree() - Remove a directory and all that is in it
 * @dir_fd:	the directory above
 * @name:	its name; no link is followed
 *
 * Return: 0, also if there was none, or -errno
 */
int vf_remove_tree(int dir_fd, const char *name);

/**
 * vf_flock() - Lock an open file or directory, exclusively
 * @fd:			descriptor, whose end is that of the lock
 * @deadline_us:	on vf_now_us()'s clock; 0: try once
 *
 * Return: 0, -ETIMEDOUT if somebody else keeps it, -errno
 */
int vf_flock(int fd, int64_t deadline_us);

/**
 * vf_lock() - Take a lock file, exclusively
 * @dir_fd:		directory
 * @name:		lock file, made if it is not there
 * @timeout_ms:		how long to wait
 * @err:		error
 *
 * Return: a descriptor that holds the lock until it is closed, or -errno
 * (-ETIMEDOUT: somebody else keeps it)
 */
int vf_lock(int dir_fd, const char *name, int timeout_ms, struct vf_err *err);

/**
 * vf_random() - Fill with random bytes from the kernel
 * @buf:	where to
 * @len:	bytes, at most 256
 *
 * Return: 0 or -errno
 */
int vf_random(void *buf, size_t len);

/**
 * vf_name_is_valid() - The one place that says what a name may look like
 * @name:	of a VM, a snapshot or a network
 * @max:	longest length, bytes
 *
 * Return: true for [a-z0-9][a-z0-9._-]* of at most @max bytes
 */
bool vf_name_is_valid(const char *name, size_t max);

/* The same as a hint, for @max. */
#define VF_NAME_RULE_FMT \
	"up to %d of a-z 0-9 . _ - beginning with a letter or digit"

/**
 * vf_ascii() - Make a text of unknown origin fit to be shown, in place
 * @text:	text; what is not printable ASCII becomes a question mark
 *
 * Return: @text
 */
char *vf_ascii(char *text);

/**
 * vf_hex() - Write bytes as lower case hexadecimal digits
 * @out:	room for 2 * @len + 1 characters
 * @buf:	bytes
 * @len:	how many
 */
void vf_hex(char *out, const void *buf, size_t len);

/**
 * vf_unhex() - Read what vf_hex() wrote
 * @buf:	out: bytes
 * @len:	how many there have to be
 * @text:	digits
 *
 * Return: 0 or -EBADMSG
 */
int vf_unhex(void *buf, size_t len, const char *text);

#define VF_NAME_MAX 40 /* longest name of a VM or a snapshot */

#endif
