// SPDX-License-Identifier: MIT
/* VMClock, watched without a pause: the quickest, for the price of a CPU. */
#include "monotonic.h"
#include "signal_vmclock.h"

static void cpu_relax(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause");
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int spin_open(struct signal_source *src, bool chosen, const char **why)
{
	(void)chosen;
	return vmclock_map(src, why);
}

static void spin_watch(struct signal_source *src, uint64_t ns)
{
	uint64_t end = monotonic_ns() + ns, value;

	/* The clock is asked rarely: it costs more than the page. */
	do {
		for (int i = 0; i < 256; i++) {
			if (vmclock_value(src->clock, &value) == 0 &&
			    value != src->seen)
				return;
			cpu_relax();
		}
	} while (monotonic_ns() < end);
}

const struct signal_ops signal_vmclock_spin = {
	.name = "vmclock-spin",
	.kind = VMFORK_SIGNAL_VMCLOCK_SPIN,
	.open = spin_open,
	.look = vmclock_look,
	.watch = spin_watch,
	.close = vmclock_unmap,
};
