// SPDX-License-Identifier: MIT
/*
 * The guest's reconfiguration, from mail to applied, held against the same one
 * by the guest's own busybox `ip` commands: in forks, where every instruction
 * is cold the first time, and in one guest that has done it before. Both times
 * are the guest's own. In forks either is the first that happens: the commands'
 * fork has no mail, and its shell gets them as it wakes up.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "bench/bench.h"
#include "bench/shell.h"
#include "core/fork.h"
#include "core/reap.h"
#include "ipscript.h"

#define FORK_PREFIX "bench-apply"
#define STEP_MS	    30000
#define POLL_US	    500
#define NOTICE_S    1
#define WARM_UP	    3

enum {
	SERIES_AGENT_FORK,
	SERIES_BARE_FORK,
	SERIES_IP_FORK,
	SERIES_AGENT_WARM,
	SERIES_IP_WARM,
	SERIES_NUM
};

static const char *const series[SERIES_NUM] = {
	[SERIES_AGENT_FORK] = "agent, a fork's first",
	[SERIES_BARE_FORK] = "agent, told of its network alone",
	[SERIES_IP_FORK] = "ip commands, a fork's first",
	[SERIES_AGENT_WARM] = "agent, warm",
	[SERIES_IP_WARM] = "ip commands, warm",
};

static const struct bench_ratio ratios[] = {
	{ "first apply of a fork that is told everything over a bare one",
	  SERIES_AGENT_FORK, SERIES_BARE_FORK, 1.15 },
	{ "first apply of a fork over ip commands", SERIES_AGENT_FORK,
	  SERIES_IP_FORK, 1.0 / 3 },
	{ "warm apply over ip commands", SERIES_AGENT_WARM, SERIES_IP_WARM,
	  0.1 },
};

/* Nothing of what can be left out. */
static const struct told bare = {
	.no_hostname = true,
	.keep_machine_id = true,
	.no_clock = true,
	.all.keep_tcp = true,
};

/* All of what forks can be told, but for a file. */
static const struct told everything = {
	.all = {
		.num_dns4 = 1,
		.dns4 = { { 192, 0, 2, 53 } },
		.search = "example.org",
		.has_hooks = true,
		.hooks = { .timeout_ms = STEP_MS },
	},
};

/*
 * One fork that lives as long as somebody measures in it. Without anything to be
 * told it gets no mail.
 */
static int fork_one(struct fork_result *result, const struct bench_setup *setup,
		    const struct told *told, struct vf_err *err)
{
	bool post = told;
	const struct fork_request request = {
		.prefix = FORK_PREFIX,
		.num = 1,
		.post = post,
		.told = told ? *told : (struct told){ 0 },
		.wait = post ? FORK_WAIT_SETTLED : FORK_WAIT_NONE,
		.timeout_ms = STEP_MS,
		.cancel_fd = setup->cancel_fd,
	};
	int ret = fork_snapshot(result, setup->state, setup->snapshot, &request,
				err);

	if (!ret &&
	    result->jobs[0].outcome != (post ? FORK_ACKED : FORK_RUNNING)) {
		*err = result->jobs[0].err;
		ret = -err->num;
	}
	return ret;
}

static void end_one(struct fork_result *result, const struct bench_setup *setup)
{
	struct vf_err ignored;

	if (result->num && result->jobs[0].vm.run_fd >= 0)
		reap_vm(setup->state, result->jobs[0].vm.name, &ignored);
	fork_result_exit(result);
}

/* What its mail asked for, or would have. */
static int run_script(const struct fork_job *job, int64_t *us,
		      struct vf_err *err)
{
	char script[IPSCRIPT_BYTES];
	int ret = ipscript_write(script, &job->letter.identity.link[0]);

	return ret < 0 ? vf_err_errno(err, ret, "script")
		       : shell_time(&job->vm, script, us, STEP_MS, err);
}

/* Wait until the guest says that it is done with a restore. */
static int wait_status(struct vmm *vmm, uint64_t gpa, const uint8_t *id,
		       struct vmfork_status *status, struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + STEP_MS * 1000;
	int ret;

	for (;;) {
		ret = mailbox_status(vmm, gpa, status, deadline_us, err);
		if (ret < 0)
			return ret;
		if (id ? status->stage == VMFORK_STAGE_SETTLED &&
				    vmfork_id_equal(status->restore_id, id)
		       : status->step == VMFORK_STEP_MAIL)
			return 0;
		if (vf_now_us() > deadline_us)
			return vf_err_set(err, ETIMEDOUT,
					  "the guest does not settle");
		usleep(POLL_US);
	}
}

