// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Set once, before the loop runs. */
static enum log_level log_level = LOG_INFO;

void log_init(enum log_level level)
{
	log_level = level;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char prefix[] = "vmfork-agent: ";
	char line[256];
	size_t len = sizeof(prefix) - 1;
	va_list ap;
	int ret;

	if (level > log_level)
		return;
	memcpy(line, prefix, len);
	va_start(ap, fmt);
	ret = vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	va_end(ap);
	if (ret < 0)
		return;
	len = strlen(line);
	line[len++] = '\n';
	/* One write: lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody is left to be told */
}
