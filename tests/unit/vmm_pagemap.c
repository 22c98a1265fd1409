// SPDX-License-Identifier: MIT
/* The changed pages of a process: by the ioctl, by the file, and copied. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/pagemap.h"
#include "vmm/vmm.h"

#define PAGES 4096
#define BYTES ((uint64_t)PAGES * EXTENT_PAGE)

/* A private mapping of a file of ours that is read whole, so that it is there. */
static uint8_t *map_file(void)
{
	__close int fd = memfd_create("image", MFD_CLOEXEC);
	uint8_t *mem;

	assert_int_equal(ftruncate(fd, BYTES), 0);
	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(
			pwrite(fd, &p, sizeof(p), (off_t)(p * EXTENT_PAGE)),
			sizeof(p));
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (uint64_t p = 0; p < PAGES; p++)
		assert_int_equal(*(volatile uint64_t *)(mem + p * EXTENT_PAGE),
				 p);
	return mem;
}

static void change(uint8_t *mem, uint64_t page)
{
	memset(mem + page * EXTENT_PAGE, (int)(page & 0x7f) + 1, EXTENT_PAGE);
}

/* Pages 7, 100 to 102, and each 64th from 1024 on. */
static void change_some(uint8_t *mem)
{
	change(mem, 7);
	for (uint64_t p = 100; p < 103; p++)
		change(mem, p);
	for (uint64_t p = 1024; p < PAGES; p += 64)
		change(mem, p);
}

static void check_set(const struct extents *set)
{
	assert_int_equal(set->num, 2 + 48);
	assert_int_equal(set->pages, 4 + 48);
	assert_int_equal(set->runs[0].page, 7);
	assert_int_equal(set->runs[1].page, 100);
	assert_int_equal(set->runs[1].num, 3);
	for (uint64_t i = 0; i < 48; i++)
		assert_int_equal(set->runs[2 + i].page, 1024 + 64 * i);
}

static void scan_and_file_agree(void **state)
{
	__close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct extents set = { 0 };
	uint8_t *mem = map_file();
	struct vf_err err;

	(void)state;
	assert_int_equal(pagemap_scan(getpid(), (uintptr_t)mem, 0, PAGES,
				      PAGEMAP_PRIVATE, &set, &err),
			 0);
	assert_int_equal(set.pages, 0);
	change_some(mem);
	assert_int_equal(pagemap_scan(getpid(), (uintptr_t)mem, 0, PAGES,
				      PAGEMAP_PRIVATE, &set, &err),
			 0);
	check_set(&set);
	extents_exit(&set);
	assert_int_equal(pagemap_read(fd, (uintptr_t)mem, 0, PAGES,
				      PAGEMAP_WRITTEN, &set),
			 0);
	check_set(&set);
	extents_exit(&set);
	/* a stretch: page numbers stay those of the whole */
	assert_int_equal(
		pagemap_read(fd, (uintptr_t)mem, 101, 1, PAGEMAP_WRITTEN, &set),
		0);
	assert_int_equal(set.pages, 1);
	assert_int_equal(set.runs[0].page, 101);
	extents_exit(&set);
	munmap(mem, BYTES);
}

static uint64_t count(const uint8_t *mem, enum pagemap_kind kind)
{
	struct extents set;
	struct vf_err err;
	uint64_t pages;

	assert_int_equal(pagemap_scan(getpid(), (uintptr_t)mem, 0, PAGES, kind,
				      &set, &err),
			 0);
	pages = set.pages;
	extents_exit(&set);
	return pages;
}

/* The page of zeros is a change only where something else was before. */
static void zeros_are_told_apart(void **state)
{
	uint8_t *mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(madvise(mem, BYTES, MADV_NOHUGEPAGE), 0);
	assert_int_equal(count(mem, PAGEMAP_WRITTEN), 0);
	assert_int_equal(((volatile uint8_t *)mem)[3 * EXTENT_PAGE], 0);
	assert_int_equal(count(mem, PAGEMAP_WRITTEN), 1);
	assert_int_equal(count(mem, PAGEMAP_PRIVATE), 0);
	change(mem, 4);
	assert_int_equal(count(mem, PAGEMAP_WRITTEN), 2);
	assert_int_equal(count(mem, PAGEMAP_PRIVATE), 1);
	munmap(mem, BYTES);
}

