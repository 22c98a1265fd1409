// SPDX-License-Identifier: MIT
/* The disks of a VM that is snapshotted. take.h: the contract. */
#include "core/disk.h"
#include "core/take.h"

int take_disks_open(struct take *t, struct vf_err *err)
{
	int ret;

	if (t->has_layer)
		return 0;
	ret = disk_grow(t->vm, t->vmm, &t->disks, err);
	t->has_layer = !ret && t->disks.num;
	return ret;
}

void take_disks_pivoted(struct take *t)
{
	t->s->disks = t->disks;
	t->has_layer = false;
}

int take_disks_pivot(struct take *t, struct vf_err *err)
{
	int ret = take_disks_open(t, err);

	if (!ret && t->disks.num)
		ret = t->vmm->ops->disks_pivot(t->vmm, &t->disks, err);
	if (!ret)
		take_disks_pivoted(t);
	return ret;
}

int take_disks_keep(struct take *t, struct vf_err *err)
{
	return disk_place(&t->s->disks, t->vm->run_fd, t->s->dir_fd, true, err);
}

void take_disks_close(struct take *t)
{
	t->vmm->cancel_fd = -1;
	if (t->has_layer)
		disk_tidy(t->vm, t->vmm);
	t->has_layer = false;
	disk_feed(t->vm, t->vmm);
}
