// SPDX-License-Identifier: MIT
/* Floors, and a shell. ack_base.h says what they are. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"
#include "bench/ack_base.h"
#include "bench/shell.h"
#include "core/fork.h"
#include "ipscript.h"

#define PROGRAM_MS   60000
#define CONSOLE_US   5000000
#define SCRIPT_BYTES (IPSCRIPT_BYTES + 64)

/* Nobody starts the agent again; what it set up stays, but for its mailbox. */
static int replace_agent(struct vm *source, const char *way, struct vf_err *err)
{
	char command[256];
	int ret;

	snprintf(command, sizeof(command),
		 "sed -i /vmfork-agent/d /etc/inittab; kill -HUP 1; "
		 "killall vmfork-agent; "
		 "while pidof vmfork-agent; do usleep 10000; done >/dev/null; "
		 "standin %s",
		 way);
	ret = shell_ask(source, command, &source->mailbox_gpa, PROGRAM_MS, err);
	if (ret < 0)
		vf_err_hint(err, "the guest has to be the one that the project "
				 "builds, with the programs of its benchmarks");
	return ret;
}

int ack_request_prepare(struct vm *source, struct vf_err *err)
{
	return replace_agent(source, "one spin", err);
}

int ack_vmgenid_prepare(struct vm *source, struct vf_err *err)
{
	return replace_agent(source, "one vmgenid", err);
}

int ack_ip_prepare(struct vm *source, struct vf_err *err)
{
	return replace_agent(source, "ip vmgenid", err);
}

int ack_dhcp_prepare(struct vm *source, struct vf_err *err)
{
	return replace_agent(source, "dhcp vmgenid", err);
}

int ack_shell_prepare(struct vm *source, struct vf_err *err)
{
	return replace_agent(source, "none told", err);
}

/*
 * One request cannot give it a MAC and an address: it has its parent's MAC, which
 * is free, for the source has ended.
 */
static void keep_mac(struct ack_way *way, const struct ack_site *site)
{
	struct net_wish *wish = &way->link.wish;

	way->num_links = 1;
	wish->has_mac = true;
	memcpy(wish->mac, site->snapshot->nics[0].mac, sizeof(wish->mac));
}

int ack_request_take(struct ack_row *row, const struct ack_site *site,
		     struct vf_err *err)
{
	struct ack_way way = { 0 };

	keep_mac(&way, site);
	return ack_take_way(row, site, &way, err);
}

/* A fork that is told over its console. */
struct told_over {
	const struct vf_state *state;
	int fd; /* kept, for what the shell echoes waits in it */
};

static int open_console(struct told_over *t, const char *name,
			struct vf_err *err)
{
	struct vm vm;
	int ret = vm_open(&vm, t->state, name, err);

	if (!ret) {
		t->fd = vf_unix_connect(vm.run_fd, VMM_CONSOLE_SOCKET, -1,
					vf_now_us() + CONSOLE_US);
		if (t->fd < 0)
			ret = vf_err_errno(err, t->fd, "VM %s: console", name);
	}
	vm_close(&vm);
	return ret;
}

/*
 * In its favour: the connection is there, and the commands are on the line, as
 * the guest is resumed.
 */
static int send_commands(const struct fork_job *job, struct vmm *vmm, void *ctx,
			 struct vf_err *err)
{
	char commands[IPSCRIPT_BYTES], line[SCRIPT_BYTES];
	struct told_over *t = ctx;
	int ret = ipscript_write(commands, &job->letter.identity.link[0]);

	(void)vmm;
	if (ret < 0)
		return vf_err_errno(err, ret, "console");
	ret = open_console(t, job->vm.name, err);
	if (ret < 0)
		return ret;
	snprintf(line, sizeof(line), "%s; echo >/run/standin\n", commands);
	ret = vf_write_all(t->fd, line, strlen(line));
	return ret < 0 ? vf_err_errno(err, ret, "console") : 0;
}

int ack_shell_take(struct ack_row *row, const struct ack_site *site,
		   struct vf_err *err)
{
	struct told_over t = { .state = site->state, .fd = -1 };
	const struct ack_way way = { .resuming = send_commands, .ctx = &t };
	int ret = ack_take_way(row, site, &way, err);

	vf_close_fd(&t.fd);
	/* its program hears of the mail when all is done */
	row->value[ACK_SIGNAL_US] = ACK_UNKNOWN;
	row->value[ACK_MAIL_US] = ACK_UNKNOWN;
	row->value[ACK_APPLY_US] = ACK_UNKNOWN;
	return ret;
}

/* What the guest counts in, before it runs; see spin_wait() of the stand-in. */
static int read_count(const struct fork_job *job, struct vmm *vmm, void *ctx,
		      struct vf_err *err)
{
	uint64_t at = job->vm.mailbox_gpa + VMFORK_STATUS_OFFSET +
		      offsetof(struct vmfork_status, time_ns);

	return vmm->ops->peek(vmm, at, ctx, sizeof(uint64_t), err);
}

static enum vmfork_stage counted(const struct vmfork_status *status,
				 const void *ctx)
{
	const uint64_t *before = ctx;

	return status->time_ns[VMFORK_STAGE_NONE] != *before
		       ? VMFORK_STAGE_APPLIED
		       : VMFORK_STAGE_NONE;
}

/* The same fork, of which only its first sign of life counts. */
int ack_code_take(struct ack_row *row, const struct ack_site *site,
		  struct vf_err *err)
{
	uint64_t count = 0;
	struct ack_way way = {
		.resuming = read_count,
		.stage = counted,
		.ctx = &count,
	};
	int64_t seen_us, blind_us;
	int ret;

	keep_mac(&way, site);
	ret = ack_take_way(row, site, &way, err);
	seen_us = row->value[ACK_SEEN_US];
	blind_us = row->value[ACK_BLIND_US];
	for (unsigned int m = 0; m < ACK_METRIC_NUM; m++)
		row->value[m] = ACK_UNKNOWN;
	row->value[ACK_SEEN_US] = seen_us;
	row->value[ACK_BLIND_US] = blind_us;
	return ret;
}
