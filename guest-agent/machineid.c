// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"
#include "conffile.h"
#include "machineid.h"
#include "settle.h"

#define BOOT_ID	     "proc/sys/kernel/random/boot_id"
#define BOOT_ID_FILE "boot_id" /* ours, below /run */
#define FRESH_UUID   "proc/sys/kernel/random/uuid"
#define UUID_LEN     37 /* with its newline */

static const char *const files[] = {
	"etc/machine-id",
	"var/lib/dbus/machine-id",
};

static int id_write(const struct agent *agent, const char *path)
{
	char text[2 * VMFORK_ID_LEN + 2];
	int ret = conffile_is_plain(agent->root_fd, path);

	if (ret == -ENOENT || ret == -ELOOP)
		return 0;
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < VMFORK_ID_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x",
			 agent->id.guest.machine_id[i]);
	text[2 * VMFORK_ID_LEN] = '\n';
	return conffile_write(agent->root_fd, path, text,
			      2 * VMFORK_ID_LEN + 1);
}

static int uuid_read(const struct agent *agent, char uuid[UUID_LEN])
{
	int fd = openat(agent->root_fd, FRESH_UUID, O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, uuid, UUID_LEN) != UUID_LEN)
		ret = -EIO;
	close(fd);
	return ret;
}

static int file_mount(const struct agent *agent, int file_fd)
{
	int fd = openat(agent->root_fd, BOOT_ID, O_PATH | O_CLOEXEC);
	struct stat file, there;
	char from[32], to[32];
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (fstat(file_fd, &file) < 0 || fstat(fd, &there) < 0) {
		ret = -errno;
	} else if (file.st_dev != there.st_dev || file.st_ino != there.st_ino) {
		snprintf(from, sizeof(from), "/proc/self/fd/%d", file_fd);
		snprintf(to, sizeof(to), "/proc/self/fd/%d", fd);
		if (mount(from, to, NULL, MS_BIND, NULL) < 0)
			ret = -errno;
	}
	close(fd);
	return ret;
}

/* In place: what a former fork mounted is this file, and stays mounted. */
static int boot_id_renew(const struct agent *agent)
{
	char uuid[UUID_LEN];
	int ret = uuid_read(agent, uuid);
	int fd;

	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return ret;
	fd = openat(agent->dir.dir_fd, BOOT_ID_FILE,
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, uuid, sizeof(uuid), 0) != sizeof(uuid))
		ret = -EIO;
	if (!ret)
		ret = file_mount(agent, fd);
	close(fd);
	return ret;
}

int machineid_apply(struct agent *agent)
{
	int ret, first = 0;

	if (!agent->id.guest.has_machine_id)
		return SETTLE_NOTHING;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		ret = id_write(agent, files[i]);
		if (!first)
			first = ret;
	}
	/* one that has just booted has its own */
	if (agent->record.status.signal != VMFORK_SIGNAL_BOOT) {
		ret = boot_id_renew(agent);
		if (!first)
			first = ret;
	}
	return first;
}
