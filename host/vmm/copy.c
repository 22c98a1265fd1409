// SPDX-License-Identifier: MIT
/*
 * Copying the changed pages of a paused VM. While it stands still its processors
 * have nothing else to do, so each copies a slice of its memory. memory.h holds the
 * contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "vmm/pagemap.h"
#include "vmm/vmm.h"

#define RUNS_MAX   512
#define CALL_PAGES (1 << 18) /* of one call: the kernel has a limit, 2 GiB */
#define HUGE_BYTES (2ULL << 20)

/* One slice's work. */
struct copier {
	const struct vmm *vmm;
	const struct vmm_memory *memory;
	struct vmm_slice *slice;
	uint64_t call_pages;
	pthread_t thread;
	bool has_thread;
	int ret;
	struct vf_err err;
};

/* All of it is faulted in now, not while the VM stands. */
static int slice_open(struct vmm_slice *slice, struct vf_err *err)
{
	slice->buf = mmap(NULL, slice->room, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slice->buf == MAP_FAILED) {
		slice->buf = NULL;
		return vf_err_errno(err, errno, "memory for changed pages");
	}
	madvise(slice->buf, slice->room, MADV_HUGEPAGE);
	/* a child that is forked would make each first write a copy of a page */
	if (madvise(slice->buf, slice->room, MADV_DONTFORK) < 0)
		return vf_err_errno(err, errno, "memory for changed pages");
	for (uint64_t at = 0; at < slice->room; at += EXTENT_PAGE)
		((volatile uint8_t *)slice->buf)[at] = 0;
	return 0;
}

unsigned int vmm_copy_width(void)
{
	unsigned int num = cpu_count();

	return num < VMM_COPY_SLICES ? num : VMM_COPY_SLICES;
}

/* The page before which so many have changed. */
static uint64_t page_after(const struct extents *changed, uint64_t num)
{
	for (size_t i = 0; i < changed->num; i++) {
		const struct extent *e = &changed->runs[i];

		if (num < e->num)
			return e->page + num;
		num -= e->num;
	}
	return UINT64_MAX;
}

/* Cut memory into slices. Return: the room that they take, bytes */
static uint64_t plan(struct vmm_copy *copy, const struct vmm_memory *memory,
		     const struct extents *changed, uint64_t slack)
{
	unsigned int num = vmm_copy_width();
	uint64_t share = changed->pages / num + 1, first = 0, sum = 0;
	uint64_t all = memory->bytes / EXTENT_PAGE;
	uint64_t room = share * EXTENT_PAGE * 5 / 4 + slack;

	*copy = (struct vmm_copy){ .call_pages = CALL_PAGES };
	while (first < all) {
		struct vmm_slice *slice = &copy->slices[copy->num++];
		uint64_t end = copy->num == num
				       ? all
				       : page_after(changed, copy->num * share);
		uint64_t most;

		slice->first = first;
		slice->num = (end < all ? end : all) - first;
		first += slice->num;
		/* whole huge pages: one fault for each */
		most = slice->num * EXTENT_PAGE;
		most = room < most ? room : most;
		slice->room = (most + HUGE_BYTES - 1) / HUGE_BYTES * HUGE_BYTES;
		sum += slice->room;
	}
	return sum;
}

/*
 * The copy is written to a file afterwards, which may be memory, too, and the
 * machine has other things to do.
 */
static bool is_affordable(uint64_t bytes)
{
	return bytes <= vmm_memory_available() / 2;
}

bool vmm_copy_fits(const struct vmm_memory *memory,
		   const struct extents *changed, uint64_t slack)
{
	struct vmm_copy copy;

	return is_affordable(plan(&copy, memory, changed, slack));
}

int vmm_copy_open(struct vmm_copy *copy, const struct vmm_memory *memory,
		  const struct extents *changed, uint64_t slack,
		  struct vf_err *err)
{
	uint64_t bytes = plan(copy, memory, changed, slack);
	int ret = 0;

