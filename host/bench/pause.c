// SPDX-License-Identifier: MIT
/* The order in which branches are measured. pause.h holds the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "bench/pause_take.h"
#include "bench/rows.h"
#include "bench/shell.h"
#include "core/fork.h"
#include "core/reap.h"

#define VM_NAME	      "bench-pause"
#define FORK_PREFIX   "bench-pause-fork"
#define BASE_NAME     "bench-pause-base"
#define SETTLE_MS     60000
#define FILL_MS	      300000
#define SPARE_MIB     128 /* what the guest itself needs */
#define FILL_MIN_MIB  16
#define COMMAND_BYTES 64

/* One run. */
struct run {
	struct pause_table *table;
	const struct vf_state *state;
	const struct pause_plan *plan;
	struct pause_row at; /* the row to be */
};

const char *const pause_mode_names[PAUSE_MODE_NUM] = {
	[PAUSE_FULL] = "full",	    [PAUSE_DIFF] = "diff",
	[PAUSE_LIVE] = "live-sync", [PAUSE_LIVE_ASYNC] = "live-async",
	[PAUSE_AUTO] = "auto",
};

const char *const pause_source_names[PAUSE_SOURCE_NUM] = {
	[PAUSE_BOOTED] = "booted",
	[PAUSE_FORK] = "fork",
};

const char *const pause_work_names[PULSE_NUM] = {
	[PULSE_IDLE] = "idle",
	[PULSE_STEADY] = "steady",
	[PULSE_BURST] = "burst",
};

void pause_table_exit(struct pause_table *table)
{
	free(table->rows);
	*table = (struct pause_table){ 0 };
}

