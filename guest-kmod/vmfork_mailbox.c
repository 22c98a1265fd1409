// SPDX-License-Identifier: GPL-2.0
/*
 * The mailbox as a page of the kernel's, and a device that wakes its reader when
 * the VM was forked.
 *
 * The page never moves: it is no user's memory, so neither compaction nor
 * migration knows it. We write version, size and guest-physical address into
 * its header, once; all else is between the host and who maps it, and nothing
 * of it is read here.
 *
 *	/dev/vmfork
 *	  mmap	this page, whole and shared
 *	  poll	readable while the generation is not the one read last
 *	  read	the generation as a u64: wakes since the module was loaded
 *
 * A wake is a hint. Which restore it was, and whether it was one, the mail says.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include "vmfork_kernel.h"
#include "vmfork_mailbox.h"

static_assert(PAGE_SIZE == VMFORK_MAILBOX_SIZE);

static struct page *mailbox_page;
static atomic64_t generation = ATOMIC64_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(readers);

/* One open of the device. */
struct reader {
	u64 seen; /* the generation read last */
};

static void wake_readers(void)
{
	atomic64_inc(&generation);
	wake_up_interruptible_poll(&readers, EPOLLIN | EPOLLRDNORM);
}

/*
 * What tells of a fork: the kernel's VMGenID driver where it has one; where it
 * was built without, the VMGenID device, bound by us.
 */
#if IS_ENABLED(CONFIG_VMGENID)

static int vmfork_notify(struct notifier_block *nb, unsigned long action,
			 void *data)
{
	wake_readers();
	return NOTIFY_DONE;
}

static struct notifier_block vmfork_block = { .notifier_call = vmfork_notify };

static int __init waker_register(void)
{
	if (!kernel_tells_of_forks()) {
		pr_err("no VMGenID device: nothing would tell of a fork\n");
		return -ENODEV;
	}
	return register_random_vmfork_notifier(&vmfork_block);
}

static void waker_unregister(void)
{
	unregister_random_vmfork_notifier(&vmfork_block);
}

#else /* !CONFIG_VMGENID */

#define VMGENID_SIZE 16

static const u8 *vmgenid; /* the hypervisor's memory */
static u8 vmgenid_seen[VMGENID_SIZE];

/* The kernel's random numbers get the id; to reseed at once is not ours to do. */
static void vmgenid_notify(acpi_handle handle, u32 event, void *context)
{
	u8 id[VMGENID_SIZE];

	memcpy(id, vmgenid, sizeof(id));
	if (!memcmp(id, vmgenid_seen, sizeof(id)))
		return;
	memcpy(vmgenid_seen, id, sizeof(id));
	add_device_randomness(id, sizeof(id));
	wake_readers();
}

/* ADDR is a package of two integers, the address's lower and upper half. */
static int vmgenid_address(acpi_handle handle, phys_addr_t *addr)
{
	struct acpi_buffer buffer = { ACPI_ALLOCATE_BUFFER, NULL };
	union acpi_object *object;
	int ret = -EINVAL;

	if (ACPI_FAILURE(acpi_evaluate_object(handle, "ADDR", NULL, &buffer)))
		return -ENODEV;
	object = buffer.pointer;
	if (object && object->type == ACPI_TYPE_PACKAGE &&
	    object->package.count == 2 &&
	    object->package.elements[0].type == ACPI_TYPE_INTEGER &&
	    object->package.elements[1].type == ACPI_TYPE_INTEGER) {
		*addr = object->package.elements[0].integer.value |
			object->package.elements[1].integer.value << 32;
		ret = 0;
	}
	ACPI_FREE(buffer.pointer);
	return ret;
}

static int vmgenid_probe(struct platform_device *pdev)
{
	acpi_handle handle = ACPI_HANDLE(&pdev->dev);
	phys_addr_t addr;
	void *memory;
	int ret;

	/* One machine has one; a second could not tell us anything. */
	if (vmgenid)
		return -EBUSY;
	if (!handle)
		return -ENODEV;
	ret = vmgenid_address(handle, &addr);
	if (ret)
		return ret;
	memory = devm_memremap(&pdev->dev, addr, VMGENID_SIZE, MEMREMAP_WB);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	memcpy(vmgenid_seen, memory, VMGENID_SIZE);
	add_device_randomness(vmgenid_seen, VMGENID_SIZE);
	vmgenid = memory;
	if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
						     vmgenid_notify, NULL))) {
		vmgenid = NULL;
		return -ENODEV;
	}
	/* a fork since the first look told nobody */
	vmgenid_notify(handle, 0, NULL);
	return 0;
}

/* A handler that runs is waited for; only then the memory goes. */
static int vmgenid_remove(struct platform_device *pdev)
{
	acpi_remove_notify_handler(ACPI_HANDLE(&pdev->dev), ACPI_DEVICE_NOTIFY,
				   vmgenid_notify);
	vmgenid = NULL;
	return 0;
}

