/* SPDX-License-Identifier: MIT */
/* The guest that a benchmark boots for itself: what its user may say of it. */
#ifndef VF_CMD_BENCH_GUEST_H
#define VF_CMD_BENCH_GUEST_H

#include "cmd/cmd.h"
#include "core/boot.h"

#define BENCH_GUEST_OPTS 5

/**
 * bench_guest_init() - One processor and one interface, on the default network
 * @boot:	out: request, without name and memory
 * @cancel_fd:	readable once the command is to end
 */
void bench_guest_init(struct boot_request *boot, int cancel_fd);

/**
 * bench_guest_opts() - The table of these options
 * @opts:	out: for an OPT_TABLE
 * @boot:	where they are put; bench_guest_init() it
 * @accel:	where --accel is put, as it stands on the command line
 */
void bench_guest_opts(struct opt opts[BENCH_GUEST_OPTS],
		      struct boot_request *boot, const char **accel);

#endif
