/* SPDX-License-Identifier: MIT */
/*
 * Who bakes into something keeps it locked: the directory, or the file that is
 * going to be replaced.
 */
#ifndef BAKE_LOCK_H
#define BAKE_LOCK_H

#include "base/err.h"

/**
 * lock_take() - Lock what is baked into
 * @fd:		descriptor, whose end is that of the lock
 * @err:	error
 *
 * A command that was killed may not have ended yet, or a tool of it that it was
 * just starting, so some seconds are waited.
 *
 * Return: 0 or -errno, -EBUSY if somebody else keeps it
 */
int lock_take(int fd, struct vf_err *err);

#endif
