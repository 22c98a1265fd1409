// SPDX-License-Identifier: MIT
/*
 * The VMClock's generation counter. QEMU's device (up to 11.1) has none: it
 * raises its disruption marker alone. So its page is completed here, in QEMU's
 * memory, where the guest may only read: the flag before the guest's first
 * instruction, the counter at each restore, before the vCPUs run. A QEMU that
 * raised it too would do no harm: what counts is that it differs.
 *
 * What stands there came with a snapshot, so it is checked.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>

#include "vmclock.h"
#include "vmm/qemu.h"

/* hw/acpi/vmclock.c and include/hw/acpi/vmclock.h of QEMU */
#define CLOCK_GPA   0xfeffb000ULL
#define CLOCK_BLOCK "vmclock_page"

/* The page in QEMU's address space. */
struct clock_page {
	pid_t pid;
	uint64_t hva;
	struct vmclock copy;
};

static int page_transfer(struct clock_page *page, size_t offset, size_t len,
			 bool write, struct vf_err *err)
{
	struct iovec local = {
		.iov_base = (uint8_t *)&page->copy + offset,
		.iov_len = len,
	};
	struct iovec remote = {
		.iov_base = (void *)(uintptr_t)(page->hva + offset),
		.iov_len = len,
	};
	ssize_t n =
		write ? process_vm_writev(page->pid, &local, 1, &remote, 1, 0)
		      : process_vm_readv(page->pid, &local, 1, &remote, 1, 0);

	if (n != (ssize_t)len)
		return vf_err_errno(err, n < 0 ? errno : EFAULT, "VMClock");
	return 0;
}

/* Return: 1 if there is a VMClock that we know, 0 if not, or -errno */
static int page_open(struct clock_page *page, struct vmm *vmm,
		     struct vf_err *err)
{
	struct vf_err none;
	int ret = qemu_memory_find(qemu_client(vmm), CLOCK_BLOCK, CLOCK_GPA,
				   &page->hva, &none);

	if (ret == -EFAULT)
		return 0;
	if (ret < 0) {
		*err = none;
		return ret;
	}
	page->pid = vmm->proc.pid;
	ret = page_transfer(page, 0, sizeof(page->copy), false, err);
	if (ret < 0)
		return ret;
	return page->copy.magic == VMCLOCK_MAGIC &&
	       page->copy.version == VMCLOCK_VERSION &&
	       page->copy.size >= sizeof(page->copy);
}

#define PAGE_WRITE(page, field, err)                         \
	page_transfer(page, offsetof(struct vmclock, field), \
		      sizeof((page)->copy.field), true, err)

/* Under the sequence count, though no vCPU runs that could look meanwhile. */
static int page_write(struct clock_page *page, struct vf_err *err)
{
	int ret;

	page->copy.seq_count |= 1;
	ret = PAGE_WRITE(page, seq_count, err);
	if (!ret)
		ret = PAGE_WRITE(page, flags, err);
	if (!ret)
		ret = PAGE_WRITE(page, vm_generation_counter, err);
	page->copy.seq_count++;
	if (!ret)
		ret = PAGE_WRITE(page, seq_count, err);
	return ret;
}

int qemu_vmclock_enable(struct vmm *vmm, struct vf_err *err)
{
	struct clock_page page;
	int ret = page_open(&page, vmm, err);

	if (ret <= 0 || page.copy.flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT)
		return ret < 0 ? ret : 0;
	page.copy.flags |= VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT;
	return page_write(&page, err);
}

int qemu_vmclock_raise(struct vmm *vmm, struct vf_err *err)
{
	struct clock_page page;
	int ret = page_open(&page, vmm, err);

	if (ret <= 0 ||
	    !(page.copy.flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT))
		return ret < 0 ? ret : 0;
	page.copy.vm_generation_counter++;
	return page_write(&page, err);
}
