/* SPDX-License-Identifier: MIT */
/*
 * The VMClock page (ACPI AMZNC10C / VMCLOCK), version 1: what a hypervisor
 * tells its guest about time and about having been moved, copied or restored.
 *
 * Source: the VMClock specification, version 1, checked against Linux's
 * include/uapi/linux/vmclock-abi.h. The two differ on the numbers of the last
 * two flags: the specification's table is off by one. The kernel and the VMMs
 * agree with each other, so the kernel's numbers stand here.
 *
 * seq_count is odd while the hypervisor writes; a reader retries. Not every
 * hypervisor fills every field: QEMU up to 11.1 leaves flags 0, has no
 * generation counter and no notification, and raises only disruption_marker
 * (with seq_count) on a restore.
 */
#ifndef VMFORK_VMCLOCK_H
#define VMFORK_VMCLOCK_H

#include <assert.h>
#include <linux/types.h>
#include <stddef.h>

#define VMCLOCK_MAGIC	  0x4b4c4356 /* "VCLK" */
#define VMCLOCK_VERSION	  1
#define VMCLOCK_PAGE_SIZE 4096

#define VMCLOCK_COUNTER_INVALID 0xff

#define VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT (1ULL << 8)
#define VMCLOCK_FLAG_NOTIFICATION_PRESENT   (1ULL << 9)

struct vmclock {
	__le32 magic;
	__le32 size; /* of the region, bytes */
	__le16 version;
	__u8 counter_id;
	__u8 time_type;
	__le32 seq_count;
	__le64 disruption_marker; /* differs after a disruption */
	__le64 flags;		  /* VMCLOCK_FLAG_* */
	__u8 pad[2];
	__u8 clock_status;
	__u8 leap_second_smearing_hint;
	__le16 tai_offset_sec;
	__u8 leap_indicator;
	__u8 counter_period_shift;
	__le64 counter_value;
	__le64 counter_period_frac_sec;
	__le64 counter_period_esterror_rate_frac_sec;
	__le64 counter_period_maxerror_rate_frac_sec;
	__le64 time_sec;
	__le64 time_frac_sec;
	__le64 time_esterror_nanosec;
	__le64 time_maxerror_nanosec;
	__le64 vm_generation_counter; /* if the flag says so */
};

static_assert(offsetof(struct vmclock, seq_count) == 12, "vmclock");
static_assert(offsetof(struct vmclock, disruption_marker) == 16, "vmclock");
static_assert(offsetof(struct vmclock, flags) == 24, "vmclock");
static_assert(offsetof(struct vmclock, counter_value) == 40, "vmclock");
static_assert(offsetof(struct vmclock, vm_generation_counter) == 104,
	      "vmclock");
static_assert(sizeof(struct vmclock) == 112, "vmclock");

#endif
