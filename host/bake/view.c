// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "bake/baked.h"
#include "bake/view.h"

#define LINKS_MAX 40 /* as in the kernel */

bool path_is_plain(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (!len || (len == 1 && *path == '.') ||
		    (len == 2 && !strncmp(path, "..", 2)) || len > NAME_MAX)
			return false;
		path += len;
		if (!*path)
			return true;
		path++;
	}
	return false;
}

int view_look(struct view *view, const char *path, struct view_node *node,
	      struct vf_err *err)
{
	if (baked_hides(view->hidden, path)) {
		node->type = VIEW_NONE;
		return 0;
	}
	return view->ops->look(view, path, node, err);
}

int view_read(struct view *view, const char *path, size_t max, char **out,
	      size_t *len, struct vf_err *err)
{
	const json_t *item = baked_item(view->hidden, path);
	int ret = view->ops->read(view, path, max, out, len, err);

	if (ret < 0 || !item)
		return ret;
	baked_item_cut(item, *out, len);
	return 0;
}

/* A path on its way. */
struct walk {
	struct view *view;
	char rest[PATH_MAX];
	char *plain;
	struct view_node *node;
	int links;
};

static int walk_fail(const struct walk *walk, int num, struct vf_err *err)
{
	return vf_err_errno(err, num, "/%s", walk->plain);
}

static void plain_cut(char *plain)
{
	char *slash = strrchr(plain, '/');

	*(slash ? slash : plain) = '\0';
}

static int plain_add(char *plain, const char *name, size_t name_len)
{
	size_t len = strlen(plain);

	if (name_len > NAME_MAX || len + name_len + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	if (len)
		plain[len++] = '/';
	memcpy(plain + len, name, name_len);
	plain[len + name_len] = '\0';
	return 0;
}

/* What the link at the end says, in its place and in front of the rest. */
static int walk_link(struct walk *walk, const char *rest)
{
	const char *target = walk->node->target;
	char joined[PATH_MAX];

	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	if (snprintf(joined, sizeof(joined), "%s/%s", target, rest) >=
	    (int)sizeof(joined))
		return -ENAMETOOLONG;
	if (*target == '/')
		*walk->plain = '\0';
	else
		plain_cut(walk->plain);
	memcpy(walk->rest, joined, sizeof(joined));
	return 1;
}

/* Return: 0, 1 if the rest is another one, -errno */
static int walk_name(struct walk *walk, const char *name, size_t len,
		     const char *rest, struct vf_err *err)
{
	int ret;

	if (!len || (len == 1 && *name == '.'))
		return 0;
	if (len == 2 && !strncmp(name, "..", 2)) {
		if (walk->node->type == VIEW_NONE)
			return walk_fail(walk, ENOENT, err);
		plain_cut(walk->plain);
		return 0;
	}
	if (walk->node->type != VIEW_DIR && walk->node->type != VIEW_NONE)
		return walk_fail(walk, ENOTDIR, err);
	ret = plain_add(walk->plain, name, len);
	if (!ret && walk->node->type != VIEW_NONE) {
		ret = view_look(walk->view, walk->plain, walk->node, err);
		if (ret < 0)
			return ret;
	}
	if (!ret && walk->node->type == VIEW_LINK) {
		ret = walk_link(walk, rest);
		walk->node->type = VIEW_DIR;
	}
	return ret < 0 ? walk_fail(walk, ret, err) : ret;
}

int view_resolve(struct view *view, const char *path, char *plain,
		 struct view_node *node, struct vf_err *err)
{
	struct walk walk = { .view = view, .plain = plain, .node = node };
	const char *at = walk.rest;
	int ret;

	*plain = '\0';
	node->type = VIEW_DIR;
	if (strlen(path) >= sizeof(walk.rest))
		return vf_err_errno(err, ENAMETOOLONG, "%.64s", path);
	strcpy(walk.rest, path);
	while (*at) {
		size_t len = strcspn(at, "/");
		const char *rest = at + len + (at[len] == '/');

		ret = walk_name(&walk, at, len, rest, err);
		if (ret < 0)
			return ret;
		at = ret ? walk.rest : rest;
	}
	/* the way may have ended with ".." or "/" */
	if (node->type == VIEW_NONE)
		return 0;
	return view_look(view, plain, node, err);
}

bool view_has(struct view *view, const char *path, enum view_type type)
{
	struct view_node node = { .type = VIEW_NONE };
	char plain[PATH_MAX];
	struct vf_err err;

	return view_resolve(view, path, plain, &node, &err) == 0 &&
	       node.type == type;
}
