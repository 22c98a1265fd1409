// SPDX-License-Identifier: MIT
/*
 * The vmfork_mailbox module's device: readable when its generation is not the
 * one that this descriptor read last. It needs no random numbers and no log.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "signals.h"

#define DEVICE "/dev/vmfork"

/* Reading tells the module what we know, and so arms its poll() again. */
static int generation_read(struct signal_source *src, uint64_t *generation)
{
	ssize_t len = read(src->fd, generation, sizeof(*generation));

	if (len == sizeof(*generation))
		return 0;
	return len < 0 ? -errno : -EIO;
}

static int mailbox_source_open(struct signal_source *src, bool chosen,
			       const char **why)
{
	int ret;

	(void)chosen;
	src->fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	if (src->fd < 0) {
		*why = "there is no " DEVICE;
		return -errno;
	}
	ret = generation_read(src, &src->seen);
	if (ret < 0) {
		*why = DEVICE " is not the module's";
		close(src->fd);
	}
	return ret;
}

static int mailbox_source_look(struct signal_source *src)
{
	uint64_t generation;
	int ret = generation_read(src, &generation);

	if (ret < 0)
		return ret;
	if (generation == src->seen)
		return 0;
	src->seen = generation;
	return 1;
}

static void mailbox_source_close(struct signal_source *src)
{
	close(src->fd);
}

const struct signal_ops signal_mailbox = {
	.name = "mailbox",
	.kind = VMFORK_SIGNAL_MAILBOX,
	.in_auto = true,
	.open = mailbox_source_open,
	.look = mailbox_source_look,
	.close = mailbox_source_close,
};
