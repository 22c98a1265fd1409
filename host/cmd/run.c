// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/cmd.h"
#include "cmd/links.h"
#include "cmd/vminfo.h"
#include "core/boot.h"

#define MEMORY_DEFAULT (256ULL << 20)
#define MEMORY_MIN     (32ULL << 20)
#define MEMORY_MAX     (1ULL << 40)
#define CPUS_MAX       64
#define TIMEOUT_S      60
#define APPEND_DEFAULT "console=ttyS0 quiet"

/* Take apart what the options said. */
static int check_request(struct cmd *cmd, struct boot_request *r,
			 const char *accel, struct vf_err *err)
{
	__json json_t *text = NULL;

	if (!strcmp(r->name, "flatten"))
		return cmd_usage_error(cmd, err,
				       "'flatten' is a word of 'vmfork "
				       "snapshot': no VM can be called that");
	if (vmm_accel_parse(&r->config.accel, accel) < 0)
		return cmd_usage_error(
			cmd, err, "--accel '%s': not auto, kvm or tcg", accel);
	if (r->config.cpus < 1 || r->config.cpus > CPUS_MAX)
		return cmd_usage_error(cmd, err, "--cpus: not 1 to %d",
				       CPUS_MAX);
	if (strlen(r->append) >= VM_APPEND_MAX)
		return cmd_usage_error(cmd, err,
				       "--append: longer than %d bytes",
				       VM_APPEND_MAX - 1);
	text = json_string(r->append);
	if (!text)
		return cmd_usage_error(cmd, err, "--append: not UTF-8");
	if (r->config.memory_bytes < 1 << 20)
		return cmd_usage_error(
			cmd, err,
			"--memory: %d bytes; K, M or G makes more of them",
			(int)r->config.memory_bytes);
	if (r->config.memory_bytes < MEMORY_MIN ||
	    r->config.memory_bytes > MEMORY_MAX ||
	    r->config.memory_bytes % (1 << 20))
		return cmd_usage_error(
			cmd, err, "--memory: not whole MiB from 32M to 1T");
	return 0;
}

/* A kernel, or the first disk, whose boot loader knows the rest. */
static int check_boot(struct cmd *cmd, struct boot_request *r,
		      struct vf_err *err)
{
	const char *initrd = r->initrd ? r->initrd : getenv("VMFORK_INITRD");

	if (r->kernel) {
		r->initrd = initrd && *initrd ? initrd : NULL;
		if (!r->append)
			r->append = APPEND_DEFAULT;
		return 0;
	}
	if (!r->num_disks)
		return cmd_usage_error(cmd, err,
				       "nothing to boot: --kernel is needed, "
				       "or --disk with a boot loader on it");
	if (r->append)
		return cmd_usage_error(cmd, err,
				       "--append: there is no --kernel to be "
				       "told, and the disk has its own words");
	if (r->initrd && *r->initrd)
		return cmd_usage_error(cmd, err,
				       "--initrd: there is no --kernel to load "
				       "it with");
	r->initrd = NULL;
	r->append = "";
	return 0;
}

static int parse_disks(struct cmd *cmd, struct boot_request *r,
		       const struct opt_words *words, struct vf_err *err)
{
	if (words->num > VMM_DISKS_MAX)
		return cmd_usage_error(cmd, err, "--disk: more than %d",
				       VMM_DISKS_MAX);
	r->num_disks = words->num;
	for (unsigned int i = 0; i < words->num; i++) {
		const char *why = "too long";

		switch (disk_parse(&r->disks[i], words->word[i])) {
		case 0:
			continue;
		case -EINVAL:
			why = "format is neither raw nor qcow2";
			break;
		case -ENOENT:
			why = "names no file";
			break;
		}
		return cmd_usage_error(cmd, err, "--disk '%.64s': %s",
				       words->word[i], why);
	}
	return 0;
}

static int run(struct cmd *cmd, const struct vf_state *state, void *ctx,
	       struct vf_err *err)
{
	const struct boot_request *r = ctx;
	struct vm vm;
	int ret = boot_vm(&vm, state, r, err);

