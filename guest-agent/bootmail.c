// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "bootmail.h"

#define FW_CFG_FILE \
	"/sys/firmware/qemu_fw_cfg/by_name/" VMFORK_FW_CFG_NAME "/raw"

int bootmail_read(struct vmfork_mail *mail)
{
	size_t len = 0;
	ssize_t got;
	int fd, ret = 0;

	fd = open(FW_CFG_FILE, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, (char *)mail + len, sizeof(*mail) - len);
		if (got < 0)
			ret = -errno;
		else
			len += (size_t)got;
	} while (got > 0 && len < sizeof(*mail));
	if (!ret && len != sizeof(*mail))
		ret = -EMSGSIZE;
	close(fd);
	return ret;
}