/* Return: how many pages were copied, each as it is in memory */
static uint64_t check_copy(const struct vmm_copy *copy, const uint8_t *mem)
{
	uint64_t seen = 0;

	for (unsigned int i = 0; i < copy->num; i++) {
		const struct vmm_slice *slice = &copy->slices[i];
		const uint8_t *at = slice->buf;

		for (size_t k = 0; k < slice->pages.num; k++) {
			const struct extent *e = &slice->pages.runs[k];

			assert_memory_equal(at, mem + e->page * EXTENT_PAGE,
					    e->num * EXTENT_PAGE);
			at += e->num * EXTENT_PAGE;
			seen += e->num;
		}
	}
	return seen;
}

/* Out of memory, a changed page is still changed, and copied as it was. */
static void swapped_pages_are_found(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	__close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct vmm_copy copy;
	struct extents set;
	struct vf_err err;
	uint64_t word;

	(void)state;
	change_some(mem);
	assert_int_equal(madvise(mem, BYTES, MADV_PAGEOUT), 0);
	assert_int_equal(
		vf_pread_all(fd, &word, sizeof(word),
			     (off_t)(((uintptr_t)mem / EXTENT_PAGE + 7) * 8)),
		0);
	assert_int_equal(vmm_memory_changed(&vmm, &memory, &set, &err), 0);
	check_set(&set);
	assert_int_equal(vmm_copy_open(&copy, &memory, &set, 1 << 20, &err), 0);
	assert_int_equal(vmm_memory_copy(&vmm, &memory, &copy, &err), 0);
	assert_int_equal(check_copy(&copy, mem), set.pages);
	vmm_copy_close(&copy);
	extents_exit(&set);
	munmap(mem, BYTES);
	/* without swap space they stayed where they were: all else was tested */
	if (!(word & 1ULL << 62))
		skip();
}

/* The file's words: what is swapped has changed, what is the image's has not. */
static void words_are_read(void **state)
{
	const uint64_t words[] = {
		0,
		1ULL << 63,
		1ULL << 62,
		5ULL << 61 | 0x77,
		1ULL << 62 | 1ULL << 61,
		1ULL << 63 | 0x77,
	};
	__close int fd = memfd_create("pagemap", MFD_CLOEXEC);
	struct extents set = { 0 };

	(void)state;
	assert_int_equal(pwrite(fd, words, sizeof(words), 8 * sizeof(*words)),
			 sizeof(words));
	assert_int_equal(pagemap_read(fd, 8 * EXTENT_PAGE, 0, ARRAY_SIZE(words),
				      PAGEMAP_WRITTEN, &set),
			 0);
	assert_int_equal(set.num, 2);
	assert_int_equal(set.pages, 3);
	assert_int_equal(set.runs[0].page, 1);
	assert_int_equal(set.runs[0].num, 2);
	assert_int_equal(set.runs[1].page, 5);
	extents_exit(&set);
	assert_int_equal(pagemap_read(fd, 8 * EXTENT_PAGE, 0, ARRAY_SIZE(words),
				      PAGEMAP_TOUCHED, &set),
			 0);
	assert_int_equal(set.num, 1);
	assert_int_equal(set.pages, 5);
	extents_exit(&set);
}

/* Pages that were only looked at are found, by either way, and no others. */
static void looks_are_found(void **state)
{
	__close int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	struct extents set, same = { 0 };
	struct vf_err err;

	(void)state;
	assert_int_equal(madvise(mem, BYTES, MADV_DONTNEED), 0);
	assert_int_equal(vmm_memory_touched(&vmm, &memory, &set, &err), 0);
	assert_int_equal(set.pages, 0);
	assert_int_equal(((volatile uint8_t *)mem)[3 * EXTENT_PAGE], 3);
	change(mem, PAGES - 1);
	assert_int_equal(vmm_memory_touched(&vmm, &memory, &set, &err), 0);
	/* the kernel maps the neighbours of what is looked at, too */
	assert_true(extents_next(&set, 3)->page <= 3);
	assert_true(extents_next(&set, PAGES - 1)->page <= PAGES - 1);
	assert_true(set.pages < PAGES / 2);
	assert_int_equal(pagemap_read(fd, (uintptr_t)mem, 0, PAGES,
				      PAGEMAP_TOUCHED, &same),
			 0);
	assert_int_equal(same.pages, set.pages);
	assert_int_equal(same.num, set.num);
	extents_exit(&set);
	extents_exit(&same);
	munmap(mem, BYTES);
}