static int sample_agent_fork(struct bench *bench, unsigned int to,
			     const struct bench_setup *setup,
			     const struct told *told, struct vf_err *err)
{
	struct fork_result result;
	int ret = fork_one(&result, setup, told, err);

	if (!ret) {
		const int64_t *at_us = result.jobs[0].timeline.at_us;

		bench_add(bench, to,
			  at_us[TIMELINE_APPLIED] - at_us[TIMELINE_MAIL]);
	}
	end_one(&result, setup);
	return ret;
}

static int sample_ip_fork(struct bench *bench, const struct bench_setup *setup,
			  struct vf_err *err)
{
	struct fork_result result;
	int64_t us;
	int ret = fork_one(&result, setup, NULL, err);

	if (!ret)
		ret = run_script(&result.jobs[0], &us, err);
	if (!ret)
		bench_add(bench, SERIES_IP_FORK, us);
	end_one(&result, setup);
	return ret;
}

/* Mail into a running guest: its agent looks when it is asked whether it lives. */
static int sample_agent_warm(struct bench *bench, const struct vm *vm,
			     const struct net_conf *conf, bool count,
			     struct vf_err *err)
{
	const struct letter_link link = {
		.conf = conf,
		.port = &vm->nics[0].port,
		.old_mac = vm->nics[0].port.mac,
	};
	struct vmfork_status status;
	struct letter letter;
	struct vmm vmm;
	int64_t at_us;
	int ret = letter_init(&letter, &link, 1, 0, err);

	/* the agent has to have taken note of what the commands changed */
	sleep(NOTICE_S);
	if (!ret)
		ret = vm_attach(vm, &vmm, -1, err);
	if (ret < 0)
		return ret;
	ret = vm->hardware.engine->pause(&vmm, &at_us, err);
	if (!ret)
		ret = mailbox_post(&vmm, vm->mailbox_gpa, &letter, err);
	if (!ret)
		ret = vmm.ops->resume(&vmm, &at_us, err);
	if (!ret)
		ret = wait_status(&vmm, vm->mailbox_gpa, letter.restore_id,
				  &status, err);
	vm_detach(&vmm);
	if (!ret && count)
		bench_add(bench, SERIES_AGENT_WARM,
			  (int64_t)(status.time_ns[VMFORK_STAGE_APPLIED] -
				    status.time_ns[VMFORK_STAGE_MAIL]) /
				  1000);
	return ret;
}

static int run_warm(struct bench *bench, const struct bench_setup *setup,
		    const struct net_conf *conf, struct vf_err *err)
{
	struct fork_result result;
	int64_t us;
	int ret = fork_one(&result, setup, &bare, err);
	const struct fork_job *job = ret ? NULL : &result.jobs[0];

	for (unsigned int i = 0; !ret && i < setup->iterations + WARM_UP; i++) {
		bool count = i >= WARM_UP;

		ret = sample_agent_warm(bench, &job->vm, conf, count, err);
		if (!ret)
			ret = run_script(job, &us, err);
		if (!ret && count)
			bench_add(bench, SERIES_IP_WARM, us);
	}
	end_one(&result, setup);
	return ret;
}

static int run(struct bench *bench, const struct bench_setup *setup,
	       struct vf_err *err)
{
	struct net *net;
	const struct net_conf *conf;
	int ret;

	ret = net_open(&net, setup->state->net_fd,
		       setup->snapshot->nics[0].net_name, err);
	if (ret < 0)
		return ret;
	conf = net_get_conf(net);
	for (unsigned int i = 0; !ret && i < setup->iterations; i++) {
		ret = sample_agent_fork(bench, SERIES_AGENT_FORK, setup,
					&everything, err);
		if (!ret)
			ret = sample_agent_fork(bench, SERIES_BARE_FORK, setup,
						&bare, err);
		if (!ret)
			ret = sample_ip_fork(bench, setup, err);
	}
	if (!ret)
		ret = run_warm(bench, setup, conf, err);
	net_close(net);
	return ret;
}

const struct bench_kind bench_apply = {
	.name = "apply",
	.summary = "guest's reconfiguration against busybox ip commands",
	.series = series,
	.num_series = SERIES_NUM,
	.ratios = ratios,
	.num_ratios = ARRAY_SIZE(ratios),
	.run = run,
};
