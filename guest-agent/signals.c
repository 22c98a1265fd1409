// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "log.h"
#include "monotonic.h"
#include "signals.h"

/*
 * How late a source may fire and still belong to the restore before. On a host
 * with more forks than processors the kernel's line was read after 10 s.
 */
#define LATE_NS (60 * NS_PER_S)

static const struct signal_ops *const all_ops[] = {
	&signal_mailbox,
	&signal_vmgenid,
	&signal_vmclock,
	&signal_vmclock_spin,
};
#define NUM_OPS (sizeof(all_ops) / sizeof(all_ops[0]))
static_assert(NUM_OPS <= SIGNALS_MAX, "signals");

static int source_add(struct signals *sigs, const struct signal_ops *ops,
		      bool chosen, const char **why)
{
	struct signal_source *src = &sigs->source[sigs->num];
	int ret;

	*src = (struct signal_source){ .ops = ops, .fd = -1, .dev_fd = -1 };
	ret = ops->open(src, chosen, why);
	if (ret < 0)
		return ret;
	if (ops->watch)
		sigs->watched = src;
	sigs->num++;
	return 0;
}

int signals_open(struct signals *sigs, const char *name, const char **why)
{
	bool is_auto = !strcmp(name, "auto");

	memset(sigs, 0, sizeof(*sigs));
	*why = "unknown signal";
	for (unsigned int i = 0; i < NUM_OPS; i++) {
		/* told later: a line on a serial console takes its time */
		if (is_auto && all_ops[i]->in_auto &&
		    source_add(sigs, all_ops[i], false, why) < 0)
			sigs->missing[i] = *why;
		else if (!strcmp(name, all_ops[i]->name))
			return source_add(sigs, all_ops[i], true, why);
	}
	return is_auto ? 0 : -EINVAL;
}

void signals_tell(const struct signals *sigs)
{
	for (unsigned int i = 0; i < NUM_OPS; i++)
		if (sigs->missing[i])
			log_line(LOG_DEBUG, "signal %s: %s", all_ops[i]->name,
				 sigs->missing[i]);
}

void signals_close(struct signals *sigs)
{
	for (unsigned int i = 0; i < sigs->num; i++)
		sigs->source[i].ops->close(&sigs->source[i]);
	sigs->num = 0;
}

/* Has the source to tell of a restore that nobody told of yet? */
static bool source_tells(struct signals *sigs, unsigned int i)
{
	struct signal_source *src = &sigs->source[i];
	int ret;

	if (src->failed)
		return false;
	ret = src->ops->look(src);
	if (ret < 0)
		src->failed = true;
	if (ret <= 0)
		return false;
	if (!(sigs->uncounted & 1U << i))
		return true;
	sigs->uncounted &= ~(1U << i);
	return monotonic_ns() - sigs->restore_ns > LATE_NS;
}

enum vmfork_signal signals_look(struct signals *sigs)
{
	enum vmfork_signal first = VMFORK_SIGNAL_NONE;
	uint32_t fired = 0;

	for (unsigned int i = 0; i < sigs->num; i++) {
		if (!source_tells(sigs, i))
			continue;
		fired |= 1U << i;
		if (first == VMFORK_SIGNAL_NONE)
			first = sigs->source[i].ops->kind;
	}
	if (fired) {
		sigs->uncounted = ((1U << sigs->num) - 1) & ~fired;
		sigs->restore_ns = monotonic_ns();
	}
	return first;
}

void signals_account(struct signals *sigs, enum vmfork_signal kind)
{
	/* signals_look() did it already, unless nothing but the mail told. */
	if (kind != VMFORK_SIGNAL_CHECK && kind != VMFORK_SIGNAL_ARMED)
		return;
	sigs->uncounted = (1U << sigs->num) - 1;
	sigs->restore_ns = monotonic_ns();
}
