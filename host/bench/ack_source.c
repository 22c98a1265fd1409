// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "bench/ack_kind.h"
#include "bench/ack_source.h"
#include "bench/shell.h"

#define NAME_BYTES  (ACK_PREFIX_BYTES + 32)
#define PROBE_WORDS "vmfork.load=vmfork_mailbox,vmfork_vmclock"
#define SHELL_MS    240000 /* for a guest to have its shell */
#define TAKES	    8 /* of a snapshot, until it is of the moment that is meant */

void ack_sources_init(struct ack_sources *s, const struct vf_state *state,
		      const struct ack_plan *plan)
{
	*s = (struct ack_sources){ .state = state, .plan = plan };
	snprintf(s->prefix, sizeof(s->prefix), "bench-ack-%d", (int)getpid());
}

int ack_sources_open(struct ack_sources *s, struct vf_err *err)
{
	struct ack_source *source = &s->source[s->num++];

	source->is_there = true;
	return snapshot_open(&source->snapshot, s->state, s->plan->snapshot,
			     err);
}

static int boot(struct vm *vm, const struct ack_sources *s, const char *name,
		const char *words, struct vf_err *err)
{
	struct boot_request boot = s->plan->boot;
	char append[VM_APPEND_MAX];

	*vm = (struct vm){ .run_fd = -1 };
	if (snprintf(append, sizeof(append), "%s %s", boot.append, words) >=
	    (int)sizeof(append))
		return vf_err_set(err, E2BIG,
				  "--append: with what a source needs beyond "
				  "%d bytes",
				  VM_APPEND_MAX - 1);
	boot.append = append;
	boot.name = name;
	boot.wait = true;
	return boot_vm(vm, s->state, &boot, err);
}

static int check_in(const struct vm *vm, struct ack_table *table,
		    struct vf_err *err)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		struct ack_variant *v = &table->variants[i];
		int ret = v->kind->check
				  ? v->kind->check(v->kind, vm, v->why, err)
				  : 0;

		if (ret < 0)
			return vf_err_wrap(err, "%s", v->name);
	}
	return 0;
}

int ack_sources_check(const struct ack_sources *s, struct ack_table *table,
		      struct vf_err *err)
{
	bool is_needed = false;
	char name[NAME_BYTES];
	struct vm vm;
	int ret;

	for (unsigned int i = 0; i < table->num_variants; i++)
		is_needed = is_needed || table->variants[i].kind->check;
	if (!is_needed)
		return 0;
	snprintf(name, sizeof(name), "%s-probe", s->prefix);
	ret = boot(&vm, s, name, PROBE_WORDS, err);
	if (!ret) {
		table->accel = vm.hardware.config.accel;
		ret = shell_await(&vm, s->plan->cancel_fd, SHELL_MS, err);
		if (ret < 0)
			vf_err_hint(err, "the guest needs a root shell on its "
					 "console");
		else
			ret = check_in(&vm, table, err);
		ack_reap(s->state, name);
	}
	vm_close(&vm);
	return ret;
}

/* What decides about the guest is the same. */
static bool is_same_guest(const struct ack_variant *a,
			  const struct ack_variant *b)
{
	return !strcmp(a->kind->words, b->kind->words) &&
	       a->kind->prepare == b->kind->prepare;
}

static int take(struct ack_source *source, const struct ack_sources *s,
		const struct vm *vm, const char *name, bool armed,
		struct vf_err *err)
{
	const struct snapshot_request request = {
		.name = name,
		.mode = SNAPSHOT_MODE_AUTO,
		.hold.arm = armed,
		.cancel_fd = s->plan->cancel_fd,
	};
	int ret = snapshot_take(&source->snapshot, s->state, vm, &request, err);

	source->is_there = true;
	source->is_ours = !ret;
	return ret;
}

static void forget(const struct ack_sources *s, struct ack_source *source)
{
	__json json_t *names = json_pack("[s]", source->snapshot.name);
	struct vf_err err;

	if (source->is_there)
		snapshot_close(&source->snapshot);
	if (source->is_ours &&
	    snapshot_remove(s->state, names, SNAPSHOT_ORPHANS_CASCADE, &err) <
		    0)
		vf_log(VF_LOG_WARN, "snapshot %s: not removed: %s",
		       source->snapshot.name, err.msg);
	source->is_there = false;
	source->is_ours = false;
}

/* Was it this that was to wake its forks? */
static bool is_expected(const struct ack_variant *v, enum vmfork_signal signal)
{
	if (v->armed)
		return signal == VMFORK_SIGNAL_ARMED;
	if (v->kind->signal)
		return signal == v->kind->signal;
	return signal != VMFORK_SIGNAL_CHECK;
}

/*
 * Is it of the moment that is meant? An agent that was asked to spin may be too
 * late on a busy machine. One that was not may look for mail, as it does once a
 * second, before its signal comes: all forks of such a snapshot would tell so.
 * Of forks with their parent's MAC the report alone tells.
 * The fork that tries it leaves the list of what forks use of their image.
 *
 * Return: 1 or 0, -errno
 */
