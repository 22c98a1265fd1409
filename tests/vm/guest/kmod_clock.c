// SPDX-License-Identifier: MIT
/*
 * A client of /dev/vmclock0, written against the VMClock specification, version
 * 1: it does not know which driver gives it the device.
 *
 *	kmod_clock rules	what can be asked while nothing happens
 *	kmod_clock wait		wait for a restore, by poll or, where poll says
 *				that nothing can notify, by the page
 *
 * What is not as specified is printed, and makes it exit 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmclock.h"

#define DEVICE	"/dev/vmclock0"
#define WAIT_MS 120000
#define NAP_NS	1000000
#define TRIES	1000

static int failures;

static void expect(const char *what, bool holds)
{
	if (holds)
		return;
	printf("not so: %s (%s)\n", what, strerror(errno));
	failures++;
}

/* The fields that a client goes by, as they stood together. */
static bool page_read(const volatile struct vmclock *page, struct vmclock *copy)
{
	for (int i = 0; i < TRIES; i++) {
		uint32_t seq = page->seq_count;

		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		*copy = (struct vmclock){
			.magic = page->magic,
			.size = page->size,
			.version = page->version,
			.counter_id = page->counter_id,
			.seq_count = seq,
			.disruption_marker = page->disruption_marker,
			.flags = page->flags,
			.vm_generation_counter = page->vm_generation_counter,
		};
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(seq & 1) && page->seq_count == seq)
			return true;
	}
	return false;
}

static int clock_open(void)
{
	int fd = open(DEVICE, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		perror(DEVICE);
		failures++;
	}
	return fd;
}

static const volatile struct vmclock *clock_map(int fd)
{
	void *page =
		mmap(NULL, VMCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	expect("the page maps", page != MAP_FAILED);
	return page == MAP_FAILED ? NULL : page;
}

static short poll_once(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) < 0 ? POLLNVAL : pfd.revents;
}

static void rules_of_reading(int fd, const volatile struct vmclock *page)
{
	uint8_t all[VMCLOCK_PAGE_SIZE + 1];
	struct vmclock mapped, copy;
	uint64_t flags;

	expect("the page holds still", page_read(page, &mapped));
	expect("it is a VMClock",
	       mapped.magic == VMCLOCK_MAGIC &&
		       mapped.version == VMCLOCK_VERSION &&
		       mapped.size >= offsetof(struct vmclock, pad));
	expect("reading gives the same",
	       pread(fd, &copy, sizeof(copy), 0) == sizeof(copy) &&
		       copy.seq_count == mapped.seq_count &&
		       copy.disruption_marker == mapped.disruption_marker &&
		       copy.vm_generation_counter ==
			       mapped.vm_generation_counter);
	expect("from any position",
	       pread(fd, &flags, sizeof(flags),
		     offsetof(struct vmclock, flags)) == sizeof(flags) &&
		       flags == mapped.flags);
	expect("up to the page's end",
	       pread(fd, all, sizeof(all), 0) == VMCLOCK_PAGE_SIZE &&
		       pread(fd, all, sizeof(all), VMCLOCK_PAGE_SIZE - 1) == 1);
	expect("and no further",
	       pread(fd, all, sizeof(all), VMCLOCK_PAGE_SIZE) == 0);
	expect("read goes on where it was",
	       read(fd, all, 16) == 16 && read(fd, &copy, 16) == 16 &&
		       !memcmp(&copy, (const void *)&page->disruption_marker,
			       8));
	expect("once read, there is nothing to tell",
	       !(poll_once(fd) & POLLIN));
}

static void rules_of_mapping(int fd)
{
	int writer = open(DEVICE, O_RDWR | O_CLOEXEC);

	errno = 0;
	expect("two pages do not map",
	       mmap(NULL, 2 * VMCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, fd,
		    0) == MAP_FAILED &&
		       errno == EINVAL);
	expect("another offset does not map",
	       mmap(NULL, VMCLOCK_PAGE_SIZE, PROT_READ, MAP_SHARED, fd,
		    VMCLOCK_PAGE_SIZE) == MAP_FAILED &&
		       errno == EINVAL);
	if (writer < 0)
		return;
	expect("nobody maps it to write",
	       mmap(NULL, VMCLOCK_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    writer, 0) == MAP_FAILED &&
		       errno == EROFS);
	close(writer);
}

static void rules(void)
{
	int fd = clock_open();
	const volatile struct vmclock *page;

	if (fd < 0)
		return;
	page = clock_map(fd);
	if (!page)
		return;
	rules_of_reading(fd, page);
	rules_of_mapping(fd);
}

/* Return: what woke it */
static const char *wait_change(int fd, const volatile struct vmclock *page,
			       uint32_t seq)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (!(poll_once(fd) & POLLHUP)) {
		epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		expect("a restore wakes epoll",
		       epoll_wait(epoll, &event, 1, WAIT_MS) == 1 &&
			       event.events & EPOLLIN);
		return "poll";
	}
	for (int i = 0; i < WAIT_MS && page->seq_count == seq; i++)
		nanosleep(&nap, NULL);
	return "page";
}

static void wait_restore(void)
{
	int fd = clock_open(), other = clock_open();
	const volatile struct vmclock *page;
	struct vmclock before, after;
	const char *how;

	if (fd < 0 || other < 0)
		return;
	page = clock_map(fd);
	if (!page || pread(fd, &before, sizeof(before), 0) < 0 ||
	    pread(other, &before, sizeof(before), 0) < 0) {
		failures++;
		return;
	}
	puts("waiting");
	fflush(stdout);
	how = wait_change(fd, page, before.seq_count);
	expect("the page holds still", page_read(page, &after));
	expect("seq_count is another", after.seq_count != before.seq_count);
	expect("so is the disruption marker",
	       after.disruption_marker != before.disruption_marker);
	expect("there is a generation counter",
	       after.flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT);
	expect("which was raised by one",
	       after.vm_generation_counter == before.vm_generation_counter + 1);
	if (!strcmp(how, "poll")) {
		expect("it is readable until it is read",
		       poll_once(fd) & POLLIN);
		pread(fd, &after, sizeof(after), 0);
		expect("reading arms it again", !(poll_once(fd) & POLLIN));
		expect("for the one that read alone",
		       poll_once(other) & POLLIN);
	}
	printf("waited by %s\n", how);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "rules"))
		rules();
	else if (argc == 2 && !strcmp(argv[1], "wait"))
		wait_restore();
	else
		return 2;
	return failures != 0;
}
