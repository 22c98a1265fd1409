// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmm/vmm.h"

static const struct vmm_ops *const engines[] = {
	&qemu_ops,
};

static const char *const accels[VMM_ACCEL_NUM] = {
	[VMM_ACCEL_AUTO] = "auto",
	[VMM_ACCEL_TCG] = "tcg",
	[VMM_ACCEL_KVM] = "kvm",
};

const struct vmm_ops *vmm_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

const char *vmm_accel_name(enum vmm_accel accel)
{
	return accels[accel];
}

int vmm_accel_parse(enum vmm_accel *accel, const char *name)
{
	for (int i = 0; i < VMM_ACCEL_NUM; i++) {
		if (strcmp(accels[i], name) != 0)
			continue;
		*accel = (enum vmm_accel)i;
		return 0;
	}
	return -EINVAL;
}

int vmm_image_gpa(const struct vmm_image *image, uint64_t offset, uint64_t *gpa)
{
	for (unsigned int i = 0; i < image->num_regions; i++) {
		const struct vmm_region *r = &image->regions[i];

		if (offset < r->offset || offset - r->offset >= r->bytes)
			continue;
		*gpa = r->gpa + (offset - r->offset);
		return 0;
	}
	return -ENOENT;
}

int vmm_revive(struct vmm *vmm, struct vf_err *err)
{
	struct vf_err why;
	enum vmm_state state;
	int64_t at_us;
	int cancel_ret = vmm->ops->cancel(vmm, &why);
	int ret = vmm->ops->query(vmm, &state, err);

	if (!ret && state == VMM_STATE_PAUSED)
		ret = vmm->ops->resume(vmm, &at_us, err);
	if (!ret && cancel_ret < 0) {
		*err = why;
		ret = cancel_ret;
	}
	return ret;
}
