// SPDX-License-Identifier: MIT
/*
 * VMClock, through /dev/vmclock0: poll() where the device can notify, samples
 * of the mapped page every millisecond where it cannot and was asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "monotonic.h"
#include "signal_vmclock.h"

#define DEVICE	  "/dev/vmclock0"
#define READ_MAX  64 /* tries of one reading */
#define SAMPLE_NS (1 * NS_PER_MS)

int vmclock_value(const volatile struct vmclock *clock, uint64_t *value)
{
	for (int i = 0; i < READ_MAX; i++) {
		uint32_t seq = clock->seq_count;
		uint64_t generation, marker, flags;

		if (seq & 1)
			continue;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		flags = clock->flags;
		generation = clock->vm_generation_counter;
		marker = clock->disruption_marker;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (clock->seq_count != seq)
			continue;
		*value = flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT
				 ? generation
				 : marker;
		return 0;
	}
	return -EAGAIN;
}

int vmclock_map(struct signal_source *src, const char **why)
{
	void *page;
	int ret;

	*why = "there is no " DEVICE;
	src->dev_fd = open(DEVICE, O_RDONLY | O_CLOEXEC);
	if (src->dev_fd < 0)
		return -errno;
	page = mmap(NULL, VMCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, src->dev_fd,
		    0);
	if (page == MAP_FAILED) {
		ret = -errno;
		*why = DEVICE " cannot be mapped";
		close(src->dev_fd);
		return ret;
	}
	src->clock = page;
	ret = src->clock->magic == VMCLOCK_MAGIC
		      ? vmclock_value(src->clock, &src->seen)
		      : -EPROTO;
	if (ret < 0) {
		*why = DEVICE " is no VMClock that holds still";
		vmclock_unmap(src);
	}
	return ret;
}

void vmclock_unmap(struct signal_source *src)
{
	munmap((void *)(uintptr_t)src->clock, VMCLOCK_PAGE_SIZE);
	close(src->dev_fd);
}

int vmclock_look(struct signal_source *src)
{
	uint64_t value;

	/* A page that is being written is looked at again at the next wake. */
	if (vmclock_value(src->clock, &value) < 0 || value == src->seen)
		return 0;
	src->seen = value;
	return 1;
}

/* Reading tells the driver what we know, and so arms its poll() again. */
static void notification_arm(struct signal_source *src)
{
	struct vmclock copy;

	while (pread(src->dev_fd, &copy, sizeof(copy), 0) < 0 && errno == EINTR)
		;
}

static bool can_notify(struct signal_source *src)
{
	struct pollfd pfd = { .fd = src->dev_fd, .events = POLLIN };

	notification_arm(src);
	return poll(&pfd, 1, 0) >= 0 &&
	       !(pfd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static int sampler_open(void)
{
	struct itimerspec every = {
		.it_interval = { .tv_nsec = SAMPLE_NS },
		.it_value = { .tv_nsec = SAMPLE_NS },
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && !timerfd_settime(fd, 0, &every, NULL))
		return fd;
	if (fd >= 0)
		close(fd);
	return -errno;
}

static int source_open(struct signal_source *src, bool chosen, const char **why)
{
	int ret = vmclock_map(src, why);

	if (ret < 0)
		return ret;
	if (can_notify(src)) {
		src->fd = src->dev_fd;
		return 0;
	}
	*why = DEVICE " cannot notify";
	ret = chosen ? sampler_open() : -EOPNOTSUPP;
	if (ret < 0) {
		vmclock_unmap(src);
		return ret;
	}
	src->fd = ret;
	return 0;
}

static int source_look(struct signal_source *src)
{
	uint64_t ticks;

	if (src->fd == src->dev_fd)
		notification_arm(src);
	else if (read(src->fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		return -errno;
	return vmclock_look(src);
}

static void source_close(struct signal_source *src)
{
	if (src->fd != src->dev_fd)
		close(src->fd);
	vmclock_unmap(src);
}

const struct signal_ops signal_vmclock = {
	.name = "vmclock",
	.kind = VMFORK_SIGNAL_VMCLOCK,
	.in_auto = true,
	.open = source_open,
	.look = source_look,
	.close = source_close,
};
