// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

/* Set once before any thread starts, only read afterwards. */
static enum vf_log_level log_level = VF_LOG_INFO;

void vf_log_init(enum vf_log_level level)
{
	log_level = level;
}

void vf_log(enum vf_log_level level, const char *fmt, ...)
{
	static const char *const tags[VF_LOG_NUM] = {
		[VF_LOG_ERROR] = "",
		[VF_LOG_WARN] = "warning: ",
		[VF_LOG_INFO] = "",
		[VF_LOG_DEBUG] = "debug: ",
	};
	char line[1024];
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "vmfork: %s%s\n", tags[level], line);
}
