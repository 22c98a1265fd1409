// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/usage.h"

#define ROLLUP_BYTES 8192

/* A line of smaps_rollup, in bytes; 0 if there is none. */
static uint64_t rollup_value(const char *rollup, const char *name)
{
	unsigned long long kib;
	size_t len = strlen(name);

	for (const char *line = rollup; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) &&
		    sscanf(line + len, ": %llu kB", &kib) == 1)
			return kib << 10;
	}
	return 0;
}

int usage_memory(pid_t pid, struct usage_memory *memory)
{
	__free char *rollup = NULL;
	uint64_t rss, anonymous;
	struct vf_err err;
	char path[48];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	ret = vf_read_file(AT_FDCWD, path, ROLLUP_BYTES, &rollup, NULL, &err);
	if (ret < 0)
		return ret;
	rss = rollup_value(rollup, "Rss");
	anonymous = rollup_value(rollup, "Anonymous");
	if (!rss || rss < anonymous)
		return -ESRCH; /* it ends */
	memory->private_bytes = anonymous + rollup_value(rollup, "Swap");
	memory->shared_bytes = rss - anonymous;
	return 0;
}

int usage_cpu_us(pid_t pid, int64_t *us)
{
	struct timespec used;
	clockid_t clock;
	int ret = clock_getcpuclockid(pid, &clock);

	if (ret)
		return -ret;
	if (clock_gettime(clock, &used) < 0)
		return -errno;
	*us = (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
	return 0;
}
