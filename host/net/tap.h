/* SPDX-License-Identifier: MIT */
/* TAP devices: only the ioctl makes them, netlink has no type for it. */
#ifndef VF_NET_TAP_H
#define VF_NET_TAP_H

#include "net/net.h"

/**
 * tap_name_choose() - A name that most probably no link has
 * @name:	out: "vf" and 6 random hexadecimal digits
 *
 * Return: 0 or -errno
 */
int tap_name_choose(char name[IFNAMSIZ]);

#endif
