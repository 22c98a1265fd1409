// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

#include "entropy.h"
#include "signals.h"

int entropy_open(const struct mailbox *mbox)
{
	if (!mbox->module_gpa || vmgenid_is_bound())
		return -1;
	return open("/dev/urandom", O_WRONLY | O_CLOEXEC);
}

enum vmfork_reseed entropy_reseed(int fd)
{
	if (fd < 0)
		return VMFORK_RESEED_NONE;
	/* ENODATA: they were never seeded, so nothing of them was given out */
	return ioctl(fd, RNDRESEEDCRNG) < 0 ? VMFORK_RESEED_FAILED
					    : VMFORK_RESEED_DONE;
}
