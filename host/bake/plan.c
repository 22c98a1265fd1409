// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/plan.h"
#include "crc32c.h"

#define DIR_MODE 0755
#define EDIT_MAX (1 << 20) /* largest file that text is put into */

static const char *const type_names[] = {
	[ITEM_DIR] = "dir",
	[ITEM_FILE] = "file",
	[ITEM_LINK] = "link",
};

static_assert(ARRAY_SIZE(type_names) == ITEM_NUM, "a name for each type");

static void item_exit(struct item *item)
{
	free(item->path);
	free(item->data);
	free(item->text);
	free(item->kept);
}

void plan_exit(struct plan *plan)
{
	for (size_t i = 0; i < plan->num; i++)
		item_exit(&plan->items[i]);
	free(plan->items);
	json_decref(plan->manifest);
	*plan = (struct plan){ 0 };
}

void plan_note(struct plan *plan, const char *key, json_t *value)
{
	json_object_set_new(plan->manifest, key, value);
}

static struct item *plan_find(struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->num; i++)
		if (!strcmp(plan->items[i].path, path))
			return &plan->items[i];
	return NULL;
}

static int plan_add(struct plan *plan, enum item_type type, const char *path,
		    mode_t mode, const void *data, size_t len)
{
	struct item *items =
		realloc(plan->items, (plan->num + 1) * sizeof(*items));
	struct item *item;

	if (!items)
		return -ENOMEM;
	plan->items = items;
	item = &items[plan->num];
	*item = (struct item){
		.type = type,
		.mode = mode,
		.uid = plan->uid,
		.gid = plan->gid,
		.path = strdup(path),
		.data = malloc(len + 1),
		.len = len,
	};
	if (!item->path || !item->data) {
		item_exit(item);
		return -ENOMEM;
	}
	memcpy(item->data, data, len);
	item->data[len] = '\0';
	plan->num++;
	return 0;
}

/* A plain path: whatever is missing of it. */
static int plan_dirs(struct plan *plan, const char *plain, struct vf_err *err)
{
	char part[PATH_MAX];
	struct view_node node;
	int ret;

	for (size_t len = strcspn(plain, "/");;
	     len += 1 + strcspn(plain + len + 1, "/")) {
		const struct item *item;

		memcpy(part, plain, len);
		part[len] = '\0';
		item = plan_find(plan, part);
		ret = view_look(plan->view, part, &node, err);
		if (ret < 0)
			return ret;
		if (item ? item->type != ITEM_DIR
			 : node.type != VIEW_NONE && node.type != VIEW_DIR)
			return vf_err_errno(err, ENOTDIR, "/%s", part);
		if (!item && node.type == VIEW_NONE)
			ret = plan_add(plan, ITEM_DIR, part, DIR_MODE, "", 0);
		if (ret < 0)
			return vf_err_errno(err, ret, "/%s", part);
		if (!plain[len])
			return 0;
	}
}

int plan_dir(struct plan *plan, const char *path, struct vf_err *err)
{
	struct view_node node;
	char plain[PATH_MAX];
	int ret = view_resolve(plan->view, path, plain, &node, err);

	return ret < 0 || !*plain ? ret : plan_dirs(plan, plain, err);
}

/* The plain path of something new, whose directory is there then. */
static int plan_place(struct plan *plan, const char *path, char *plain,
		      struct vf_err *err)
{
	char dir[PATH_MAX];
	const char *name = strrchr(path, '/');
	struct view_node node;
	size_t len;
	int ret;

	snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
	ret = view_resolve(plan->view, dir, plain, &node, err);
	if (!ret && *plain)
		ret = plan_dirs(plan, plain, err);
	if (ret < 0)
		return ret;
	len = strlen(plain);
	if (snprintf(plain + len, PATH_MAX - len, "%s%s", len ? "/" : "",
		     name + 1) >= (int)(PATH_MAX - len))
		return vf_err_errno(err, ENAMETOOLONG, "/%s", path);
	ret = view_look(plan->view, plain, &node, err);
	if (ret < 0)
		return ret;
	if (node.type == VIEW_NONE && !plan_find(plan, plain))
		return 0;
	vf_err_set(err, EEXIST,
		   "/%s: is there already, and not of this "
		   "command's making",
		   plain);
	vf_err_hint(err, "remove what put it there, a package maybe, or it is "
			 "all that is needed");
	return -EEXIST;
}

static int plan_put(struct plan *plan, enum item_type type, const char *path,
		    mode_t mode, const void *data, size_t len,
		    struct vf_err *err)
{
	char plain[PATH_MAX];
	int ret = plan_place(plan, path, plain, err);

	if (ret < 0)
		return ret;
	ret = plan_add(plan, type, plain, mode, data, len);
	return ret < 0 ? vf_err_errno(err, ret, "/%s", plain) : 0;
}

