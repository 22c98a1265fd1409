// SPDX-License-Identifier: MIT
/*
 * The host's share of a fork, from the command's start until the guest runs,
 * held against the least that could be: the same QEMU command line started by
 * hand, told over QMP, by fixed lines and without looking at the answers more
 * than necessary, to load the same state and to go on. The floor has a TAP (made
 * before the clock starts) but no identity, no bridge, no rules and no mail.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/unix.h"
#include "bench/bench.h"
#include "core/chain.h"
#include "core/fork.h"
#include "core/reap.h"

#define FLOOR_NAME   "bench-floor"
#define FORK_PREFIX  "bench-fork"
#define DEADLINE_US  (30 * 1000000LL)
#define ANSWER_BYTES 65536

enum { SERIES_FLOOR, SERIES_FORK, SERIES_NUM };

static const char *const series[SERIES_NUM] = {
	[SERIES_FLOOR] = "floor: QEMU by hand",
	[SERIES_FORK] = "fork: start to resumed",
};

static const struct bench_ratio ratios[] = {
	{ "host share of a fork over the floor", SERIES_FORK, SERIES_FLOOR,
	  1.3 },
};

/* Read until a word comes by. */
static int read_until(int fd, const char *word, int64_t deadline_us)
{
	char buf[ANSWER_BYTES];
	size_t used = 0;

	for (;;) {
		int ret = vf_wait_readable(fd, -1, deadline_us);
		ssize_t n;

		if (ret < 0)
			return ret;
		n = read(fd, buf + used, sizeof(buf) - 1 - used);
		if (n <= 0)
			return -ECONNRESET;
		used += (size_t)n;
		buf[used] = '\0';
		if (strstr(buf, word))
			return 0;
		if (used > sizeof(buf) / 2)
			used = 0;
	}
}

/* What a person would type. */
static int converse(int fd, const char *state_path)
{
	int64_t deadline_us = vf_now_us() + DEADLINE_US;
	char lines[8192];
	int ret = read_until(fd, "\"QMP\"", deadline_us);

	snprintf(lines, sizeof(lines),
		 "{\"execute\":\"qmp_capabilities\"}\n"
		 "{\"execute\":\"migrate-set-capabilities\",\"arguments\":"
		 "{\"capabilities\":[{\"capability\":\"events\","
		 "\"state\":true}]}}\n"
		 "{\"execute\":\"migrate-incoming\",\"arguments\":"
		 "{\"uri\":\"file:%s\"}}\n",
		 state_path);
	if (!ret)
		ret = vf_write_all(fd, lines, strlen(lines));
	if (!ret)
		ret = read_until(fd, "\"completed\"", deadline_us);
	if (!ret)
		ret = vf_write_all(fd, "{\"execute\":\"cont\"}\n", 19);
	if (!ret)
		ret = read_until(fd, "\"RESUME\"", deadline_us);
	return ret;
}

static int run_engine(const struct vm *vm, const struct bench_setup *setup,
		      const struct snapshot *base, struct vmm *vmm,
		      const int *tap_fds, int64_t *us, struct vf_err *err)
{
	const struct snapshot *s = setup->snapshot;
	__close int kernel_fd =
		openat(s->dir_fd, VM_KERNEL_FILE, O_RDONLY | O_CLOEXEC);
	__close int initrd_fd =
		openat(s->dir_fd, VM_INITRD_FILE, O_RDONLY | O_CLOEXEC);
	__close int mail_fd =
		openat(vm->run_fd, VM_MAIL_FILE, O_RDONLY | O_CLOEXEC);
	struct vmm_spec spec = {
		.name = vm->name,
		.config = &s->hardware.config,
		.append = s->hardware.append,
		.kernel_fd = kernel_fd,
		.initrd_fd = initrd_fd,
		.mail_fd = mail_fd,
		.image_fd = base->dir_fd,
		.image = &base->image,
	};
	char link[64], path[4096];
	__close int fd = -1;
	int64_t start_us;
	ssize_t len;
	int ret;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", s->dir_fd);
	len = readlink(link, path, sizeof(path) - 16);
	if (len < 0)
		return vf_err_errno(err, errno, "floor");
	strcpy(path + len, "/" VMM_STATE_FILE);
	vm_spec_nics(vm, tap_fds, &spec);
	start_us = vf_now_us();
	ret = vmm->ops->spawn(vmm, &spec, err);
	if (ret < 0)
		return ret;
	fd = vf_unix_connect(vm->run_fd, "qmp.sock", -1,
			     start_us + DEADLINE_US);
	ret = fd < 0 ? fd : converse(fd, path);
	*us = vf_now_us() - start_us;
	return ret < 0 ? vf_err_errno(err, ret, "floor") : 0;
}

