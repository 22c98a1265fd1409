// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/port.h"
#include "net/tap.h"

#define NAME_TRIES 16

int tap_name_choose(char name[IFNAMSIZ])
{
	uint8_t random[3];
	int ret;

	ret = vf_random(random, sizeof(random));
	if (ret < 0)
		return ret;
	strcpy(name, "vf");
	vf_hex(name + 2, random, sizeof(random));
	return 0;
}

int net_port_open(struct net_port *port, struct vf_err *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
					  IFF_TUN_EXCL };
	__close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	unsigned int features;

	if (fd < 0) {
		vf_err_errno(err, errno, "/dev/net/tun");
		if (err->num == ENOENT || err->num == ENODEV ||
		    err->num == ENXIO)
			vf_err_hint(err, "load the kernel's module tun");
		if (err->num == EACCES || err->num == EPERM)
			vf_err_hint(err, "be root, or have it open to this "
					 "user, as udev makes it (mode 0666)");
		return -err->num;
	}
	/* a node of another device, or a file bound over it, opens as well */
	if (ioctl(fd, TUNGETFEATURES, &features) < 0)
		return vf_err_set(err, ENODEV,
				  "/dev/net/tun: is no TUN device");
	for (int try = 0; try < NAME_TRIES; try++) {
		memcpy(ifr.ifr_name, port->tap, IFNAMSIZ);
		/* IFF_TUN_EXCL: never attach to a device that exists */
		if (ioctl(fd, TUNSETIFF, &ifr) == 0)
			return port_mark(port, err) < 0 ? -err->num
							: vf_steal_fd(&fd);
		if (errno != EBUSY)
			break;
		if (tap_name_choose(port->tap) < 0)
			return vf_err_errno(err, EIO, "random numbers");
	}
	return vf_err_errno(err, errno, "port of %s: TAP %s", port->owner,
			    port->tap);
}
