// SPDX-License-Identifier: MIT
/*
 * The sweep over memory of a process that has a userfaultfd on it, as QEMU has
 * while it saves a guest that runs: some pages are saved and changed already, the
 * others are not; and of those that are swept QEMU writes something newer.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <endian.h>
#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "unit/scratch.h"
#include "vmm/pagemap.h"
#include "vmm/qemu.h"

#define PAGES	   1300 /* two huge pages and a bit */
#define BYTES	   ((uint64_t)PAGES * EXTENT_PAGE)
#define RAM_OFFSET (1 << 20)
#define TAIL	   "devices"
#define SOON_US	   30000000

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct guest {
	struct scratch dir;
	uint8_t *mem; /* at the same place in the child */
	struct qemu qemu;
	struct vmm vmm;
	struct vf_err err;
};

/* What a page held in the pause; of each seventh, zeros. */
static uint8_t original(uint64_t page)
{
	return page % 7 ? (uint8_t)(page % 251 + 1) : 0;
}

/* QEMU came that far, and somewhere it served the guest. */
static bool is_saved(uint64_t page)
{
	return page < 30 || page == 600 || page == PAGES - 1;
}

static void protect(int uffd, uint8_t *at, uint64_t bytes, bool on)
{
	struct uffdio_writeprotect ask = {
		.range = { (uintptr_t)at, bytes },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	if (ioctl(uffd, UFFDIO_WRITEPROTECT, &ask) < 0)
		_exit(1);
}

static _Noreturn void child_main(uint8_t *mem, int ready_fd)
{
	int uffd = (int)syscall(SYS_userfaultfd,
				O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, BYTES },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (uint64_t p = 0; p < PAGES; p++)
		memset(mem + p * EXTENT_PAGE, original(p), EXTENT_PAGE);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) < 0 ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg) < 0)
		_exit(77);
	protect(uffd, mem, BYTES, true);
	for (uint64_t p = 0; p < PAGES; p++) {
		if (!is_saved(p))
			continue;
		protect(uffd, mem + p * EXTENT_PAGE, EXTENT_PAGE, false);
		memset(mem + p * EXTENT_PAGE, 0xee, EXTENT_PAGE);
	}
	if (write(ready_fd, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static void put(FILE *file, uint64_t value, size_t bytes)
{
	value = htobe64(value << (64 - 8 * bytes));
	fwrite(&value, bytes, 1, file);
}

static void put_name(FILE *file, const char *name)
{
	put(file, strlen(name), 1);
	fputs(name, file);
}

/* QEMU's file up to its pages, and what stands behind them. */
static void put_frame(int dir_fd)
{
	int fd = openat(dir_fd, VMM_MEMORY_FILE, O_RDWR | O_CREAT, 0600);
	__fclose FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	fputs("QEVM", file);
	put(file, 3, 4);
	put(file, 0x07, 1);
	put(file, 3, 4);
	fputs("q35", file);
	put(file, 0x01, 1);
	put(file, 2, 4);
	put_name(file, "ram");
	put(file, 0, 4);
	put(file, 4, 4);
	put(file, BYTES | 0x04, 8);
	put_name(file, QEMU_RAM_BLOCK);
	put(file, BYTES, 8);
	put(file, 1, 4);
	put(file, EXTENT_PAGE, 8);
	put(file, EXTENT_PAGE, 8);
	put(file, RAM_OFFSET, 8);
	fseek(file, RAM_OFFSET + BYTES, SEEK_SET);
	fputs(TAIL, file);
}

static void save_page(int dir_fd, uint64_t page, uint8_t fill)
{
	__close int fd = openat(dir_fd, VMM_MEMORY_FILE, O_WRONLY | O_CLOEXEC);
	uint8_t data[EXTENT_PAGE];

	memset(data, fill, sizeof(data));
	assert_int_equal(pwrite(fd, data, sizeof(data),
				(off_t)(RAM_OFFSET + page * EXTENT_PAGE)),
			 sizeof(data));
}

static int setup(void **state)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	struct process *proc = &guest->vmm.proc;
	int fds[2];
	char byte;

	*state = guest;
	guest->mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guest->mem == MAP_FAILED || scratch_init(&guest->dir) < 0 ||
	    pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	proc->pid = fork();
	if (proc->pid == 0)
		child_main(guest->mem, fds[1]);
	close(fds[1]);
	proc->pidfd = (int)syscall(SYS_pidfd_open, proc->pid, 0);
	guest->vmm.priv = &guest->qemu;
	guest->vmm.cancel_fd = -1;
	guest->qemu.memory.hva = (uintptr_t)guest->mem;
	/* 0: this kernel has no such protection for us */
	guest->qemu.memory.bytes = read(fds[0], &byte, 1) == 1 ? BYTES : 0;
	close(fds[0]);
	put_frame(guest->dir.dir_fd);
	for (uint64_t p = 0; p < PAGES; p++)
		if (is_saved(p) && original(p))
			save_page(guest->dir.dir_fd, p, original(p));
	return 0;
}

static int teardown(void **state)
{
	struct guest *guest = *state;

	process_kill(&guest->vmm.proc, 0);
	process_close(&guest->vmm.proc);
	unlinkat(guest->dir.dir_fd, VMM_MEMORY_FILE, 0);
	munmap(guest->mem, BYTES);
	scratch_exit(&guest->dir);
	free(guest);
	return 0;
}

static uint64_t num_guarded(struct guest *guest)
{
	struct extents set;
	uint64_t pages;

	if (!guest->qemu.memory.bytes ||
	    pagemap_scan(guest->vmm.proc.pid, (uintptr_t)guest->mem, 0, PAGES,
			 PAGEMAP_GUARDED, &set, &guest->err) < 0)
		skip();
	pages = set.pages;
	extents_exit(&set);
	return pages;
}

static uint64_t num_saved(void)
{
	uint64_t num = 0;

	for (uint64_t p = 0; p < PAGES; p++)
		num += is_saved(p);
	return num;
}

static void check_image(const struct guest *guest)
{
	__close int fd = openat(guest->dir.dir_fd, VMM_MEMORY_FILE,
				O_RDONLY | O_CLOEXEC);
	uint8_t data[EXTENT_PAGE], want[EXTENT_PAGE];
	char tail[sizeof(TAIL)] = "";

	for (uint64_t p = 0; p < PAGES; p++) {
		memset(want, original(p), sizeof(want));
		assert_int_equal(pread(fd, data, sizeof(data),
				       (off_t)(RAM_OFFSET + p * EXTENT_PAGE)),
				 sizeof(data));
		assert_memory_equal(data, want, sizeof(want));
	}
	assert_int_equal(pread(fd, tail, sizeof(tail), RAM_OFFSET + BYTES),
			 strlen(TAIL));
	assert_string_equal(tail, TAIL);
}

static void image_is_of_one_moment(void **state)
{
	struct guest *guest = *state;
	__close int cancel_fd = eventfd(1, EFD_CLOEXEC);
	int dir_fd = guest->dir.dir_fd;
	struct extents ours = { 0 };

	assert_int_equal(num_guarded(guest), PAGES - num_saved());
	assert_int_equal(qemu_sweep(&guest->vmm, dir_fd, vf_now_us() + SOON_US,
				    &ours, &guest->err),
			 0);
	assert_int_equal(ours.pages, PAGES - num_saved());
	/* all of it is the guest's again; QEMU comes too late */
	assert_int_equal(num_guarded(guest), 0);
	for (uint64_t p = 30; p < PAGES; p += 2)
		if (!is_saved(p))
			save_page(dir_fd, p, 0xdd);
	assert_int_equal(
		qemu_sweep_merge(dir_fd, &ours, cancel_fd, &guest->err),
		-ECANCELED);
	assert_int_equal(qemu_sweep_merge(dir_fd, &ours, -1, &guest->err), 0);
	check_image(guest);
	assert_int_equal(faccessat(dir_fd, VMM_SWEPT_FILE, F_OK, 0), -1);
	extents_exit(&ours);
}

/* Without time there is nothing of ours: QEMU has to do it, and does. */
static void no_time_is_no_harm(void **state)
{
	struct guest *guest = *state;
	int dir_fd = guest->dir.dir_fd;
	struct extents ours = { 0 };

	assert_int_equal(num_guarded(guest), PAGES - num_saved());
	assert_int_equal(qemu_sweep(&guest->vmm, dir_fd, 1, &ours, &guest->err),
			 0);
	assert_int_equal(ours.pages, 0);
	assert_int_equal(num_guarded(guest), PAGES - num_saved());
	for (uint64_t p = 0; p < PAGES; p++)
		if (!is_saved(p) && original(p))
			save_page(dir_fd, p, original(p));
	assert_int_equal(qemu_sweep_merge(dir_fd, &ours, -1, &guest->err), 0);
	check_image(guest);
	assert_int_equal(faccessat(dir_fd, VMM_SWEPT_FILE, F_OK, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(image_is_of_one_moment, setup,
						teardown),
		cmocka_unit_test_setup_teardown(no_time_is_no_harm, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
