// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"
#include "bench/shell.h"

#define OUTPUT_BYTES 65536

/* "TAG status s.us s.us": what the guest prints at the end. */
static int parse_result(const char *text, const char *tag, int64_t *us)
{
	int64_t s[2], frac[2];
	const char *p = strstr(text, tag);
	int status;

	if (!p || !strchr(p, '\n'))
		return -EAGAIN;
	if (sscanf(p + strlen(tag),
		   " %d %" SCNd64 ".%6" SCNd64 " %" SCNd64 ".%6" SCNd64,
		   &status, &s[0], &frac[0], &s[1], &frac[1]) != 5)
		return -EBADMSG;
	*us = (s[1] - s[0]) * 1000000 + frac[1] - frac[0];
	return status ? -EIO : 0;
}

int shell_time(const struct vm *vm, const char *commands, int64_t *us,
	       int timeout_ms, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + (int64_t)timeout_ms * 1000;
	__free char *output = calloc(1, OUTPUT_BYTES + 1);
	__close int fd = vf_unix_connect(vm->run_fd, VMM_CONSOLE_SOCKET, -1,
					 deadline_us);
	char script[4096], tag[17];
	uint64_t random;
	size_t used = 0;
	int ret;

	if (fd < 0 || !output || vf_random(&random, sizeof(random)) < 0)
		return vf_err_errno(err, fd < 0 ? -fd : ENOMEM, "console");
	snprintf(tag, sizeof(tag), "%016" PRIx64, random);
	/* the tag is cut in two, so that the echo of this line is no result */
	snprintf(script, sizeof(script),
		 "\na=$EPOCHREALTIME; ( set -e; %s ); r=$?; "
		 "b=$EPOCHREALTIME; echo; echo %.8s''%s $r $a $b\n",
		 commands, tag, tag + 8);
	ret = vf_write_all(fd, script, strlen(script));
	while (!ret && (ret = parse_result(output, tag, us)) == -EAGAIN) {
		ssize_t n;

		ret = vf_wait_readable(fd, -1, deadline_us);
		if (ret < 0)
			break;
		n = read(fd, output + used, OUTPUT_BYTES - used);
		if (n <= 0)
			ret = -ECONNRESET;
		else
			used += (size_t)n;
		output[used] = '\0';
	}
	return ret < 0 ? vf_err_errno(err, ret, "VM %s: shell", vm->name) : 0;
}
