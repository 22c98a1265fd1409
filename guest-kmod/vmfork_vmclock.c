// SPDX-License-Identifier: GPL-2.0
/*
 * The VMClock device (ACPI AMZNC10C / VMCLOCK) for kernels that have no driver
 * of their own, which came with 6.13: /dev/vmclockN, with the interface of that
 * driver. It gives no PTP clock.
 *
 *	mmap	the page, read only
 *	read	of the structure, at any position, consistent under seq_count
 *	poll	POLLIN while seq_count is not what this descriptor read last;
 *		POLLHUP where nothing could ever notify
 *
 * The device may notify itself. One that cannot (QEMU's) changes when the VM is
 * restored, of which a kernel with VMGenID tells.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/wait.h>

#include "vmfork_kernel.h"

#define VMCLOCK_MAGIC		  0x4b4c4356 /* "VCLK" */
#define VMCLOCK_VERSION		  1
#define VMCLOCK_FLAG_NOTIFICATION BIT_ULL(9)
#define READ_LIMIT_MS		  100 /* a hypervisor that writes for ever */

/* The beginning of the page: the VMClock specification, version 1. */
struct vmclock_head {
	__le32 magic;
	__le32 size;
	__le16 version;
	u8 counter_id;
	u8 time_type;
	__le32 seq_count;
	__le64 disruption_marker;
	__le64 flags;
};

struct vmclock {
	struct miscdevice misc;
	char name[16];
	phys_addr_t start;
	const struct vmclock_head *page;
	bool can_notify;
	bool has_handler;  /* of ACPI */
	bool has_notifier; /* of VM forks */
	struct notifier_block fork_block;
	wait_queue_head_t readers;
};

/* One open of the device. */
struct reader {
	struct vmclock *clock;
	u32 seen; /* seq_count read last; 0 at first */
};

static unsigned int num_clocks; /* probes come one after the other */

static u32 clock_seq(const struct vmclock *clock)
{
	return le32_to_cpu(READ_ONCE(clock->page->seq_count));
}

static void wake_readers(struct vmclock *clock)
{
	wake_up_interruptible_poll(&clock->readers, EPOLLIN | EPOLLRDNORM);
}

static int clock_open(struct inode *inode, struct file *file)
{
	/* misc_open() left the miscdevice there */
	struct miscdevice *misc = file->private_data;
	struct reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);

	if (!reader)
		return -ENOMEM;
	reader->clock = container_of(misc, struct vmclock, misc);
	file->private_data = reader;
	return 0;
}

static int clock_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t clock_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos)
{
	unsigned long end = jiffies + msecs_to_jiffies(READ_LIMIT_MS);
	struct reader *reader = file->private_data;
	struct vmclock *clock = reader->clock;
	u32 seq;

	if (*ppos < 0 || *ppos >= PAGE_SIZE)
		return 0;
	count = min_t(size_t, count, PAGE_SIZE - *ppos);
	for (;;) {
		seq = clock_seq(clock);
		if (!(seq & 1)) {
			/* pairs with the hypervisor's write barriers */
			virt_rmb();
			if (copy_to_user(buf, (const u8 *)clock->page + *ppos,
					 count))
				return -EFAULT;
			virt_rmb();
			if (clock_seq(clock) == seq)
				break;
		}
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	WRITE_ONCE(reader->seen, seq);
	*ppos += count;
	return count;
}

static __poll_t clock_poll(struct file *file, poll_table *wait)
{
	struct reader *reader = file->private_data;
	struct vmclock *clock = reader->clock;

	if (!clock->can_notify)
		return EPOLLHUP;
	poll_wait(file, &clock->readers, wait);
	if (READ_ONCE(reader->seen) == clock_seq(clock))
		return 0;
	return EPOLLIN | EPOLLRDNORM;
}

static int clock_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct reader *reader = file->private_data;

	if ((vma->vm_flags & (VM_READ | VM_WRITE)) != VM_READ)
		return -EROFS;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	vma_modify_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE);
	return io_remap_pfn_range(vma, vma->vm_start,
				  PHYS_PFN(reader->clock->start), PAGE_SIZE,
				  vma->vm_page_prot);
}

static const struct file_operations clock_fops = {
	.owner = THIS_MODULE,
	.open = clock_open,
	.release = clock_release,
	.read = clock_read,
	.poll = clock_poll,
	.mmap = clock_mmap,
	.llseek = noop_llseek,
};

static void acpi_notify(acpi_handle handle, u32 event, void *context)
{
	wake_readers(context);
}

static int fork_notify(struct notifier_block *nb, unsigned long action,
		       void *data)
{
	wake_readers(container_of(nb, struct vmclock, fork_block));
	return NOTIFY_DONE;
}

