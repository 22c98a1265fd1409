// SPDX-License-Identifier: MIT
/*
 * QEMU's command line. Files are handed over as descriptors and named
 * /proc/self/fd/N: no path of ours needs quoting. The command line of a fork is
 * its source's but for the MAC, the mail at boot and where memory comes from.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "vmm/qemu.h"

const char *qemu_program(void)
{
	const char *program = getenv("VMFORK_QEMU");

	return program && *program ? program : "qemu-system-x86_64";
}

static void add_string(struct qemu_args *args, char *string)
{
	if (!string || args->num == QEMU_ARGS_MAX) {
		free(string);
		args->failed = true;
		return;
	}
	args->argv[args->num++] = string;
}

static void add(struct qemu_args *args, const char *word)
{
	add_string(args, strdup(word));
}

__attribute__((format(printf, 3, 4))) static void add_option(
	struct qemu_args *args, const char *option, const char *fmt, ...)
{
	char *value;
	va_list ap;

	add(args, option);
	va_start(ap, fmt);
	if (vasprintf(&value, fmt, ap) < 0)
		value = NULL;
	va_end(ap);
	add_string(args, value);
}

static int inherit(struct qemu_args *args, int fd)
{
	if (args->num_fds == ARRAY_SIZE(args->fds)) {
		args->failed = true;
		return fd;
	}
	args->fds[args->num_fds++] = fd;
	return fd;
}

static void add_machine(struct qemu_args *args, const struct vmm_spec *spec,
			int memory_fd)
{
	const struct vmm_config *config = spec->config;
	const char *machine = config->machine[0] ? config->machine : "q35";

	/*
	 * Pages that KSM merged are small ones, which make a pause longer, and
	 * how long writing one takes tells a guest what another one holds.
	 * Without graphics the firmware speaks on the serial line.
	 */
	add_option(args, "-machine",
		   "%s,memory-backend=%s,smm=off,mem-merge=off%s", machine,
		   QEMU_RAM_BLOCK, spec->kernel_fd < 0 ? ",graphics=off" : "");
	add_option(args, "-accel", "%s", vmm_accel_name(config->accel));
	/* max has RDRAND: without it the guest's random numbers are not ready */
	add_option(args, "-cpu",
		   config->accel == VMM_ACCEL_KVM ? "host" : "max");
	add_option(args, "-smp", "%u", config->cpus);
	add_option(args, "-m", "size=%lluk",
		   (unsigned long long)config->memory_bytes / 1024);
	if (memory_fd < 0)
		add_option(args, "-object",
			   "memory-backend-ram,id=%s,size=%llu", QEMU_RAM_BLOCK,
			   (unsigned long long)config->memory_bytes);
	else
		/* a private mapping of a file opened for reading only */
		add_option(args, "-object",
			   "memory-backend-file,id=%s,size=%llu,share=off,"
			   "readonly=on,rom=off,offset=%llu,"
			   "mem-path=/proc/self/fd/%d",
			   QEMU_RAM_BLOCK,
			   (unsigned long long)config->memory_bytes,
			   (unsigned long long)spec->image->regions[0].offset,
			   inherit(args, memory_fd));
}

static void add_boot(struct qemu_args *args, const struct vmm_spec *spec)
{
	if (spec->kernel_fd >= 0) {
		add_option(args, "-kernel", "/proc/self/fd/%d",
			   inherit(args, spec->kernel_fd));
		add_option(args, "-append", "%s", spec->append);
	}
	if (spec->initrd_fd >= 0)
		add_option(args, "-initrd", "/proc/self/fd/%d",
			   inherit(args, spec->initrd_fd));
	if (spec->mail_fd >= 0)
		add_option(args, "-fw_cfg",
			   "name=opt/org.vmfork/mail,file=/proc/self/fd/%d",
			   inherit(args, spec->mail_fd));
}

static void add_devices(struct qemu_args *args, const struct vmm_spec *spec)
{
	add_option(args, "-device", "vmgenid,guid=auto");
	if (spec->config->has_vmclock)
		add_option(args, "-device", "vmclock");
	for (unsigned int i = 0; i < spec->num_nics; i++) {
		const uint8_t *mac = spec->nics[i].mac;

		add_option(args, "-netdev", "tap,id=net%u,fd=%d", i,
			   inherit(args, spec->nics[i].tap_fd));
		/*
		 * No fork is announced. Without rounds of that, the device
		 * loses its timer if it could ask the driver to announce, and
		 * QEMU 10.0 then dies in virtio_net_reset(): at a reboot.
		 */
		add_option(args, "-device",
			   "virtio-net-pci,netdev=net%u,romfile=,"
			   "guest_announce=off,"
			   "mac=%02x:%02x:%02x:%02x:%02x:%02x",
			   i, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	}
}

/*
 * Where there is no room a VM stands still, and can go on when there is: an error
 * would cost its file system, for a snapshot that did not fit.
 *
 * The directory is named by a descriptor, for it may be renamed: QEMU opens a
 * layer anew by its name when it is pivoted, to give up its right to write, and
 * where that fails it goes on to lock out those that build on the layer.
 */
static void add_disks(struct qemu_args *args, const struct vmm_spec *spec,
		      int run_fd)
{
	const struct vmm_disks *disks = spec->disks;
	char dir[32];

	if (!disks || !disks->num)
		return;
	snprintf(dir, sizeof(dir), "/proc/self/fd/%d", inherit(args, run_fd));
	for (unsigned int i = 0; i < disks->num; i++) {
		unsigned int top = disks->disk[i].layers - 1;
		__json json_t *node =
			qemu_layer_node(dir, i, top, disks->is_durable);
		char name[VMM_LAYER_NAME];

		add(args, "-blockdev");
		add_string(args, node ? json_dumps(node, JSON_COMPACT) : NULL);
		add_option(args, "-device",
			   "virtio-blk-pci,id=disk%u,serial=disk%u,drive=%s,"
			   "werror=enospc,rerror=report%s",
			   i, i, vmm_layer_name(name, i, top),
			   !i && spec->kernel_fd < 0 ? ",bootindex=0" : "");
	}
}

int qemu_args_init(struct qemu_args *args, const struct vmm_spec *spec,
		   int run_fd, int qmp_fd, int console_fd, int memory_fd)
{
	*args = (struct qemu_args){ 0 };
	add(args, qemu_program());
	add_option(args, "-name", "%s", spec->name);
	add(args, "-nodefaults");
	add(args, "-no-user-config");
	add_option(args, "-display", "none");
	add_option(args, "-sandbox",
		   "on,obsolete=deny,elevateprivileges=deny,spawn=deny,"
		   "resourcecontrol=deny");
	add_machine(args, spec, memory_fd);
	add_boot(args, spec);
	add_option(args, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off",
		   inherit(args, qmp_fd));
	add_option(args, "-mon", "chardev=qmp,mode=control");
	add_option(args, "-chardev",
		   "socket,id=console,fd=%d,server=on,wait=off",
		   inherit(args, console_fd));
	add_option(args, "-serial", "chardev:console");
	add_devices(args, spec);
	add_disks(args, spec, run_fd);
	/*
	 * -S is essential: a state that was saved from a running VM would
	 * otherwise run the moment it is loaded, and there would be no moment
	 * in which its mail can be written; nor, in a VM that boots, its
	 * VMClock completed.
	 */
	add(args, "-S");
	if (spec->image)
		add_option(args, "-incoming", "defer");
	return args->failed ? -ENOMEM : 0;
}

void qemu_args_exit(struct qemu_args *args)
{
	while (args->num)
		free(args->argv[--args->num]);
}
