// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "core/accel.h"

#define KVM_PATH     "/dev/kvm"
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

/* A verdict is a file that holds the boot id of when it was reached. */
static const char *const files[] = {
	[ACCEL_USABLE] = "kvm-usable",
	[ACCEL_UNUSABLE] = "kvm-unusable",
};

static bool is_noted(const struct vf_state *state, enum accel_verdict verdict)
{
	__free char *then = NULL, *now = NULL;
	struct vf_err err;

	return vf_read_file(state->fd, files[verdict], 64, &then, NULL, &err) ==
		       0 &&
	       vf_read_file(AT_FDCWD, BOOT_ID_PATH, 64, &now, NULL, &err) ==
		       0 &&
	       !strcmp(then, now);
}

void accel_note(const struct vf_state *state, enum accel_verdict verdict)
{
	__free char *now = NULL;
	struct vf_err err;

	if (verdict == ACCEL_UNKNOWN || is_noted(state, verdict))
		return;
	/* what cannot be kept is found out again */
	if (vf_read_file(AT_FDCWD, BOOT_ID_PATH, 64, &now, NULL, &err) == 0)
		vf_write_file(state->fd, files[verdict], now, strlen(now),
			      false, &err);
	if (verdict == ACCEL_UNUSABLE)
		vf_log(VF_LOG_WARN, "KVM cannot run this guest here: using "
				    "TCG, which is many times slower");
}

enum vmm_accel accel_choose(const struct vf_state *state, enum vmm_accel wanted,
			    enum accel_verdict *verdict)
{
	__close int fd = -1;

	*verdict = ACCEL_UNKNOWN;
	if (is_noted(state, ACCEL_UNUSABLE))
		*verdict = ACCEL_UNUSABLE;
	else if (is_noted(state, ACCEL_USABLE))
		*verdict = ACCEL_USABLE;
	if (wanted != VMM_ACCEL_AUTO)
		return wanted;
	if (*verdict == ACCEL_UNUSABLE)
		return VMM_ACCEL_TCG;
	fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return VMM_ACCEL_KVM;
	accel_note(state, ACCEL_UNUSABLE);
	return VMM_ACCEL_TCG;
}
