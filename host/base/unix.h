/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets beneath a directory. They are named by the directory's descriptor,
 * since a state directory may lie deeper than the 108 bytes of sun_path.
 */
#ifndef VF_UNIX_H
#define VF_UNIX_H

#include <stdint.h>

/**
 * vf_unix_connect() - Connect to a stream socket
 * @dir_fd:		directory
 * @name:		the socket's name in it
 * @cancel_fd:		readable when the user gives up; or -1
 * @deadline_us:	on vf_now_us()'s clock: a server that accepts nobody lets
 *			its queue fill up
 *
 * Return: a descriptor, which the caller closes, or -errno, -ETIMEDOUT,
 * -ECANCELED
 */
int vf_unix_connect(int dir_fd, const char *name, int cancel_fd,
		    int64_t deadline_us);

/**
 * vf_unix_listen() - Make a stream socket that listens, for one client at a time
 * @dir_fd:	directory
 * @name:	the socket's name in it; a socket that is there is replaced
 *
 * Return: a descriptor, which the caller closes, or -errno
 */
int vf_unix_listen(int dir_fd, const char *name);

#endif