/* Many runs, more than one answer of the kernel's holds, all over the slices. */
static void copies_are_true(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	struct vmm_copy copy;
	struct extents set;
	struct vf_err err;

	(void)state;
	for (uint64_t p = 0; p < PAGES; p += 2)
		change(mem, p);
	assert_int_equal(vmm_memory_changed(&vmm, &memory, &set, &err), 0);
	assert_int_equal(set.pages, PAGES / 2);
	assert_int_equal(vmm_copy_open(&copy, &memory, &set, 1 << 20, &err), 0);
	/* some more, that nobody counted */
	change(mem, 9);
	change(mem, PAGES - 1);
	assert_int_equal(vmm_memory_copy(&vmm, &memory, &copy, &err), 0);
	assert_int_equal(check_copy(&copy, mem), PAGES / 2 + 2);
	vmm_copy_close(&copy);
	extents_exit(&set);
	munmap(mem, BYTES);
}

/* A run that one call cannot copy goes on in the next, and the one behind it. */
static void runs_take_calls(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	struct vmm_copy copy;
	struct extents set;
	struct vf_err err;

	(void)state;
	change(mem, 2);
	for (uint64_t p = 5; p < 5 + 1000; p++)
		change(mem, p);
	change(mem, 2000);
	assert_int_equal(vmm_memory_changed(&vmm, &memory, &set, &err), 0);
	assert_int_equal(set.pages, 1002);
	for (uint64_t pages = 1; pages < 2000; pages *= 3) {
		assert_int_equal(
			vmm_copy_open(&copy, &memory, &set, 1 << 20, &err), 0);
		copy.call_pages = pages;
		assert_int_equal(vmm_memory_copy(&vmm, &memory, &copy, &err),
				 0);
		assert_int_equal(check_copy(&copy, mem), 1002);
		vmm_copy_close(&copy);
	}
	extents_exit(&set);
	munmap(mem, BYTES);
}

static void too_little_room(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	struct extents none = { 0 };
	struct vmm_copy copy;
	struct vf_err err;

	(void)state;
	assert_int_equal(vmm_copy_open(&copy, &memory, &none, 1 << 20, &err),
			 0);
	for (uint64_t p = 0; p < PAGES; p++)
		change(mem, p);
	assert_int_equal(vmm_memory_copy(&vmm, &memory, &copy, &err), -ENOBUFS);
	vmm_copy_close(&copy);
	munmap(mem, BYTES);
}

