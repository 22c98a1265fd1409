/* SPDX-License-Identifier: MIT */
/* What the two sources that read the VMClock page share. */
#ifndef AGENT_SIGNAL_VMCLOCK_H
#define AGENT_SIGNAL_VMCLOCK_H

#include "signals.h"

/**
 * vmclock_map() - Map the device's page and note its present value
 * @src:	source
 * @why:	out, on failure: a literal
 *
 * Return: 0 or -errno
 */
int vmclock_map(struct signal_source *src, const char **why);

/**
 * vmclock_unmap() - Unmap it
 * @src:	source
 */
void vmclock_unmap(struct signal_source *src);

/**
 * vmclock_look() - Compare the page with the value seen last
 * @src:	source
 *
 * Return: 1 if it differs, which then counts as seen; 0 if not
 */
int vmclock_look(struct signal_source *src);

#endif
