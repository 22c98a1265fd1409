/* SPDX-License-Identifier: MIT */
/* What outlives a command: networks and ports as JSON. */
#ifndef VF_NET_RECORD_H
#define VF_NET_RECORD_H

#include <stddef.h>

#include "net/net.h"

#define RECORD_FILE "net.json"

/**
 * record_to_json() - A network as JSON
 * @conf:	network
 *
 * Return: an object, a new reference; NULL without memory
 */
json_t *record_to_json(const struct net_conf *conf);

/**
 * record_from_json() - Read what record_to_json() wrote
 * @conf:	out
 * @json:	the object
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int record_from_json(struct net_conf *conf, json_t *json, struct vf_err *err);

/**
 * record_load() - Read a network's record
 * @state_fd:	see net_create()
 * @name:	network
 * @conf:	out
 * @dir_fd:	out: its directory, which the caller closes; or NULL
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is no such network
 */
int record_load(int state_fd, const char *name, struct net_conf *conf,
		int *dir_fd, struct vf_err *err);

/* The directories beneath the state directory that may be networks. */
struct record_names {
	char (*names)[NET_NAME_MAX + 1];
	size_t num;
};

/**
 * record_names() - Names of all networks, also of those half made
 * @state_fd:	see net_create()
 * @out:	out; freed with record_names_free()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int record_names(int state_fd, struct record_names *out, struct vf_err *err);

void record_names_free(struct record_names *names);

#define __record_names __cleanup(record_names_free)

/* Text of a MAC: 17 characters and a NUL. */
#define MAC_TEXT_SIZE 18

void mac_format(char text[MAC_TEXT_SIZE], const uint8_t mac[6]);
int mac_parse(uint8_t mac[6], const char *text);

#endif
