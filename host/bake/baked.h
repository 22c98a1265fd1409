/* SPDX-License-Identifier: MIT */
/*
 * What was baked into a target, as JSON in the target itself: enough to tell what
 * of it is still there, and to take it out again. It comes with the target, so it
 * is hostile: baked_parse() accepts nothing but what plan_seal() writes, paths
 * are plain ones, and nothing is removed that is not as it says.
 *
 *	{"vmfork": "bake", "version": 1, "manifest": its path,
 *	 "init": …, "signal": …, "modules": …,
 *	 "items": [{"path": …, "type": "dir"|"file"|"link", "mode": …,
 *		    "bytes": …, "crc": …,	of a file, but the manifest itself
 *		    "target": …,		of a link
 *		    "text": …, "kept": …}],	of a file that was there: what was
 *						added, and where it is now
 *	 "archive": {"size": …, "mtime_ns": …}}	what an archive was
 */
#ifndef BAKE_BAKED_H
#define BAKE_BAKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define BAKED_DIR  "usr/lib/vmfork"
#define BAKED_PATH BAKED_DIR "/bake.json"
#define BAKED_MAX  (1 << 20)

struct view;

/**
 * baked_parse() - Read a manifest
 * @text:	JSON
 * @len:	its length, bytes
 * @out:	out: manifest, a new reference
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int baked_parse(const char *text, size_t len, json_t **out, struct vf_err *err);

/**
 * baked_load() - Read the manifest of a target
 * @view:	target
 * @out:	out: manifest, a new reference, or NULL if there is none
 * @err:	error
 *
 * Return: 0 or -errno
 */
int baked_load(struct view *view, json_t **out, struct vf_err *err);

/**
 * baked_items() - All that it names
 * @manifest:	manifest, or NULL
 *
 * Return: array, borrowed; NULL if there is none
 */
json_t *baked_items(const json_t *manifest);

/**
 * baked_item() - What it says of a path
 * @manifest:	manifest, or NULL
 * @path:	plain path
 *
 * Return: an item, borrowed, or NULL
 */
const json_t *baked_item(const json_t *manifest, const char *path);

/**
 * baked_hides() - Was there nothing at a path, before?
 * @manifest:	manifest, or NULL
 * @path:	plain path
 *
 * Return: true if what is there was put there
 */
bool baked_hides(const json_t *manifest, const char *path);

/* An item's fields; NULL or 0 where there is none. */
const char *baked_item_path(const json_t *item);
const char *baked_item_type(const json_t *item);
const char *baked_item_text(const json_t *item);
const char *baked_item_kept(const json_t *item);

/**
 * baked_item_cut() - Take out of a file what was added
 * @item:	item
 * @buf:	contents, NUL terminated; those without it
 * @len:	their length, bytes
 *
 * Return: true if it was in there; else nothing is changed
 */
bool baked_item_cut(const json_t *item, char *buf, size_t *len);

/**
 * baked_item_check() - Is something there as it was baked?
 * @item:	item
 * @view:	where; nothing may be hidden in it
 * @err:	error: what is wrong with it
 *
 * Return: 0, -ENOENT if it is gone, -ESTALE if it is something else
 */
int baked_item_check(const json_t *item, struct view *view, struct vf_err *err);

/**
 * baked_check() - May all that is there be taken out?
 * @manifest:	manifest
 * @view:	where; nothing may be hidden in it
 * @err:	error
 *
 * Return: 0, also if something is gone; -ESTALE if something was changed, but for
 * files to which text was added; -errno
 */
int baked_check(const json_t *manifest, struct view *view, struct vf_err *err);

#endif
