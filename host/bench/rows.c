// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>

#include "bench/rows.h"

#define ROWS_FIRST 64

void *rows_grow(void *rows, unsigned int num, unsigned int *size, size_t bytes)
{
	unsigned int more = *size ? 2 * *size : ROWS_FIRST;

	if (num < *size)
		return rows;
	rows = reallocarray(rows, more, bytes);
	if (rows)
		*size = more;
	return rows;
}

int rows_csv_open(FILE **to, const char *path, const char *keys,
		  const char *const *names, unsigned int num,
		  struct vf_err *err)
{
	*to = fopen(path, "we");
	if (!*to)
		return vf_err_errno(err, errno, "%s", path);
	fprintf(*to, "%s", keys);
	for (unsigned int i = 0; i < num; i++)
		fprintf(*to, ",%s", names[i]);
	fprintf(*to, "\n");
	return 0;
}

void rows_csv_values(FILE *to, const int64_t *values, unsigned int num,
		     int64_t unknown)
{
	for (unsigned int i = 0; i < num; i++)
		if (values[i] == unknown)
			fprintf(to, ",");
		else
			fprintf(to, ",%lld", (long long)values[i]);
	fprintf(to, "\n");
}

int rows_csv_close(FILE *to, const char *path, struct vf_err *err)
{
	int ret = ferror(to) ? -EIO : 0;

	if (fclose(to))
		ret = -errno;
	return ret < 0 ? vf_err_errno(err, ret, "%s", path) : 0;
}
