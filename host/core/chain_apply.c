// SPDX-License-Identifier: MIT
/*
 * What the layers of a chain have, written into the memory of a fork that does
 * not run yet. Most of the time goes into pages that the kernel makes for it, so
 * each processor takes a part. chain.h holds the contract.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/cpu.h"
#include "base/io.h"
#include "core/chain.h"

#define CALL_PAGES 2048 /* written between looks at whether to go on */
#define PART_PAGES 512	/* 1 ms: less is not worth a thread */
#define PARTS_MAX  4

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* A stretch of memory, and the thread that writes it. */
struct part {
	const struct chain *chain;
	const struct vmm *vmm;
	const struct vmm_memory *memory;
	uint64_t page; /* the next one */
	uint64_t end;
	pthread_t thread;
	bool has_thread;
	int ret;
	struct vf_err err;
};

/* What one call writes. Return: how many patches; 0: the part is done */
static size_t next_patches(struct part *part,
			   struct vmm_patch patches[VMM_PATCHES_MAX])
{
	uint64_t left = CALL_PAGES;
	size_t num = 0;

	while (num < VMM_PATCHES_MAX && left && part->page < part->end) {
		struct extent run;
		const struct chain_link *link =
			chain_next(part->chain, part->page, &run);

		if (!link || run.page >= part->end)
			break;
		run.num = run.num < left ? run.num : left;
		if (run.num > part->end - run.page)
			run.num = part->end - run.page;
		patches[num] = (struct vmm_patch){
			.page = run.page,
			.num = run.num,
			.from = link->map + run.page * EXTENT_PAGE,
		};
		num++;
		left -= run.num;
		part->page = run.page + run.num;
	}
	return num;
}

static void *part_main(void *arg)
{
	struct vmm_patch patches[VMM_PATCHES_MAX];
	struct part *part = arg;
	size_t num;

	while (!part->ret && (num = next_patches(part, patches)) > 0) {
		part->ret = vf_check_cancel(part->vmm->cancel_fd);
		if (part->ret < 0)
			vf_err_errno(&part->err, part->ret, "layers");
		else
			part->ret = vmm_memory_write(part->vmm, part->memory,
						     patches, num, &part->err);
	}
	return NULL;
}

/* Cut memory such that each part has as many pages to write. */
static unsigned int plan(const struct chain *chain, struct part *parts)
{
	unsigned int processors = cpu_count();
	uint64_t all = chain_bytes(chain) / EXTENT_PAGE, share, seen = 0;
	unsigned int max = chain->layer_pages / PART_PAGES + 1, num = 0;
	struct extent run;

	max = max < PARTS_MAX ? max : PARTS_MAX;
	max = max < processors ? max : processors;
	share = chain->layer_pages / max + 1;
	parts[0].page = 0;
	for (uint64_t page = 0; chain_next(chain, page, &run);
	     page = run.page + run.num) {
		for (; num + 1 < max && seen + run.num >= (num + 1) * share;
		     num++) {
			parts[num].end = run.page + (num + 1) * share - seen;
			parts[num + 1].page = parts[num].end;
		}
		seen += run.num;
	}
	parts[num++].end = all;
	return num;
}

static int write_parts(struct part *parts, unsigned int num, struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 1; i < num; i++)
		parts[i].has_thread = !pthread_create(&parts[i].thread, NULL,
						      part_main, &parts[i]);
	/* this thread has the first part, and those that got none of their own */
	for (unsigned int i = 0; i < num; i++)
		if (!parts[i].has_thread)
			part_main(&parts[i]);
	for (unsigned int i = 0; i < num; i++) {
		if (parts[i].has_thread)
			pthread_join(parts[i].thread, NULL);
		if (parts[i].ret < 0 && !ret) {
			*err = parts[i].err;
			ret = parts[i].ret;
		}
	}
	return ret;
}

int chain_mapped(const struct chain *chain, const struct vmm *vmm,
		 struct vmm_memory *memory, struct vf_err *err)
{
	const struct chain_link *base = &chain->links[chain->num - 1];

	return vmm_memory_mapped(vmm, base->fd, chain_offset(chain),
				 chain_bytes(chain), memory, err);
}

int chain_locate(const struct chain *chain, struct vmm *vmm,
		 struct vmm_memory *memory, struct vf_err *err)
{
	int ret = chain_mapped(chain, vmm, memory, err);

	/* not every file system has one number for a file, wherever one asks */
	return ret == -ENOENT ? vmm->ops->memory(vmm, memory, err) : ret;
}

int chain_apply(const struct chain *chain, struct vmm *vmm, struct vf_err *err)
{
	struct part parts[PARTS_MAX];
	struct vmm_memory memory;
	unsigned int num;
	int ret;

	if (chain->num < 2)
		return 0;
	ret = chain_locate(chain, vmm, &memory, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < PARTS_MAX; i++)
		parts[i] = (struct part){
			.chain = chain,
			.vmm = vmm,
			.memory = &memory,
		};
	num = plan(chain, parts);
	return write_parts(parts, num, err);
}

void chain_warm(const struct chain *chain)
{
	static const int advices[] = { MADV_WILLNEED, MADV_POPULATE_READ };
	const struct chain_link *link;
	struct extent run;

	/* all of it is on its way before any of it is waited for */
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++)
		for (uint64_t page = 0;
		     (link = chain_next(chain, page, &run)) != NULL;
		     page = run.page + run.num)
			madvise(link->map + run.page * EXTENT_PAGE,
				run.num * EXTENT_PAGE, advices[i]);
}