int plan_file(struct plan *plan, const char *path, mode_t mode,
	      const void *data, size_t len, struct vf_err *err)
{
	return plan_put(plan, ITEM_FILE, path, mode, data, len, err);
}

int plan_link(struct plan *plan, const char *path, const char *target,
	      struct vf_err *err)
{
	return plan_put(plan, ITEM_LINK, path, 0777, target, strlen(target),
			err);
}

int plan_init(struct plan *plan, struct view *view, int64_t mtime,
	      struct vf_err *err)
{
	struct view_node node;
	char plain[PATH_MAX];
	int ret = view_resolve(view, "etc", plain, &node, err);

	*plan = (struct plan){ .view = view, .mtime = mtime };
	if (ret < 0)
		return ret;
	if (node.type != VIEW_DIR) {
		vf_err_set(err, ENOENT,
			   "not a root file system: no directory /etc in it");
		return -ENOENT;
	}
	plan->uid = node.uid;
	plan->gid = node.gid;
	plan->manifest = json_pack("{s:s,s:i}", "vmfork", "bake", "version",
				   PLAN_VERSION);
	/* in front of all but the directories above it */
	ret = plan_file(plan, BAKED_PATH, 0644, "", 0, err);
	if (!ret)
		plan_note(plan, "manifest",
			  json_string(plan->items[plan->num - 1].path));
	return ret;
}

/* The file that is there, with the text in it. */
static int plan_edited(struct plan *plan, const char *plain,
		       const struct view_node *node, size_t at,
		       const char *text, struct vf_err *err)
{
	size_t len, text_len = strlen(text);
	__free char *old = NULL, *new = NULL;
	int ret = view_read(plan->view, plain, EDIT_MAX, &old, &len, err);
	struct item *item;

	if (ret < 0)
		return ret;
	new = malloc(len + text_len);
	if (!new || at > len)
		return vf_err_errno(err, new ? EINVAL : ENOMEM, "/%s", plain);
	mempcpy(mempcpy(mempcpy(new, old, at), text, text_len), old + at,
		len - at);
	ret = plan_add(plan, ITEM_FILE, plain, node->mode, new, len + text_len);
	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", plain);
	item = &plan->items[plan->num - 1];
	item->uid = node->uid;
	item->gid = node->gid;
	return 0;
}

int plan_edit(struct plan *plan, const char *path, size_t at, const char *text,
	      struct vf_err *err)
{
	const char *name = strrchr(path, '/');
	char plain[PATH_MAX], kept[PATH_MAX], wanted[PATH_MAX];
	struct view_node node;
	struct item *item;
	int ret;

	snprintf(wanted, sizeof(wanted), BAKED_DIR "/kept-%s",
		 name ? name + 1 : path);
	ret = plan_place(plan, wanted, kept, err);
	if (!ret)
		ret = view_resolve(plan->view, path, plain, &node, err);
	if (ret < 0)
		return ret;
	if (node.type != VIEW_FILE)
		return vf_err_set(err, EINVAL, "/%s: not a regular file", path);
	ret = plan_edited(plan, plain, &node, at, text, err);
	if (ret < 0)
		return ret;
	item = &plan->items[plan->num - 1];
	item->text = strdup(text);
	item->kept = strdup(kept);
	return item->text && item->kept ? 0 : vf_err_errno(err, ENOMEM, "bake");
}

static json_t *item_describe(const struct item *item, bool is_manifest)
{
	json_t *json = json_pack("{s:s,s:s,s:i}", "path", item->path, "type",
				 type_names[item->type], "mode",
				 (int)item->mode);

	if (item->type == ITEM_LINK)
		json_object_set_new(json, "target", json_string(item->data));
	if (item->type == ITEM_FILE && !is_manifest) {
		json_object_set_new(json, "bytes",
				    json_integer((json_int_t)item->len));
		json_object_set_new(
			json, "crc",
			json_integer(crc32c(0, item->data, item->len)));
	}
	if (item->text) {
		json_object_set_new(json, "text", json_string(item->text));
		json_object_set_new(json, "kept", json_string(item->kept));
	}
	return json;
}

int plan_seal(struct plan *plan, struct vf_err *err)
{
	json_t *items = json_array();
	struct item *self = plan_find(
		plan,
		json_string_value(json_object_get(plan->manifest, "manifest")));

	for (size_t i = 0; i < plan->num; i++)
		json_array_append_new(items,
				      item_describe(&plan->items[i],
						    &plan->items[i] == self));
	plan_note(plan, "items", items);
	free(self->data);
	self->data =
		json_dumps(plan->manifest, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (!self->data)
		return vf_err_errno(err, ENOMEM, "manifest");
	self->len = strlen(self->data);
	return 0;
}