static int is_meant(const struct ack_sources *s,
		    const struct ack_source *source,
		    const struct ack_variant *v, struct vf_err *err)
{
	static const struct ack_prefetch prefetch = {
		.wish.mode = PREFETCH_AUTO,
	};
	const struct ack_variant trial = {
		.kind = v->kind,
		.prefetch = &prefetch,
	};
	const struct ack_site site = {
		.state = s->state,
		.snapshot = &source->snapshot,
		.variant = &trial,
		.prefix = s->prefix,
		.cancel_fd = s->plan->cancel_fd,
	};
	struct ack_row row = { 0 };
	int ret;

	if (v->armed && !source->snapshot.armed)
		return 0;
	if (v->kind->has_parents_mac)
		return 1;
	ret = v->kind->take(&row, &site, err);
	return ret < 0 ? ret : is_expected(v, row.signal);
}

static int take_meant(struct ack_sources *s, const struct vm *vm,
		      struct ack_variant *v, struct vf_err *err)
{
	struct ack_source *source = &s->source[s->num];
	char name[NAME_BYTES];
	int ret = 0;

	v->source = s->num++;
	for (int i = 0; !ret && i < TAKES; i++) {
		forget(s, source);
		snprintf(name, sizeof(name), "%s-of-%u-%d", s->prefix,
			 v->source, i);
		ret = take(source, s, vm, name, v->armed, err);
		if (!ret)
			ret = is_meant(s, source, v, err);
	}
	if (!ret)
		snprintf(v->why, sizeof(v->why),
			 v->armed ? "its agent never spun in time"
				  : "its forks are woken by something else");
	v->spun_us = source->snapshot.spun_us;
	return ret < 0 ? ret : 0;
}

/* All snapshots of a guest, whose first variant is @first. */
static int take_all(struct ack_sources *s, struct ack_table *table,
		    unsigned int first, const struct vm *vm, struct vf_err *err)
{
	for (unsigned int i = first; i < table->num_variants; i++) {
		struct ack_variant *v = &table->variants[i];
		unsigned int k = first;
		int ret;

		if (*v->why || !is_same_guest(&table->variants[first], v))
			continue;
		while (k < i && (table->variants[k].armed != v->armed ||
				 !is_same_guest(&table->variants[k], v)))
			k++;
		if (k < i) {
			v->source = table->variants[k].source;
			v->spun_us = table->variants[k].spun_us;
			strcpy(v->why, table->variants[k].why);
			continue;
		}
		ret = take_meant(s, vm, v, err);
		if (ret < 0)
			return vf_err_wrap(err, "%s", v->name);
	}
	return 0;
}

/* Of all variants of a guest that could not be had. */
static void give_up(struct ack_table *table, unsigned int first,
		    const struct vf_err *err)
{
	for (unsigned int i = first; i < table->num_variants; i++) {
		struct ack_variant *v = &table->variants[i];

		if (!*v->why && is_same_guest(&table->variants[first], v))
			snprintf(v->why, sizeof(v->why), "%s", err->msg);
	}
	vf_log(VF_LOG_WARN, "%s: %s", table->variants[first].name, err->msg);
}

static int make_guest(struct ack_sources *s, struct ack_table *table,
		      unsigned int index, struct vf_err *err)
{
	const struct ack_variant *v = &table->variants[index];
	char name[NAME_BYTES];
	struct vm vm;
	int ret;

	snprintf(name, sizeof(name), "%s-guest-%u", s->prefix, index);
	vf_log(VF_LOG_DEBUG, "%s: booting its source", v->name);
	ret = boot(&vm, s, name, v->kind->words, err);
	if (!ret) {
		table->accel = vm.hardware.config.accel;
		if (v->kind->prepare)
			ret = v->kind->prepare(&vm, err);
		if (!ret)
			ret = take_all(s, table, index, &vm, err);
		ack_reap(s->state, name);
	}
	vm_close(&vm);
	return ret;
}

int ack_sources_make(struct ack_sources *s, struct ack_table *table,
		     unsigned int index, struct vf_err *err)
{
	bool is_alone = true;
	int ret;

	for (unsigned int i = 0; i < table->num_variants; i++) {
		if (is_same_guest(&table->variants[i], &table->variants[index]))
			continue;
		is_alone = false;
		break;
	}
	for (unsigned int i = 0; i < index; i++)
		if (is_same_guest(&table->variants[i], &table->variants[index]))
			return 0;
	ret = make_guest(s, table, index, err);
	if (ret < 0 && !is_alone && vf_check_cancel(s->plan->cancel_fd) == 0) {
		give_up(table, index, err);
		ret = 0;
	}
	return ret;
}

void ack_sources_exit(struct ack_sources *s)
{
	for (unsigned int i = 0; i < s->num; i++)
		forget(s, &s->source[i]);
	s->num = 0;
}
