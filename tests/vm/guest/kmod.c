// SPDX-License-Identifier: MIT
/*
 * What /dev/vmfork promises, tried out inside a guest.
 *
 *	kmod maps		who may map what
 *	kmod reads		read and poll while no fork happens
 *	kmod wait		wait for a fork on two descriptors
 *	kmod cycle FILE N	load and unload a module N times
 *	kmod many N		8 processes open, map, poll, read, close N times
 *
 * What is not as promised is printed, and makes it exit 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmfork_mailbox.h"

#define DEVICE	  "/dev/vmfork"
#define PAGE	  VMFORK_MAILBOX_SIZE
#define PROCESSES 8
#define WAIT_MS	  120000

static int failures;

static void expect(const char *what, bool holds)
{
	if (holds)
		return;
	printf("not so: %s (%s)\n", what, strerror(errno));
	failures++;
}

static int device_open(int flags)
{
	int fd = open(DEVICE, flags | O_CLOEXEC);

	if (fd < 0) {
		perror(DEVICE);
		exit(1);
	}
	return fd;
}

/* One mapping that has to be refused, or granted and undone. */
static const struct map_rule {
	const char *what;
	size_t len;
	int prot;
	int flags;
	off_t offset;
	int open_flags;
	int error; /* 0: granted */
} map_rules[] = {
	{ "the page", PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0, O_RDWR, 0 },
	{ "read only", PAGE, PROT_READ, MAP_SHARED, 0, O_RDONLY, 0 },
	{ "two pages", 2 * PAGE, PROT_READ, MAP_SHARED, 0, O_RDWR, EINVAL },
	{ "many pages", 512 * PAGE, PROT_READ, MAP_SHARED, 0, O_RDWR, EINVAL },
	{ "another offset", PAGE, PROT_READ, MAP_SHARED, PAGE, O_RDWR, EINVAL },
	{ "private", PAGE, PROT_READ, MAP_PRIVATE, 0, O_RDWR, EINVAL },
	{ "private, to write", PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0,
	  O_RDWR, EINVAL },
	{ "executable", PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0, O_RDWR,
	  EINVAL },
	{ "to write by a reader", PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0,
	  O_RDONLY, EACCES },
	{ "by a writer that cannot read", PAGE, PROT_WRITE, MAP_SHARED, 0,
	  O_WRONLY, EACCES },
};

static void map_rule_try(const struct map_rule *rule)
{
	int fd = device_open(rule->open_flags);
	void *page;

	errno = 0;
	page = mmap(NULL, rule->len, rule->prot, rule->flags, fd, rule->offset);
	if (rule->error)
		expect(rule->what, page == MAP_FAILED && errno == rule->error);
	else
		expect(rule->what, page != MAP_FAILED);
	if (page != MAP_FAILED)
		munmap(page, rule->len);
	close(fd);
}

/* What a mapping that was granted may not become. */
static void maps_stay(void)
{
	int reader = device_open(O_RDONLY), writer = device_open(O_RDWR);
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, reader, 0);
	char *rw =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	const struct vmfork_header *header = (void *)ro;

	if (ro == MAP_FAILED || rw == MAP_FAILED) {
		expect("two mappings", false);
		return;
	}
	close(reader);
	errno = 0;
	expect("a reader's becomes no writer's",
	       mprotect(ro, PAGE, PROT_READ | PROT_WRITE) < 0 &&
		       errno == EACCES);
	expect("a reader's becomes not executable",
	       mprotect(ro, PAGE, PROT_READ | PROT_EXEC) < 0 &&
		       errno == EACCES);
	expect("a writer's becomes not executable",
	       mprotect(rw, PAGE, PROT_READ | PROT_EXEC) < 0 &&
		       errno == EACCES);
	expect("it does not grow",
	       mremap(rw, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	rw[PAGE - 1] = 0x5a;
	expect("both are one page", ro[PAGE - 1] == 0x5a);
	rw[PAGE - 1] = 0;
	expect("the header says where it is",
	       header->version == VMFORK_MAILBOX_VERSION &&
		       header->page_size == PAGE && header->gpa &&
		       header->gpa % PAGE == 0);
	munmap(ro, PAGE);
	munmap(rw, PAGE);
	close(writer);
}

static void maps(void)
{
	for (size_t i = 0; i < sizeof(map_rules) / sizeof(map_rules[0]); i++)
		map_rule_try(&map_rules[i]);
	maps_stay();
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) == 1 && pfd.revents == POLLIN;
}

