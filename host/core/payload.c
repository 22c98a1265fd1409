// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "core/payload.h"

/* Return: 0 or -errno, -ENODATA at the end, -EFBIG if more comes than fits */
static int read_some(struct payload *payload, int fd)
{
	size_t room = sizeof(payload->bytes) - payload->len;
	uint8_t beyond;
	ssize_t n = room ? read(fd, payload->bytes + payload->len, room)
			 : read(fd, &beyond, sizeof(beyond));

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 : -errno;
	if (n == 0)
		return -ENODATA;
	if (!room)
		return -EFBIG;
	payload->len += (unsigned int)n;
	return 0;
}

static int read_all(struct payload *payload, int fd, int cancel_fd,
		    int64_t deadline_us)
{
	int ret;

	do {
		/* a pipe's writer may take its time, or never come */
		ret = vf_wait_readable(fd, cancel_fd, deadline_us);
		if (!ret)
			ret = read_some(payload, fd);
	} while (!ret);
	return ret == -ENODATA && payload->len ? 0 : ret;
}

int payload_read(struct payload *payload, int dir_fd, const char *path,
		 int cancel_fd, int64_t deadline_us, struct vf_err *err)
{
	__close int fd =
		openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int ret;

	payload->len = 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, errno, "payload %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
		return vf_err_set(err, EINVAL,
				  "payload %s: neither a file nor a pipe",
				  path);
	ret = read_all(payload, fd, cancel_fd, deadline_us);
	if (ret == -ENODATA)
		return vf_err_set(err, ENODATA, "payload %s: is empty", path);
	if (ret == -ETIMEDOUT)
		return vf_err_set(err, ETIMEDOUT,
				  "payload %s: its writer did not come to an "
				  "end in time",
				  path);
	if (ret == -EFBIG)
		return vf_err_set(err, EFBIG,
				  "payload %s: larger than %d bytes", path,
				  VMFORK_GUEST_PAYLOAD_MAX);
	return ret < 0 ? vf_err_errno(err, ret, "payload %s", path) : 0;
}

void payload_wipe(struct payload *payload)
{
	explicit_bzero(payload, sizeof(*payload));
}