/* A child that shared the copy would make each first write to it copy a page. */
static void children_have_no_part(void **state)
{
	uint8_t *mem = map_file();
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	struct extents none = { 0 };
	struct vmm_copy copy;
	struct vf_err err;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(vmm_copy_open(&copy, &memory, &none, 1 << 20, &err),
			 0);
	pid = fork();
	if (pid == 0) {
		int fds[2];

		_exit(pipe2(fds, O_CLOEXEC) == 0 &&
		      write(fds[1], copy.slices[0].buf, 1) < 0 &&
		      errno == EFAULT);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	vmm_copy_close(&copy);
	munmap(mem, BYTES);
}

/* A machine's memory is not filled up with a copy of a guest's. */
static void memory_is_left(void **state)
{
	const uint64_t bytes = vmm_memory_available() & ~(BYTES - 1);
	const struct vmm_memory memory = { 0, bytes, true };
	struct extents most = { 0 }, some = { 0 };
	struct vmm_copy copy;
	struct vf_err err;

	(void)state;
	assert_true(bytes > 0);
	extents_add(&most, 0, bytes / EXTENT_PAGE * 3 / 4);
	extents_add(&some, 0, bytes / EXTENT_PAGE / 8);
	assert_false(vmm_copy_fits(&memory, &most, 0));
	assert_true(vmm_copy_fits(&memory, &some, 0));
	assert_int_equal(vmm_copy_open(&copy, &memory, &most, 0, &err),
			 -ENOMEM);
	vmm_copy_close(&copy);
	extents_exit(&most);
	extents_exit(&some);
}

static void written_pages_stay_inside(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file(), page[EXTENT_PAGE];
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	const struct vmm_patch good[] = { { 1, 1, page },
					  { PAGES - 1, 1, page } };
	const struct vmm_patch behind = { PAGES, 1, page };
	const struct vmm_patch across = { PAGES - 1, 2, page };
	struct vf_err err;

	(void)state;
	memset(page, 'w', sizeof(page));
	assert_int_equal(
		vmm_memory_write(&vmm, &memory, good, ARRAY_SIZE(good), &err),
		0);
	assert_memory_equal(mem + EXTENT_PAGE, page, sizeof(page));
	assert_memory_equal(mem + BYTES - EXTENT_PAGE, page, sizeof(page));
	assert_int_equal(vmm_memory_write(&vmm, &memory, &behind, 1, &err),
			 -EFAULT);
	assert_int_equal(vmm_memory_write(&vmm, &memory, &across, 1, &err),
			 -EFAULT);
	munmap(mem, BYTES);
}

/* Pages of a file that lost its end: an error, and no signal. */
static void patches_may_be_short(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	uint8_t *mem = map_file(), *from;
	struct vmm_memory memory = { (uintptr_t)mem, BYTES, true };
	int fd = memfd_create("layer", MFD_CLOEXEC);
	struct vmm_patch patch = { 0, PAGES, NULL };
	struct vf_err err;

	(void)state;
	assert_int_equal(ftruncate(fd, BYTES), 0);
	from = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
	patch.from = from;
	assert_int_equal(vmm_memory_write(&vmm, &memory, &patch, 1, &err), 0);
	assert_int_equal(ftruncate(fd, BYTES / 2), 0);
	assert_int_equal(vmm_memory_write(&vmm, &memory, &patch, 1, &err),
			 -EFAULT);
	munmap(from, BYTES);
	munmap(mem, BYTES);
	close(fd);
}

static void mapping_is_found(void **state)
{
	struct vmm vmm = { .proc.pid = getpid(), .proc.pidfd = -1 };
	int fd = memfd_create("memory", MFD_CLOEXEC);
	struct vmm_memory memory;
	struct vf_err err;
	uint8_t *mem;

	(void)state;
	assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
	mem = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd,
		   EXTENT_PAGE);
	assert_int_equal(
		vmm_memory_mapped(&vmm, fd, EXTENT_PAGE, BYTES, &memory, &err),
		0);
	assert_ptr_equal(memory.hva, mem);
	assert_true(memory.has_base);
	/* a flag that the kernel keeps for each mapping makes two of it */
	assert_int_equal(madvise(mem, EXTENT_PAGE, MADV_DONTFORK), 0);
	assert_int_equal(
		vmm_memory_mapped(&vmm, fd, EXTENT_PAGE, BYTES, &memory, &err),
		0);
	assert_ptr_equal(memory.hva, mem);
	assert_int_equal(vmm_memory_mapped(&vmm, fd, 0, BYTES, &memory, &err),
			 -ENOENT);
	assert_int_equal(vmm_memory_mapped(&vmm, fd, EXTENT_PAGE,
					   BYTES + EXTENT_PAGE, &memory, &err),
			 -ENOENT);
	/* with a hole it is not guest memory any more */
	munmap(mem + EXTENT_PAGE, EXTENT_PAGE);
	assert_int_equal(
		vmm_memory_mapped(&vmm, fd, EXTENT_PAGE, BYTES, &memory, &err),
		-ENOENT);
	munmap(mem, BYTES);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scan_and_file_agree),
		cmocka_unit_test(zeros_are_told_apart),
		cmocka_unit_test(words_are_read),
		cmocka_unit_test(looks_are_found),
		cmocka_unit_test(swapped_pages_are_found),
		cmocka_unit_test(copies_are_true),
		cmocka_unit_test(runs_take_calls),
		cmocka_unit_test(too_little_room),
		cmocka_unit_test(children_have_no_part),
		cmocka_unit_test(memory_is_left),
		cmocka_unit_test(written_pages_stay_inside),
		cmocka_unit_test(patches_may_be_short),
		cmocka_unit_test(mapping_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
