// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "cmd/bench_guest.h"
#include "vmm/vmm.h"

#define TIMEOUT_MS 120000
#define APPEND	   "console=ttyS0 quiet"

void bench_guest_init(struct boot_request *boot, int cancel_fd)
{
	boot->kernel = getenv("VMFORK_KERNEL");
	boot->initrd = getenv("VMFORK_INITRD");
	boot->append = APPEND;
	boot->engine = &qemu_ops;
	boot->config.cpus = 1;
	boot->config.has_vmclock = true;
	boot->timeout_ms = TIMEOUT_MS;
	boot->cancel_fd = cancel_fd;
	strcpy(boot->links[0].net_name, NET_DEFAULT_NAME);
	boot->num_links = 1;
}

void bench_guest_opts(struct opt opts[BENCH_GUEST_OPTS],
		      struct boot_request *boot, const char **accel)
{
	const struct opt table[BENCH_GUEST_OPTS] = {
		{ "kernel", 'k', OPT_STRING, &boot->kernel, "FILE",
		  "kernel image (VMFORK_KERNEL)" },
		{ "initrd", 'i', OPT_STRING, &boot->initrd, "FILE",
		  "initial RAM disk (VMFORK_INITRD)" },
		{ "append", 'a', OPT_STRING, &boot->append, "WORDS",
		  "kernel command line (" APPEND ")" },
		{ "accel", 0, OPT_STRING, accel, "NAME",
		  "auto, kvm or tcg (auto)" },
		{ 0 },
	};

	memcpy(opts, table, sizeof(table));
}