/* A stand-in for the mail at boot: the same size, so the same command line. */
static int write_mail(const struct vm *vm, struct vf_err *err)
{
	static const struct vmfork_mail blank;

	return vf_write_file(vm->run_fd, VM_MAIL_FILE, &blank, sizeof(blank),
			     false, err);
}

/* As many interfaces as the snapshot has, on no bridge. */
static int open_taps(struct vm *vm, const struct snapshot *s,
		     int tap_fds[VM_NICS_MAX], struct vf_err *err)
{
	vm->num_nics = s->num_nics;
	for (unsigned int k = 0; k < s->num_nics; k++) {
		struct net_port *port = &vm->nics[k].port;

		snprintf(port->owner, sizeof(port->owner), "%s", FLOOR_NAME);
		snprintf(port->tap, sizeof(port->tap), "vfbench%u", (uint8_t)k);
		memcpy(port->mac, s->nics[k].mac, sizeof(port->mac));
	}
	return vm_open_taps(vm, tap_fds, err);
}

static int sample_on(struct bench *bench, const struct bench_setup *setup,
		     const struct snapshot *base, struct vf_err *err)
{
	struct vm vm = { .run_fd = -1 };
	struct vf_err ignored;
	struct vmm vmm;
	int tap_fds[VM_NICS_MAX] = { -1, -1, -1, -1 };
	int64_t us = 0;
	int ret;

	ret = reap_create(&vm, setup->state, FLOOR_NAME, err);
	if (ret < 0)
		return ret;
	vmm = (struct vmm){ .ops = setup->snapshot->hardware.engine,
			    .proc.pidfd = -1,
			    .run_fd = vm.run_fd,
			    .cancel_fd = -1 };
	ret = open_taps(&vm, setup->snapshot, tap_fds, err);
	if (!ret)
		ret = write_mail(&vm, err);
	if (!ret)
		ret = run_engine(&vm, setup, base, &vmm, tap_fds, &us, err);
	if (!ret)
		bench_add(bench, SERIES_FLOOR, us);
	vm_close_taps(tap_fds);
	process_kill(&vmm.proc, 0);
	process_close(&vmm.proc);
	reap_vm(setup->state, vm.name, &ignored);
	vm_close(&vm);
	return ret;
}

/* A layer is not written into the floor's memory: it has what the base has. */
static int sample_floor(struct bench *bench, const struct bench_setup *setup,
			struct vf_err *err)
{
	struct chain chain;
	int ret = chain_open(&chain, setup->state, setup->snapshot->name,
			     setup->snapshot->id, err);

	if (!ret)
		ret = sample_on(bench, setup, chain_base(&chain), err);
	chain_close(&chain);
	return ret;
}

/* From the very beginning, as the command does it. */
static int fork_once(struct fork_result *result,
		     const struct bench_setup *setup, struct vf_err *err)
{
	struct fork_request request = {
		.prefix = FORK_PREFIX,
		.num = 1,
		.post = true,
		.timeout_ms = 30000,
		.start_us = vf_now_us(),
		.cancel_fd = setup->cancel_fd,
	};
	struct snapshot snapshot;
	int ret = snapshot_open(&snapshot, setup->state, setup->snapshot->name,
				err);

	if (!ret)
		ret = fork_snapshot(result, setup->state, &snapshot, &request,
				    err);
	snapshot_close(&snapshot);
	return ret;
}

static int sample_fork(struct bench *bench, const struct bench_setup *setup,
		       struct vf_err *err)
{
	struct fork_result result = { 0 };
	struct fork_job *job;
	int ret = fork_once(&result, setup, err);

	if (!ret) {
		job = &result.jobs[0];
		if (job->outcome == FORK_FAILED) {
			*err = job->err;
			ret = -err->num;
		} else {
			bench_add(bench, SERIES_FORK,
				  job->timeline.at_us[TIMELINE_RESUMED] -
					  result.start_us);
			ret = reap_vm(setup->state, job->vm.name, err);
		}
	}
	fork_result_exit(&result);
	return ret;
}

static int run(struct bench *bench, const struct bench_setup *setup,
	       struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < setup->iterations; i++) {
		/* each is first in every other pair */
		ret = (i % 2 ? sample_floor : sample_fork)(bench, setup, err);
		if (!ret)
			ret = (i % 2 ? sample_fork : sample_floor)(bench, setup,
								   err);
	}
	return ret;
}

const struct bench_kind bench_start = {
	.name = "start",
	.summary = "host's share of a fork against QEMU started by hand",
	.series = series,
	.num_series = SERIES_NUM,
	.ratios = ratios,
	.num_ratios = ARRAY_SIZE(ratios),
	.run = run,
};