/* A clock that nothing notifies can be read and mapped all the same. */
static int notify_register(struct vmclock *clock, acpi_handle handle)
{
	u64 flags = le64_to_cpu(READ_ONCE(clock->page->flags));
	int ret;

	if (flags & VMCLOCK_FLAG_NOTIFICATION) {
		if (ACPI_FAILURE(acpi_install_notify_handler(
			    handle, ACPI_DEVICE_NOTIFY, acpi_notify, clock)))
			return -ENODEV;
		clock->has_handler = true;
	} else if (kernel_tells_of_forks()) {
		clock->fork_block.notifier_call = fork_notify;
		ret = register_random_vmfork_notifier(&clock->fork_block);
		if (ret)
			return ret;
		clock->has_notifier = true;
	}
	clock->can_notify = clock->has_handler || clock->has_notifier;
	return 0;
}

static void notify_unregister(struct vmclock *clock, acpi_handle handle)
{
	if (clock->has_handler)
		acpi_remove_notify_handler(handle, ACPI_DEVICE_NOTIFY,
					   acpi_notify);
	if (clock->has_notifier)
		unregister_random_vmfork_notifier(&clock->fork_block);
}

static int page_map(struct vmclock *clock, struct platform_device *pdev)
{
	struct resource *res = platform_get_resource(pdev, IORESOURCE_MEM, 0);
	void *page;

	if (!res || resource_size(res) < PAGE_SIZE ||
	    !PAGE_ALIGNED(res->start)) {
		dev_err(&pdev->dev, "there is no page\n");
		return -ENODEV;
	}
	clock->start = res->start;
	page = devm_memremap(&pdev->dev, res->start, PAGE_SIZE,
			     MEMREMAP_WB | MEMREMAP_DEC);
	if (IS_ERR(page))
		return PTR_ERR(page);
	clock->page = page;
	if (le32_to_cpu(clock->page->magic) != VMCLOCK_MAGIC ||
	    le16_to_cpu(clock->page->version) != VMCLOCK_VERSION) {
		dev_err(&pdev->dev, "its page is no VMClock of version %d\n",
			VMCLOCK_VERSION);
		return -ENODEV;
	}
	return 0;
}

static int vmclock_probe(struct platform_device *pdev)
{
	acpi_handle handle = ACPI_HANDLE(&pdev->dev);
	struct vmclock *clock;
	int ret;

	if (!handle)
		return -ENODEV;
	clock = devm_kzalloc(&pdev->dev, sizeof(*clock), GFP_KERNEL);
	if (!clock)
		return -ENOMEM;
	init_waitqueue_head(&clock->readers);
	ret = page_map(clock, pdev);
	if (ret)
		return ret;
	ret = notify_register(clock, handle);
	if (ret)
		return ret;
	snprintf(clock->name, sizeof(clock->name), "vmclock%u", num_clocks);
	clock->misc.minor = MISC_DYNAMIC_MINOR;
	clock->misc.name = clock->name;
	clock->misc.fops = &clock_fops;
	clock->misc.parent = &pdev->dev;
	ret = misc_register(&clock->misc);
	if (ret) {
		notify_unregister(clock, handle);
		return ret;
	}
	platform_set_drvdata(pdev, clock);
	num_clocks++;
	return 0;
}

/* No notifier and no handler runs once this returns; the page goes after it. */
static void clock_remove(struct platform_device *pdev)
{
	struct vmclock *clock = platform_get_drvdata(pdev);

	misc_deregister(&clock->misc);
	notify_unregister(clock, ACPI_HANDLE(&pdev->dev));
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define vmclock_remove clock_remove
#else
static int vmclock_remove(struct platform_device *pdev)
{
	clock_remove(pdev);
	return 0;
}
#endif

static const struct acpi_device_id vmclock_ids[] = { { "AMZNC10C", 0 },
						     { "VMCLOCK", 0 },
						     {} };
MODULE_DEVICE_TABLE(acpi, vmclock_ids);

static struct platform_driver vmclock_driver = {
	.probe = vmclock_probe,
	.remove = vmclock_remove,
	.driver = {
		.name = "vmfork_vmclock",
		.acpi_match_table = vmclock_ids,
		/* a device that is open must not lose its page */
		.suppress_bind_attrs = true,
	},
};

static int __init vmclock_init(void)
{
	int ret;

	if (IS_ENABLED(CONFIG_PTP_1588_CLOCK_VMCLOCK) ||
	    driver_find("vmclock", &platform_bus_type)) {
		pr_err("this kernel has a VMClock driver of its own\n");
		return -EBUSY;
	}
	ret = platform_driver_register(&vmclock_driver);
	if (ret)
		return ret;
	if (num_clocks)
		return 0;
	platform_driver_unregister(&vmclock_driver);
	pr_err("there is no VMClock device\n");
	return -ENODEV;
}

static void __exit vmclock_exit(void)
{
	platform_driver_unregister(&vmclock_driver);
}

module_init(vmclock_init);
module_exit(vmclock_exit);

MODULE_DESCRIPTION("vmfork: /dev/vmclockN for kernels without it");
MODULE_AUTHOR("The vmfork authors");
MODULE_LICENSE("GPL");
