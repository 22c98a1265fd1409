// SPDX-License-Identifier: MIT
/* Guest memory in a QEMU process: where it lies, how it is read and written. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/json.h"
#include "vmm/qemu.h"

#define GUEST_PAGE   4096
#define GIB	     (1ULL << 30)
#define LOWMEM_SPLIT 0xb0000000ULL /* from here on memory is split at 2 GiB */

int qemu_memory_find(struct qmp *qmp, const char *block, uint64_t gpa,
		     uint64_t *hva, struct vf_err *err)
{
	char line[64], answer[256], found[64];
	int ret;

	snprintf(line, sizeof(line), "gpa2hva 0x%" PRIx64, gpa);
	ret = qmp_monitor(qmp, line, answer, sizeof(answer), qemu_soon(), err);
	if (ret < 0)
		return ret;
	if (sscanf(answer, "Host virtual address for %*s (%63[^)]) is %" SCNx64,
		   found, hva) != 2 ||
	    strcmp(found, block) != 0)
		return vf_err_set(err, EFAULT,
				  "guest address 0x%" PRIx64 ": not memory",
				  gpa);
	return 0;
}

/*
 * Where a guest's page stands: asked once, for as a rule it is the mailbox that
 * is looked at, again and again, and memory stays where it is as long as QEMU
 * lives. So a QEMU that does not answer any more can still be looked into; only
 * one that has gone cannot, whoever may have its number now.
 */
static int page_find(struct vmm *vmm, uint64_t gpa, uint64_t *hva,
		     struct vf_err *err)
{
	struct qemu *qemu = vmm->priv;
	int ret;

	if (process_wait(&vmm->proc, 0) == 0)
		return vf_err_set(err, ECONNRESET, "QEMU ended");
	if (!qemu->page_hva || gpa != qemu->page_gpa) {
		ret = qemu_memory_find(qemu_client(vmm), QEMU_RAM_BLOCK, gpa,
				       hva, err);
		if (ret < 0)
			return ret;
		qemu->page_gpa = gpa;
		qemu->page_hva = *hva;
	}
	*hva = qemu->page_hva;
	return 0;
}

static int transfer(struct vmm *vmm, uint64_t gpa, void *buf, size_t len,
		    bool write, struct vf_err *err)
{
	struct iovec local = { .iov_base = buf, .iov_len = len }, remote;
	uint64_t hva;
	ssize_t n;
	int ret;

	if (gpa / GUEST_PAGE != (gpa + len - 1) / GUEST_PAGE)
		return vf_err_set(err, EINVAL,
				  "guest address 0x%" PRIx64
				  ": %zu bytes cross a page",
				  gpa, len);
	ret = page_find(vmm, gpa & ~(uint64_t)(GUEST_PAGE - 1), &hva, err);
	if (ret < 0)
		return ret;
	remote.iov_base = (void *)(uintptr_t)(hva + gpa % GUEST_PAGE);
	remote.iov_len = len;
	n = write ? process_vm_writev(vmm->proc.pid, &local, 1, &remote, 1, 0)
		  : process_vm_readv(vmm->proc.pid, &local, 1, &remote, 1, 0);
	if (n != (ssize_t)len)
		return vf_err_errno(err, n < 0 ? errno : EFAULT,
				    "guest address 0x%" PRIx64, gpa);
	return 0;
}

int qemu_peek(struct vmm *vmm, uint64_t gpa, void *buf, size_t len,
	      struct vf_err *err)
{
	return transfer(vmm, gpa, buf, len, false, err);
}

int qemu_poke(struct vmm *vmm, uint64_t gpa, const void *buf, size_t len,
	      struct vf_err *err)
{
	return transfer(vmm, gpa, (void *)buf, len, true, err);
}

int qemu_locate(struct vmm *vmm, uint64_t gpa, uint64_t *hva,
		struct vf_err *err)
{
	return qemu_memory_find(qemu_client(vmm), QEMU_RAM_BLOCK, gpa, hva,
				err);
}

void qemu_recall(struct vmm *vmm, uint64_t gpa, uint64_t hva)
{
	struct qemu *qemu = vmm->priv;

	qemu->page_gpa = gpa;
	qemu->page_hva = hva;
}

/*
 * Where q35 puts memory: pc_q35_init() in hw/i386/pc_q35.c. What does not fit
 * under the PCI hole continues at 4 GiB.
 */
void qemu_layout(uint64_t offset, uint64_t bytes, struct vmm_image *image)
{
	uint64_t low = bytes < LOWMEM_SPLIT ? bytes : 2 * GIB;

	image->num_regions = 1;
	image->regions[0] = (struct vmm_region){ 0, offset, low };
	if (low < bytes) {
		image->num_regions = 2;
		image->regions[1] = (struct vmm_region){ 4 * GIB, offset + low,
							 bytes - low };
	}
}

static uint64_t memory_bytes(struct qmp *qmp, struct vf_err *err)
{
	__json json_t *result = NULL;
	json_int_t bytes;

	if (qmp_execute(qmp, "query-memory-size-summary", NULL, &result,
			qemu_soon(), err) < 0)
		return 0;
	bytes = json_integer_value(json_object_get(result, "base-memory"));
	if (bytes <= 0)
		vf_err_set(err, EBADMSG, "QEMU's memory: no size");
	return bytes > 0 ? (uint64_t)bytes : 0;
}

/* Ask QEMU where memory is, and whether it lies there as qemu_layout() says. */
static int layout_find(struct qmp *qmp, struct vmm_memory *memory,
		       struct vf_err *err)
{
	struct vmm_image image;
	uint64_t hva;
	int ret = qemu_memory_find(qmp, QEMU_RAM_BLOCK, 0, &memory->hva, err);

	qemu_layout(0, memory->bytes, &image);
	for (unsigned int i = 0; !ret && i < image.num_regions; i++) {
		const struct vmm_region *r = &image.regions[i];

		ret = qemu_memory_find(qmp, QEMU_RAM_BLOCK,
				       r->gpa + r->bytes - GUEST_PAGE, &hva,
				       err);
		if (!ret &&
		    hva - memory->hva != r->offset + r->bytes - GUEST_PAGE)
			return vf_err_set(err, ENOTSUP,
					  "this machine's memory is laid out "
					  "in an unknown way");
	}
	return ret;
}

/* It stays where it is as long as QEMU lives: asked once. */
int qemu_memory(struct vmm *vmm, struct vmm_memory *memory, struct vf_err *err)
{
	struct qemu *qemu = vmm->priv;
	struct qmp *qmp = qemu_client(vmm);
	struct vmm_memory found = { 0 };
	int ret = 0;

	if (!qemu->memory.bytes) {
		found.bytes = memory_bytes(qmp, err);
		ret = found.bytes ? layout_find(qmp, &found, err) : -err->num;
		if (!ret)
			qemu->memory = found;
	}
	*memory = qemu->memory;
	return ret;
}
