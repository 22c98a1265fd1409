/* SPDX-License-Identifier: MIT */
/* Rows of measurements: what all tables of them do alike. */
#ifndef VF_ROWS_H
#define VF_ROWS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

/**
 * rows_grow() - Room for one row more
 * @rows:	array of @num rows, or NULL
 * @num:	how many are in use
 * @size:	in, out: for how many there is room
 * @bytes:	of a row
 *
 * Return: the array, moved perhaps; NULL without memory, and then @rows is as
 * it was
 */
void *rows_grow(void *rows, unsigned int num, unsigned int *size, size_t bytes);

/**
 * rows_csv_open() - Begin a CSV file
 * @to:		out: the file; rows_csv_close() it
 * @path:	its name
 * @keys:	names of the columns that tell which row it is
 * @names:	names of the metrics
 * @num:	how many metrics
 * @err:	error
 *
 * Return: 0 or -errno
 */
int rows_csv_open(FILE **to, const char *path, const char *keys,
		  const char *const *names, unsigned int num,
		  struct vf_err *err);

/**
 * rows_csv_values() - End a row with its metrics
 * @to:		file
 * @values:	metrics
 * @num:	how many
 * @unknown:	the value of one that was not measured
 */
void rows_csv_values(FILE *to, const int64_t *values, unsigned int num,
		     int64_t unknown);

/**
 * rows_csv_close() - End the file
 * @to:		file
 * @path:	its name
 * @err:	error
 *
 * Return: 0, or -errno if not all was written
 */
int rows_csv_close(FILE *to, const char *path, struct vf_err *err);

#endif
