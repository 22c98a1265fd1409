/* SPDX-License-Identifier: GPL-2.0 */
/* What both modules ask of a kernel, and what differs between kernels. */
#ifndef VMFORK_KERNEL_H
#define VMFORK_KERNEL_H

#include <linux/acpi.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/version.h>

/*
 * A kernel with CONFIG_VMGENID takes anybody's notifier, and never calls it
 * where the hypervisor has no such device.
 */
static inline bool kernel_tells_of_forks(void)
{
	struct device_node *node;

	if (!IS_ENABLED(CONFIG_VMGENID))
		return false;
	if (acpi_dev_present("VMGENCTR", NULL, -1) ||
	    acpi_dev_present("VM_GEN_COUNTER", NULL, -1))
		return true;
	node = of_find_compatible_node(NULL, NULL, "microsoft,vmgenid");
	of_node_put(node);
	return node;
}

/* From 6.3 on nobody writes vm_flags directly. */
static inline void vma_modify_flags(struct vm_area_struct *vma, vm_flags_t set,
				    vm_flags_t clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags & ~clear) | set;
#endif
}

#endif