static int table_add(struct pause_table *table, const struct pause_row *row)
{
	struct pause_row *rows =
		rows_grow(table->rows, table->num, &table->size, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->rows[table->num++] = *row;
	return 0;
}

unsigned int pause_fill_mib(const struct pause_plan *plan,
			    unsigned int memory_mib)
{
	unsigned int room = memory_mib > SPARE_MIB ? memory_mib - SPARE_MIB : 0;
	unsigned int fill = plan->fill_mib;

	if (!fill)
		fill = memory_mib / 4 * 3 < room ? memory_mib / 4 * 3 : room;
	if (fill < FILL_MIN_MIB || fill > room)
		return 0;
	for (unsigned int i = 0; i < plan->dirty_mib.num; i++)
		if (plan->dirty_mib.item[i] > fill)
			return 0;
	return fill;
}

/* All modes, each iteration beginning with another one. */
static int run_modes(struct run *r, const struct pause_vm *pv,
		     struct vf_err *err)
{
	const struct bench_list *modes = &r->plan->modes;

	for (unsigned int i = 0; i < modes->num; i++) {
		struct pause_row *row = &r->at;
		int ret;

		row->mode = modes->item[(i + row->iteration) % modes->num];
		ret = pause_take(row, r->state, r->plan, pv, err);
		if (ret < 0)
			return vf_err_wrap(err, "%s",
					   pause_mode_names[row->mode]);
		if (table_add(r->table, row) < 0)
			return vf_err_errno(err, ENOMEM, "rows");
		vf_log(VF_LOG_DEBUG, "%s %u MiB, %u MiB written, %s, %s: %.1f",
		       pause_source_names[row->source], row->memory_mib,
		       row->dirty_mib, pause_work_names[row->work],
		       pause_mode_names[row->mode],
		       (double)row->value[PAUSE_US] / 1000);
	}
	return 0;
}

static int run_vm(struct run *r, struct pause_vm *pv, struct vf_err *err)
{
	const struct pause_plan *plan = r->plan;
	bool whole = r->at.source == PAUSE_BOOTED;
	uint64_t mib = whole ? r->at.fill_mib : r->at.dirty_mib;

	for (unsigned int i = 0; i <= plan->iterations; i++) {
		for (unsigned int k = 0; k < plan->works.num; k++) {
			int ret;

			r->at.iteration = i;
			r->at.work = plan->works.item[k];
			ret = pause_vm_wish(pv, mib << 20, r->at.work,
					    plan->rate_mib, err);
			if (!ret)
				ret = run_modes(r, pv, err);
			if (ret < 0)
				return ret;
		}
	}
	return 0;
}

/* A fork that has written so much since it was one. */
static int run_fork(struct run *r, uint64_t gpa, struct vf_err *err)
{
	const struct fork_request request = {
		.prefix = FORK_PREFIX,
		.num = 1,
		.post = true,
		.wait = FORK_WAIT_SETTLED,
		.timeout_ms = SETTLE_MS,
		.cancel_fd = r->plan->cancel_fd,
	};
	struct fork_result result = { 0 };
	struct vf_err ignored;
	struct snapshot s;
	int ret = snapshot_open(&s, r->state, BASE_NAME, err);

	if (!ret)
		ret = fork_snapshot(&result, r->state, &s, &request, err);
	snapshot_close(&s);
	if (!ret && result.jobs[0].outcome != FORK_ACKED) {
		*err = result.jobs[0].err;
		ret = -err->num;
	}
	if (!ret) {
		struct pause_vm pv = {
			.vm = &result.jobs[0].vm,
			.gpa = gpa,
			.cancel_fd = r->plan->cancel_fd,
		};

		/* another than its parent's last one */
		pv.seq = (uint64_t)vf_now_us();
		ret = run_vm(r, &pv, err);
	}
	if (result.num && result.jobs[0].vm.run_fd >= 0)
		reap_vm(r->state, result.jobs[0].vm.name, &ignored);
	fork_result_exit(&result);
	return ret;
}

/* Forks are as a full snapshot of the booted VM, which ends, left them. */
static int run_forks(struct run *r, struct vm *vm, struct pause_vm *pv,
		     struct vf_err *err)
{
	const struct snapshot_request request = {
		.name = BASE_NAME,
		.mode = SNAPSHOT_MODE_FULL,
		.cancel_fd = r->plan->cancel_fd,
	};
	const struct bench_list *dirty = &r->plan->dirty_mib;
	struct snapshot s;
	int ret = pause_vm_wish(pv, 0, PULSE_IDLE, 0, err);

	if (ret < 0)
		return ret;
	ret = snapshot_take(&s, r->state, vm, &request, err);
	snapshot_close(&s);
	if (ret < 0)
		return ret;
	ret = reap_vm(r->state, vm->name, err);
	r->at.source = PAUSE_FORK;
	for (unsigned int i = 0; !ret && i < dirty->num; i++) {
		r->at.dirty_mib = dirty->item[i];
		ret = run_fork(r, pv->gpa, err);
	}
	pause_forget(r->state, BASE_NAME);
	return ret;
}

static int run_booted(struct run *r, struct vm *vm, struct vf_err *err)
{
	struct pause_vm pv = { .vm = vm, .cancel_fd = r->plan->cancel_fd };
	char command[COMMAND_BYTES];
	int ret;

	snprintf(command, sizeof(command), "pulse %u", r->at.fill_mib);
	ret = shell_ask(vm, command, &pv.gpa, FILL_MS, err);
	if (ret < 0) {
		vf_err_hint(err, "the guest needs a root shell on its console, "
				 "and the program pulse");
		return ret;
	}
	if (bench_list_has(&r->plan->sources, PAUSE_BOOTED))
		ret = run_vm(r, &pv, err);
	if (!ret && bench_list_has(&r->plan->sources, PAUSE_FORK))
		ret = run_forks(r, vm, &pv, err);
	return ret;
}

static int run_memory(struct run *r, struct vf_err *err)
{
	struct boot_request boot = r->plan->boot;
	struct vf_err ignored;
	struct vm vm;
	int ret;

	boot.name = VM_NAME;
	boot.config.memory_bytes = (uint64_t)r->at.memory_mib << 20;
	ret = boot_vm(&vm, r->state, &boot, err);
	if (!ret) {
		ret = run_booted(r, &vm, err);
		reap_vm(r->state, VM_NAME, &ignored);
	}
	vm_close(&vm);
	return ret;
}

int pause_run(struct pause_table *table, const struct vf_state *state,
	      const struct pause_plan *plan, struct vf_err *err)
{
	const struct bench_list *memory = &plan->memory_mib;
	int ret = 0;

	*table = (struct pause_table){ 0 };
	for (unsigned int i = 0; !ret && i < memory->num; i++) {
		struct run r = {
			.table = table,
			.state = state,
			.plan = plan,
			.at.memory_mib = memory->item[i],
			.at.fill_mib = pause_fill_mib(plan, memory->item[i]),
		};

		ret = run_memory(&r, err);
	}
	return ret;
}
