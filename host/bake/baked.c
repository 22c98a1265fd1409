// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/plan.h"
#include "bake/view.h"
#include "crc32c.h"

#define ITEMS_MAX 1024

static const char *item_string(const json_t *item, const char *key)
{
	return json_string_value(json_object_get(item, key));
}

const char *baked_item_path(const json_t *item)
{
	return item_string(item, "path");
}

const char *baked_item_type(const json_t *item)
{
	return item_string(item, "type");
}

const char *baked_item_text(const json_t *item)
{
	return item_string(item, "text");
}

const char *baked_item_kept(const json_t *item)
{
	return item_string(item, "kept");
}

json_t *baked_items(const json_t *manifest)
{
	return manifest ? json_object_get(manifest, "items") : NULL;
}

const json_t *baked_item(const json_t *manifest, const char *path)
{
	const json_t *item;
	size_t i;

	json_array_foreach(baked_items(manifest), i, item)
		if (!strcmp(baked_item_path(item), path))
			return item;
	return NULL;
}

bool baked_hides(const json_t *manifest, const char *path)
{
	const json_t *item;
	size_t i;

	json_array_foreach(baked_items(manifest), i, item) {
		const char *kept = baked_item_kept(item);

		if (!strcmp(kept ? kept : baked_item_path(item), path))
			return true;
	}
	return false;
}

bool baked_item_cut(const json_t *item, char *buf, size_t *len)
{
	const char *text = baked_item_text(item);
	size_t text_len = text ? strlen(text) : 0;
	char *at = text_len ? memmem(buf, *len, text, text_len) : NULL;

	if (!at)
		return false;
	/* with the NUL behind it */
	memmove(at, at + text_len, (size_t)(buf + *len - at) - text_len + 1);
	*len -= text_len;
	return true;
}

static bool item_is_good(const json_t *item, const char *self)
{
	const char *path = baked_item_path(item);
	const char *type = baked_item_type(item);
	const char *text = baked_item_text(item);
	const char *kept = baked_item_kept(item);

	if (!path || !path_is_plain(path) || !type || !text != !kept)
		return false;
	if (!strcmp(type, "link"))
		return item_string(item, "target") && !text;
	if (!strcmp(type, "dir"))
		return !text;
	return !strcmp(type, "file") && (!text || path_is_plain(kept)) &&
	       (json_is_integer(json_object_get(item, "crc")) ||
		!strcmp(path, self));
}

static bool is_good(const json_t *manifest)
{
	const json_t *items = baked_items(manifest), *item;
	const char *name = item_string(manifest, "vmfork");
	const char *self = item_string(manifest, "manifest");
	size_t i;

	if (!name || strcmp(name, "bake") != 0 || !self ||
	    !json_is_array(items) || json_array_size(items) > ITEMS_MAX)
		return false;
	json_array_foreach(items, i, item)
		if (!item_is_good(item, self))
			return false;
	return path_is_plain(self) && baked_item(manifest, self) &&
	       item_string(manifest, "init") && item_string(manifest, "signal");
}

int baked_parse(const char *text, size_t len, json_t **out, struct vf_err *err)
{
	__json json_t *json = json_loadb(text, len, 0, NULL);
	const json_t *version = json ? json_object_get(json, "version") : NULL;

	if (!json || !is_good(json))
		return vf_err_set(err, EBADMSG,
				  "/" BAKED_PATH
				  ": was not written by vmfork bake");
	if (json_integer_value(version) != PLAN_VERSION)
		return vf_err_set(err, EBADMSG,
				  "/" BAKED_PATH
				  ": written by another version of vmfork");
	*out = json_incref(json);
	return 0;
}

int baked_load(struct view *view, json_t **out, struct vf_err *err)
{
	struct view_node node;
	char plain[PATH_MAX];
	__free char *text = NULL;
	size_t len;
	int ret = view_resolve(view, BAKED_PATH, plain, &node, err);

	*out = NULL;
	/* what leads nowhere is found out by who wants to write there */
	if (ret == -ENOTDIR || ret == -ELOOP)
		return 0;
	if (ret < 0 || node.type == VIEW_NONE)
		return ret;
	if (node.type != VIEW_FILE)
		return vf_err_set(err, EBADMSG, "/%s: not a regular file",
				  plain);
	ret = view_read(view, plain, BAKED_MAX, &text, &len, err);
	return ret < 0 ? ret : baked_parse(text, len, out, err);
}

static int changed(const json_t *item, struct vf_err *err)
{
	return vf_err_set(err, ESTALE, "/%s: changed since it was baked",
			  baked_item_path(item));
}

static int file_check(const json_t *item, struct view *view, struct vf_err *err)
{
	const json_t *crc = json_object_get(item, "crc");
	__free char *buf = NULL;
	size_t len;
	int ret;

	if (!crc)
		return 0;
	ret = view_read(view, baked_item_path(item), PLAN_FILE_MAX, &buf, &len,
			err);
	if (ret == -EFBIG)
		return changed(item, err);
	if (ret < 0)
		return ret;
	if (json_integer_value(crc) != crc32c(0, buf, len))
		return changed(item, err);
	return 0;
}

/* Is the file that was there before still to be had? An archive has it anyway. */
static int kept_check(const json_t *item, struct view *view, struct vf_err *err)
{
	const char *kept = baked_item_kept(item);
	struct view_node node;
	int ret;

	if (!kept || !view->ops->keeps)
		return 0;
	ret = view_look(view, kept, &node, err);
	if (!ret && node.type != VIEW_FILE)
		return vf_err_set(err, ENOENT, "/%s: is gone", kept);
	return ret;
}

int baked_item_check(const json_t *item, struct view *view, struct vf_err *err)
{
	static const struct {
		const char *name;
		enum view_type type;
	} types[] = {
		{ "dir", VIEW_DIR },
		{ "file", VIEW_FILE },
		{ "link", VIEW_LINK },
	};
	const char *type = baked_item_type(item);
	struct view_node node;
	int ret = view_look(view, baked_item_path(item), &node, err);

	if (ret < 0)
		return ret;
	if (node.type == VIEW_NONE)
		return vf_err_set(err, ENOENT, "/%s: is gone",
				  baked_item_path(item));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i].name) && node.type != types[i].type)
			return changed(item, err);
	if (node.type == VIEW_LINK &&
	    strcmp(node.target, item_string(item, "target")) != 0)
		return changed(item, err);
	ret = node.type == VIEW_FILE ? file_check(item, view, err) : 0;
	return ret ? ret : kept_check(item, view, err);
}

int baked_check(const json_t *manifest, struct view *view, struct vf_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(baked_items(manifest), i, item) {
		int ret;

		if (baked_item_text(item))
			continue;
		ret = baked_item_check(item, view, err);
		if (ret == -ESTALE)
			vf_err_hint(err, "put it back, or remove it, and try "
					 "again");
		if (ret < 0 && ret != -ENOENT)
			return ret;
	}
	return 0;
}