static const struct acpi_device_id vmgenid_ids[] = { { "VMGENCTR", 0 },
						     { "VM_GEN_COUNTER", 0 },
						     {} };
MODULE_DEVICE_TABLE(acpi, vmgenid_ids);

static struct platform_driver vmgenid_driver = {
	.probe = vmgenid_probe,
	.remove = vmgenid_remove,
	.driver = {
		.name = "vmfork_vmgenid",
		.acpi_match_table = vmgenid_ids,
		/* a device that is open must not lose what wakes it */
		.suppress_bind_attrs = true,
	},
};

static int __init waker_register(void)
{
	int ret = platform_driver_register(&vmgenid_driver);

	if (ret)
		return ret;
	if (vmgenid)
		return 0;
	platform_driver_unregister(&vmgenid_driver);
	pr_err("neither this kernel nor a VMGenID device tells of a fork\n");
	return -ENODEV;
}

static void waker_unregister(void)
{
	platform_driver_unregister(&vmgenid_driver);
}

#endif /* CONFIG_VMGENID */

static int mailbox_open(struct inode *inode, struct file *file)
{
	struct reader *reader = kzalloc(sizeof(*reader), GFP_KERNEL_ACCOUNT);

	if (!reader)
		return -ENOMEM;
	reader->seen = atomic64_read(&generation);
	file->private_data = reader;
	return nonseekable_open(inode, file);
}

static int mailbox_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t mailbox_read(struct file *file, char __user *buf, size_t count,
			    loff_t *ppos)
{
	struct reader *reader = file->private_data;
	u64 now = atomic64_read(&generation);

	if (count != sizeof(now))
		return -EINVAL;
	if (copy_to_user(buf, &now, sizeof(now)))
		return -EFAULT;
	WRITE_ONCE(reader->seen, now);
	return sizeof(now);
}

static __poll_t mailbox_poll(struct file *file, poll_table *wait)
{
	struct reader *reader = file->private_data;

	poll_wait(file, &readers, wait);
	if (READ_ONCE(reader->seen) == atomic64_read(&generation))
		return 0;
	return EPOLLIN | EPOLLRDNORM;
}

static int mailbox_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_t never = VM_MAYEXEC;

	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != PAGE_SIZE)
		return -EINVAL;
	/* VM_SHARED would miss those that may only read. */
	if (!(vma->vm_flags & VM_MAYSHARE) || (vma->vm_flags & VM_EXEC))
		return -EINVAL;
	if (!(file->f_mode & FMODE_WRITE))
		never |= VM_MAYWRITE;
	vma_modify_flags(vma, VM_DONTEXPAND | VM_DONTDUMP, never);
	return vm_insert_page(vma, vma->vm_start, mailbox_page);
}

static const struct file_operations mailbox_fops = {
	.owner = THIS_MODULE,
	.open = mailbox_open,
	.release = mailbox_release,
	.read = mailbox_read,
	.poll = mailbox_poll,
	.mmap = mailbox_mmap,
	.llseek = noop_llseek,
};

static struct miscdevice mailbox_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "vmfork",
	.fops = &mailbox_fops,
	.mode = 0600,
};

static int __init mailbox_page_init(void)
{
	struct vmfork_mailbox *mailbox;

	mailbox_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!mailbox_page)
		return -ENOMEM;
	mailbox = page_address(mailbox_page);
	mailbox->header.version = cpu_to_le32(VMFORK_MAILBOX_VERSION);
	mailbox->header.page_size = cpu_to_le32(VMFORK_MAILBOX_SIZE);
	mailbox->header.gpa = cpu_to_le64(page_to_phys(mailbox_page));
	return 0;
}

/* The device comes last and goes first: who opens it finds all the rest. */
static int __init mailbox_init(void)
{
	int ret = mailbox_page_init();

	if (ret)
		return ret;
	ret = waker_register();
	if (ret)
		goto free_page;
	ret = misc_register(&mailbox_device);
	if (ret)
		goto unregister_waker;
	return 0;

unregister_waker:
	waker_unregister();
free_page:
	__free_page(mailbox_page);
	return ret;
}

/* A corpse with a valid header is nothing to leave in free memory. */
static void __exit mailbox_exit(void)
{
	misc_deregister(&mailbox_device);
	waker_unregister();
	clear_page(page_address(mailbox_page));
	__free_page(mailbox_page);
}

module_init(mailbox_init);
module_exit(mailbox_exit);

MODULE_DESCRIPTION("vmfork: a pinned mailbox page that wakes its reader");
MODULE_AUTHOR("The vmfork authors");
MODULE_LICENSE("GPL");