static void reads(void)
{
	int fd = device_open(O_RDONLY);
	uint64_t generation[2] = { 0 };

	expect("not readable before a fork", !is_readable(fd, 0));
	errno = 0;
	expect("seven bytes are refused",
	       read(fd, generation, 7) < 0 && errno == EINVAL);
	expect("nine bytes are refused",
	       read(fd, generation, 9) < 0 && errno == EINVAL);
	expect("none are refused", read(fd, generation, 0) < 0);
	expect("eight bytes are the generation",
	       read(fd, generation, 8) == 8 &&
		       read(fd, generation + 1, 8) == 8 &&
		       generation[0] == generation[1]);
	expect("a bad address is told",
	       syscall(SYS_read, fd, (void *)16, 8) < 0 && errno == EFAULT);
	expect("it has no positions",
	       pread(fd, generation, 8, 0) < 0 && errno == ESPIPE);
	expect("nobody writes into it", write(fd, generation, 8) < 0);
	close(fd);
}

/* Two descriptors: what one has read, the other has not. */
static void wait_fork(void)
{
	int one = device_open(O_RDONLY), two = device_open(O_RDONLY);
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t before = 0, after = 0;

	read(one, &before, 8);
	epoll_ctl(epoll, EPOLL_CTL_ADD, one, &event);
	puts("waiting");
	fflush(stdout);
	expect("a fork wakes epoll",
	       epoll_wait(epoll, &event, 1, WAIT_MS) == 1 &&
		       event.events == EPOLLIN);
	expect("and it is readable", is_readable(one, 0));
	expect("the generation is the next one",
	       read(one, &after, 8) == 8 && after == before + 1);
	expect("reading arms it again", !is_readable(one, 0));
	expect("the other is readable still", is_readable(two, 0));
	expect("it reads the same",
	       read(two, &before, 8) == 8 && before == after);
	expect("and is armed again", !is_readable(two, 0));
	puts("waited");
}

static void cycle(const char *file, long num)
{
	char name[64] = "";
	const char *base = strrchr(file, '/');

	snprintf(name, sizeof(name), "%s", base ? base + 1 : file);
	name[strcspn(name, ".")] = '\0';
	for (long i = 0; i < num && !failures; i++) {
		int fd = open(file, O_RDONLY | O_CLOEXEC);

		expect("it loads", syscall(SYS_finit_module, fd, "", 0) == 0);
		close(fd);
		expect("it unloads",
		       syscall(SYS_delete_module, name, O_NONBLOCK) == 0);
	}
}

static void many_once(void)
{
	int fd = device_open(O_RDWR);
	uint64_t generation;
	void *page =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	expect("it maps", page != MAP_FAILED);
	if (page != MAP_FAILED)
		expect("the page is there",
		       ((struct vmfork_header *)page)->page_size == PAGE);
	expect("it is not readable", !is_readable(fd, 0));
	expect("it reads", read(fd, &generation, 8) == 8);
	/* the page and the descriptor keep the module each, in any order */
	if (getpid() % 2) {
		close(fd);
		munmap(page, PAGE);
	} else {
		munmap(page, PAGE);
		close(fd);
	}
}

static void many(long num)
{
	int status;

	for (int i = 0; i < PROCESSES; i++) {
		if (fork() != 0)
			continue;
		for (long n = 0; n < num && !failures; n++)
			many_once();
		_exit(failures != 0);
	}
	for (int i = 0; i < PROCESSES; i++)
		expect("all processes succeed",
		       wait(&status) > 0 && status == 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "maps"))
		maps();
	else if (!strcmp(what, "reads"))
		reads();
	else if (!strcmp(what, "wait"))
		wait_fork();
	else if (!strcmp(what, "cycle") && argc == 4)
		cycle(argv[2], atol(argv[3]));
	else if (!strcmp(what, "many") && argc == 3)
		many(atol(argv[2]));
	else
		return 2;
	return failures != 0;
}
