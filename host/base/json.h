/* SPDX-License-Identifier: MIT */
/* What jansson lacks for us: cleanup, files, and errors that name the key. */
#ifndef VF_JSON_H
#define VF_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

static inline void vf_json_put(json_t **json)
{
	json_decref(*json);
}

#define __json __cleanup(vf_json_put)

/**
 * vf_json_load() - Read a JSON object from a file that we wrote
 * @dir_fd:	directory
 * @name:	file, at most 4 MiB
 * @out:	out: an object, a new reference
 * @err:	error
 *
 * Return: 0 or -errno, -EBADMSG if it holds no JSON object
 */
int vf_json_load(int dir_fd, const char *name, json_t **out,
		 struct vf_err *err);

/**
 * vf_json_save() - Write a JSON document with vf_write_file()
 * @dir_fd:	directory
 * @name:	file
 * @json:	document
 * @durable:	see vf_write_file()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vf_json_save(int dir_fd, const char *name, const json_t *json, bool durable,
		 struct vf_err *err);

/**
 * vf_json_unpack() - json_unpack() with an error that says what is missing
 * @json:	document
 * @what:	its name in the message
 * @err:	error
 * @fmt:	see jansson's documentation of json_unpack()
 *
 * Return: 0 or -EBADMSG
 */
int vf_json_unpack(json_t *json, const char *what, struct vf_err *err,
		   const char *fmt, ...);

/**
 * vf_json_find() - Where does a string stand in an array of strings?
 * @strings:	array
 * @string:	string
 *
 * Return: its first index, or the array's size
 */
size_t vf_json_find(const json_t *strings, const char *string);

static inline bool vf_json_has(const json_t *strings, const char *string)
{
	return vf_json_find(strings, string) < json_array_size(strings);
}

/**
 * vf_list_dir() - The names in a directory that do not begin with a dot
 * @dir_fd:	directory
 * @names:	out: array of strings, sorted, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int vf_list_dir(int dir_fd, json_t **names, struct vf_err *err);

#endif