	vm_close(&vm);
	return ret < 0 ? ret : vminfo_booted(cmd, state, &vm, err);
}

/* The options as they were given. */
struct words {
	const char *accel;
	unsigned int timeout_s;
	struct opt_words disks;
	struct opt_order links;
};

static struct boot_request request_default(const struct cmd *cmd)
{
	return (struct boot_request){
		.kernel = getenv("VMFORK_KERNEL"),
		.engine = &qemu_ops,
		.config = { .cpus = 1,
			    .memory_bytes = MEMORY_DEFAULT,
			    .has_vmclock = true },
		.wait = true,
		.cancel_fd = cmd->cancel_fd,
	};
}

static int parse_request(struct cmd *cmd, struct boot_request *r,
			 const struct words *w, struct vf_err *err)
{
	int ret;

	r->timeout_ms =
		(int)(w->timeout_s < 86400 ? w->timeout_s : 86400) * 1000;
	if (r->kernel && !*r->kernel)
		r->kernel = NULL;
	ret = links_parse(cmd, r->links, &r->num_links, &w->links, err);
	/* without any --net there is one interface */
	if (!r->links[0].net_name[0]) {
		strcpy(r->links[0].net_name, NET_DEFAULT_NAME);
		r->num_links = 1;
	}
	if (!ret)
		ret = parse_disks(cmd, r, &w->disks, err);
	if (!ret)
		ret = check_boot(cmd, r, err);
	return ret < 0 ? ret : check_request(cmd, r, w->accel, err);
}

int cmd_run(struct cmd *cmd, int argc, char **argv, struct vf_err *err)
{
	struct boot_request r = request_default(cmd);
	struct words w = { .accel = "auto", .timeout_s = TIMEOUT_S };
	struct opt links[LINKS_OPTS];
	const struct opt opts[] = {
		{ "kernel", 'k', OPT_STRING, &r.kernel, "FILE",
		  "kernel image (VMFORK_KERNEL); '' to boot the first disk" },
		{ "initrd", 'i', OPT_STRING, &r.initrd, "FILE",
		  "initial RAM disk (VMFORK_INITRD)" },
		{ "append", 'a', OPT_STRING, &r.append, "WORDS",
		  "kernel command line (" APPEND_DEFAULT ")" },
		{ "memory", 'm', OPT_SIZE, &r.config.memory_bytes, "BYTES",
		  "memory, with K, M or G (256M)" },
		{ "cpus", 'c', OPT_UINT, &r.config.cpus, "N",
		  "virtual CPUs (1)" },
		{ "disk", 'd', OPT_WORDS, &w.disks, "FILE",
		  "image for a disk, never written; up to 4 times" },
		{ "accel", 0, OPT_STRING, &w.accel, "NAME",
		  "auto, kvm or tcg (auto)" },
		{ "no-vmclock", 0, OPT_NEGATE, &r.config.has_vmclock, NULL,
		  "without the VMClock device" },
		{ "no-wait", 0, OPT_NEGATE, &r.wait, NULL,
		  "return at once, not when the guest is armed" },
		{ "timeout", 't', OPT_UINT, &w.timeout_s, "SECONDS",
		  "how long to wait for that (60)" },
		{ "", 0, OPT_TABLE, links, NULL, NULL },
		{ 0 },
	};
	const struct usage usage = {
		"NAME",
		"Boot a VM whose agent takes its first network from its mail.",
		opts,
		1,
		1,
	};
	int ret;

	links_opts(links, &w.links);
	links[0].letter = 'n';
	ret = cmd_parse(cmd, &usage, &argc, &argv, err);
	if (ret)
		return ret < 0 ? ret : CMD_EXIT_DONE;
	r.name = argv[0];
	ret = parse_request(cmd, &r, &w, err);
	return ret < 0 ? ret : cmd_change(cmd, GC_MAKES, run, &r, err);
}
