/* SPDX-License-Identifier: MIT */
/*
 * Unix sockets beneath a directory. They are named by the directory's descriptor,
 * since a state directory may lie deeper than the 108 bytes of sun_path.
 */
#ifndef VF_UNIX_H
#define VF_UNIX_H

/**
 * vf_unix_connect() - Connect to a stream socket
 * @dir_fd:	directory
 * @name:	the socket's name in it
 *
 * Return: a descriptor, which the caller closes, or -errno
 */
int vf_unix_connect(int dir_fd, const char *name);

/**
 * vf_unix_listen() - Make a stream socket that listens, for one client at a time
 * @dir_fd:	directory
 * @name:	the socket's name in it
 *
 * Return: a descriptor, which the caller closes, or -errno
 */
int vf_unix_listen(int dir_fd, const char *name);

#endif
