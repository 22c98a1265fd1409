// SPDX-License-Identifier: MIT
/*
 * VMGenID, by what the kernel logs when it changes (drivers/char/random.c,
 * random_pm/add_vmfork_randomness). It does so only if its random numbers were
 * ready, and userspace is not told otherwise. /dev/kmsg is opened once and kept:
 * closed in between, it would lose the restore that falls into the gap.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "signals.h"

#define FORK_TEXT "random: crng reseeded due to virtual machine fork"

/* A driver's folder has a link for each device that is bound to it. */
static bool driver_has_device(const char *path)
{
	const struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	while (dir && !found && (entry = readdir(dir)))
		found = entry->d_type == DT_LNK &&
			strcmp(entry->d_name, "module") != 0;
	if (dir)
		closedir(dir);
	return found;
}

/* It was an ACPI driver before it became a platform driver. */
static bool vmgenid_is_bound(void)
{
	return driver_has_device("/sys/bus/platform/drivers/vmgenid") ||
	       driver_has_device("/sys/bus/acpi/drivers/vmgenid");
}

bool kmsg_is_fork(const char *record, unsigned long len)
{
	const char *text = memchr(record, ';', len);
	const char *end;
	unsigned long prefix = 0;

	if (!text || *record < '0' || *record > '9')
		return false;
	/* "PRIORITY,SEQUENCE,TIME,FLAGS;TEXT\n"; facility 0 is the kernel */
	for (const char *p = record; *p >= '0' && *p <= '9' && p < text; p++) {
		prefix = prefix * 10 + (unsigned long)(*p - '0');
		if (prefix > 4095)
			return false;
	}
	if (prefix >> 3)
		return false;
	text++;
	len -= (unsigned long)(text - record);
	end = memchr(text, '\n', len);
	if (end)
		len = (unsigned long)(end - text);
	return len == sizeof(FORK_TEXT) - 1 && !memcmp(text, FORK_TEXT, len);
}

static int vmgenid_open(struct signal_source *src, bool chosen,
			const char **why)
{
	(void)chosen;
	if (!vmgenid_is_bound()) {
		*why = "there is no VMGenID device, or no driver for it";
		return -ENODEV;
	}
	src->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (src->fd < 0 || lseek(src->fd, 0, SEEK_END) < 0) {
		int ret = -errno;

		*why = "/dev/kmsg cannot be read";
		if (src->fd >= 0)
			close(src->fd);
		return ret;
	}
	return 0;
}

static int vmgenid_look(struct signal_source *src)
{
	char record[1024];
	int forks = 0;
	ssize_t len;

	for (;;) {
		len = read(src->fd, record, sizeof(record));
		if (len > 0)
			forks += kmsg_is_fork(record, (unsigned long)len);
		else if (len < 0 && errno == EAGAIN)
			return forks > 0;
		/* lost records, one too long for us: there may be more */
		else if (len == 0 ||
			 (errno != EPIPE && errno != EINTR && errno != EINVAL))
			return -EIO;
	}
}

static void vmgenid_close(struct signal_source *src)
{
	close(src->fd);
}

const struct signal_ops signal_vmgenid = {
	.name = "vmgenid",
	.kind = VMFORK_SIGNAL_VMGENID,
	.in_auto = true,
	.open = vmgenid_open,
	.look = vmgenid_look,
	.close = vmgenid_close,
};
