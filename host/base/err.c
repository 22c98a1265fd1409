// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int err_vset(struct vf_err *err, int num, const char *fmt, va_list ap)
{
	err->num = abs(num);
	err->hint[0] = '\0';
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	return -err->num;
}

int vf_err_set(struct vf_err *err, int num, const char *fmt, ...)
{
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = err_vset(err, num, fmt, ap);
	va_end(ap);
	return ret;
}

int vf_err_errno(struct vf_err *err, int num, const char *fmt, ...)
{
	size_t len;
	va_list ap;
	int ret;

	va_start(ap, fmt);
	ret = err_vset(err, num, fmt, ap);
	va_end(ap);
	len = strlen(err->msg);
	snprintf(err->msg + len, sizeof(err->msg) - len, ": %s",
		 strerror(-ret));
	return ret;
}

int vf_err_wrap(struct vf_err *err, const char *fmt, ...)
{
	char context[VF_ERR_MSG_SIZE / 2];
	char msg[VF_ERR_MSG_SIZE / 2 - 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	memcpy(msg, err->msg, sizeof(msg));
	msg[sizeof(msg) - 1] = '\0';
	snprintf(err->msg, sizeof(err->msg), "%s: %s", context, msg);
	return -err->num;
}

void vf_err_first(struct vf_err *first, int *ret, const struct vf_err *why)
{
	if (*ret < 0)
		return;
	*first = *why;
	*ret = -why->num;
}

void vf_err_hint(struct vf_err *err, const char *fmt, ...)
{
	va_list ap;

	if (err->hint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}
