/* SPDX-License-Identifier: MIT */
/* What of the network's configuration is in /proc/sys only. */
#ifndef VF_NET_SYSCTL_H
#define VF_NET_SYSCTL_H

#include "base/err.h"

/**
 * sysctl_set() - Give a setting a value
 * @path:	beneath /proc/sys
 * @value:	value
 * @err:	error
 *
 * Return: 1 if it had another before, 0 if not, -errno
 */
int sysctl_set(const char *path, const char *value, struct vf_err *err);

/**
 * sysctl_set_ip6() - Give a link's IPv6 setting a value
 * @link:	name of the link
 * @name:	setting
 * @value:	value
 * @err:	error
 *
 * Return: see sysctl_set()
 */
int sysctl_set_ip6(const char *link, const char *name, const char *value,
		   struct vf_err *err);

#endif
