/* SPDX-License-Identifier: MIT */
/* Plots, drawn by gnuplot. */
#ifndef VF_PLOT_H
#define VF_PLOT_H

#include <stdio.h>

#include "base/err.h"

/**
 * plot_check() - Is there what draws plots?
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT
 */
int plot_check(struct vf_err *err);

/**
 * plot_open() - Begin a plot
 * @to:		out: gnuplot takes its script there; plot_close() it
 * @path:	SVG file
 * @err:	error
 *
 * Return: 0 or -errno
 */
int plot_open(FILE **to, const char *path, struct vf_err *err);

/**
 * plot_close() - Have it drawn
 * @to:		from plot_open()
 * @path:	file, for the error
 * @err:	error
 *
 * Return: 0 or -errno
 */
int plot_close(FILE *to, const char *path, struct vf_err *err);

#endif
