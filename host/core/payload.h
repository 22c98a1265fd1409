/* SPDX-License-Identifier: MIT */
/*
 * What the user hands to the workloads of forks: a file for all of them, or one
 * for each. It may be a secret: it is read once, kept in memory alone, wiped, and
 * delivered once: the mail with which a fork reboots is a file, and has none.
 */
#ifndef VF_PAYLOAD_H
#define VF_PAYLOAD_H

#include <stdint.h>

#include "base/err.h"
#include "vmfork_payload.h"

struct payload {
	unsigned int len; /* bytes; 0: there is none */
	uint8_t bytes[VMFORK_GUEST_PAYLOAD_MAX];
};

/**
 * payload_read() - Read a payload
 * @payload:		out; payload_wipe() it, also after a failure
 * @dir_fd:		directory, or AT_FDCWD
 * @path:		a regular file or a pipe
 * @cancel_fd:		readable when the user gives up; or -1
 * @deadline_us:	on vf_now_us()'s clock, for a pipe
 * @err:		error
 *
 * Return: 0 or -errno, -EFBIG if it is too large, -ENODATA if it is empty,
 * -EINVAL for what is neither a file nor a pipe
 */
int payload_read(struct payload *payload, int dir_fd, const char *path,
		 int cancel_fd, int64_t deadline_us, struct vf_err *err);

/**
 * payload_wipe() - Leave nothing of it in memory
 * @payload:	payload
 */
void payload_wipe(struct payload *payload);

#endif
