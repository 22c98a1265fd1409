/* SPDX-License-Identifier: MIT */
/* What goes before all else in a guest that was just restored. */
#ifndef VMFORK_PRIORITY_H
#define VMFORK_PRIORITY_H

/* Of SCHED_FIFO: the kernel's threads of interrupts have 50. */
#define VMFORK_PRIORITY 51

#endif