	if (!is_affordable(bytes)) {
		vf_err_set(err, ENOMEM,
			   "%" PRIu64 " MiB to copy what changed are more than "
			   "half of what this machine has left",
			   bytes >> 20);
		vf_err_hint(err, "use --mode live or full");
		return -ENOMEM;
	}
	for (unsigned int i = 0; !ret && i < copy->num; i++)
		ret = slice_open(&copy->slices[i], err);
	return ret;
}

void vmm_copy_close(struct vmm_copy *copy)
{
	while (copy->num) {
		struct vmm_slice *slice = &copy->slices[--copy->num];

		if (slice->buf)
			munmap(slice->buf, slice->room);
		extents_exit(&slice->pages);
		*slice = (struct vmm_slice){ 0 };
	}
}

/* Where a slice's copy is: so many pages into one of its runs. */
struct progress {
	size_t run;
	uint64_t skip;
	uint8_t *to;
};

/* One call's worth. Return: 0 or -errno */
static int copy_some(const struct copier *c, struct progress *at)
{
	struct iovec remote[RUNS_MAX], local = { .iov_base = at->to };
	const struct extents *pages = &c->slice->pages;
	uint64_t left = c->call_pages;
	size_t n = 0;
	ssize_t got;

	while (n < RUNS_MAX && left && at->run < pages->num) {
		const struct extent *e = &pages->runs[at->run];
		uint64_t page = e->page + at->skip, num = e->num - at->skip;

		num = num < left ? num : left;
		remote[n].iov_base = (void *)(uintptr_t)(c->memory->hva +
							 page * EXTENT_PAGE);
		remote[n].iov_len = num * EXTENT_PAGE;
		local.iov_len += remote[n++].iov_len;
		left -= num;
		at->skip += num;
		if (at->skip == e->num) {
			at->run++;
			at->skip = 0;
		}
	}
	got = process_vm_readv(c->vmm->proc.pid, &local, 1, remote, n, 0);
	if (got < 0)
		return -errno;
	at->to += got;
	return (size_t)got == local.iov_len ? 0 : -EFAULT;
}

static int copy_slice(struct copier *c)
{
	struct vmm_slice *slice = c->slice;
	struct progress at = { .to = slice->buf };
	int ret;

	ret = pagemap_scan(c->vmm->proc.pid, c->memory->hva, slice->first,
			   slice->num, pagemap_changed(c->memory->has_base),
			   &slice->pages, &c->err);
	if (ret < 0)
		return ret;
	if (slice->pages.pages * EXTENT_PAGE > slice->room)
		return vf_err_set(&c->err, ENOBUFS,
				  "more memory changed than was expected");
	while (at.run < slice->pages.num) {
		ret = copy_some(c, &at);
		if (ret < 0)
			return vf_err_errno(&c->err, ret, "guest memory");
	}
	return 0;
}

static void *copier_main(void *arg)
{
	struct copier *c = arg;

	c->ret = copy_slice(c);
	return NULL;
}

int vmm_memory_copy(const struct vmm *vmm, const struct vmm_memory *memory,
		    struct vmm_copy *copy, struct vf_err *err)
{
	struct copier copiers[VMM_COPY_SLICES];
	int ret = 0;

	for (unsigned int i = 0; i < copy->num; i++)
		copiers[i] = (struct copier){
			.vmm = vmm,
			.memory = memory,
			.slice = &copy->slices[i],
			.call_pages = copy->call_pages,
		};
	for (unsigned int i = 1; i < copy->num; i++)
		copiers[i].has_thread = !pthread_create(
			&copiers[i].thread, NULL, copier_main, &copiers[i]);
	/* this thread has the first slice, and those that got none of their own */
	for (unsigned int i = 0; i < copy->num; i++)
		if (!copiers[i].has_thread)
			copier_main(&copiers[i]);
	for (unsigned int i = 0; i < copy->num; i++) {
		if (copiers[i].has_thread)
			pthread_join(copiers[i].thread, NULL);
		if (copiers[i].ret < 0 && !ret) {
			*err = copiers[i].err;
			ret = copiers[i].ret;
		}
	}
	return ret;
}
