// SPDX-License-Identifier: MIT
#include <errno.h>

#include "bake/lock.h"
#include "base/io.h"

#define WAIT_US (5 * 1000000LL)

int lock_take(int fd, struct vf_err *err)
{
	int ret = vf_flock(fd, vf_now_us() + WAIT_US);

	if (ret == -ETIMEDOUT)
		return vf_err_set(err, EBUSY,
				  "another command is baking into it");
	return ret < 0 ? vf_err_errno(err, ret, "lock") : 0;
}
