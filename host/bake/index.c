// SPDX-License-Identifier: MIT
#include <errno.h>
#include <search.h>
#include <string.h>

#include "bake/index.h"

#define ENTRIES_MAX (4 << 20)
#define LINKS_MAX   8 /* hard links that lead to one another */

struct name {
	char *path;
	enum view_type type;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t pos;    /* of the entry that has its contents */
	char *target; /* of a symbolic link; of a hard link, a plain path */
};

static int compare(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static struct name *find(const struct index *index, const char *path)
{
	struct name key = { .path = (char *)path };
	struct name **found = tfind(&key, &index->tree, compare);

	return found ? *found : NULL;
}

static void name_free(void *arg)
{
	struct name *name = arg;

	free(name->path);
	free(name->target);
	free(name);
}

void index_exit(struct index *index)
{
	tdestroy(index->tree, name_free);
	*index = (struct index){ 0 };
}

int index_plain(char *out, const char *name)
{
	size_t used = 0;

	while (*name) {
		size_t len = strcspn(name, "/");

		if (len == 2 && !strncmp(name, "..", 2))
			return -EINVAL;
		if (len > NAME_MAX || used + len + 2 > PATH_MAX)
			return -EINVAL;
		if (len && !(len == 1 && *name == '.')) {
			if (used)
				out[used++] = '/';
			memcpy(out + used, name, len);
			used += len;
		}
		name += len + (name[len] == '/');
	}
	out[used] = '\0';
	return 0;
}

/* Return: the name, a new one if there was none; NULL without memory */
static struct name *put(struct index *index, const char *path)
{
	struct name *name = find(index, path);

	if (name)
		return name;
	name = calloc(1, sizeof(*name));
	if (!name)
		return NULL;
	name->path = strdup(path);
	if (!name->path || !tsearch(name, &index->tree, compare)) {
		name_free(name);
		return NULL;
	}
	index->num++;
	return name;
}

/* Directories that have no entry of their own are there all the same. */
static int put_above(struct index *index, char *path)
{
	char *slash = strrchr(path, '/');
	struct name *name;
	int ret = 0;

	if (!slash)
		return 0;
	*slash = '\0';
	name = find(index, path);
	if (!name) {
		name = put(index, path);
		if (name) {
			name->type = VIEW_DIR;
			name->mode = 0755;
		}
		ret = name ? put_above(index, path) : -ENOMEM;
	}
	*slash = '/';
	return ret;
}

static enum view_type type_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return VIEW_DIR;
	if (S_ISREG(mode))
		return VIEW_FILE;
	return S_ISLNK(mode) ? VIEW_LINK : VIEW_OTHER;
}

/* Of several names of a file, cpio gives its contents to the last. */
static int fill_hard(struct index *index, struct name *name, const char *to,
		     const struct stream *stream)
{
	char plain[PATH_MAX];
	struct name *first;

	name->type = VIEW_FILE;
	if (index_plain(plain, to) < 0 || !strcmp(plain, name->path))
		return 0;
	first = find(index, plain);
	if (first && stream->lib->entry_size(stream->entry) > 0)
		first->pos = name->pos;
	name->target = strdup(plain);
	return name->target ? 0 : -ENOMEM;
}

static int fill(struct index *index, struct name *name, off_t pos,
		const struct stream *stream)
{
	const struct lib *lib = stream->lib;
	const char *hard = lib->entry_hardlink(stream->entry);
	const char *soft = lib->entry_symlink(stream->entry);

	free(name->target);
	name->target = NULL;
	name->pos = pos;
	name->mode = lib->entry_perm(stream->entry) & 07777;
	name->uid = (uid_t)lib->entry_uid(stream->entry);
	name->gid = (gid_t)lib->entry_gid(stream->entry);
	name->type = type_of(lib->entry_filetype(stream->entry));
	if (hard)
		return fill_hard(index, name, hard, stream);
	if (name->type != VIEW_LINK)
		return 0;
	name->target = strdup(soft ? soft : "");
	return name->target ? 0 : -ENOMEM;
}

int index_add(struct index *index, struct stream *stream, off_t pos,
	      struct vf_err *err)
{
	const char *path = stream->lib->entry_pathname(stream->entry);
	char plain[PATH_MAX];
	struct name *name;
	int ret;

	if (!path || index_plain(plain, path) < 0)
		return 0;
	if (!index->num)
		index->has_dots = path[0] == '.' &&
				  (!path[1] || path[1] == '/');
	if (index->num >= ENTRIES_MAX)
		return vf_err_set(err, E2BIG, "more than %d entries",
				  ENTRIES_MAX);
	if (!*plain)
		return 0;
	name = put(index, plain);
	ret = name ? fill(index, name, pos, stream) : -ENOMEM;
	if (!ret)
		ret = put_above(index, plain);
	return ret < 0 ? vf_err_errno(err, ret, "archive") : 0;
}

/* What hard links lead to. */
static struct name *follow(const struct index *index, const char *path)
{
	struct name *name = find(index, path);

	for (int i = 0; name && name->type == VIEW_FILE && name->target; i++) {
		struct name *next = find(index, name->target);

		if (!next || i == LINKS_MAX)
			return name;
		name = next;
	}
	return name;
}

void index_look(const struct index *index, const char *path,
		struct view_node *node)
{
	const struct name *name = follow(index, path);

	*node = (struct view_node){ .type = *path ? VIEW_NONE : VIEW_DIR };
	if (!name)
		return;
	node->type = name->type;
	node->mode = name->mode;
	node->uid = name->uid;
	node->gid = name->gid;
	if (name->type == VIEW_LINK)
		snprintf(node->target, sizeof(node->target), "%s",
			 name->target);
}

off_t index_data(const struct index *index, const char *path)
{
	const struct name *name = follow(index, path);

	return name && name->type == VIEW_FILE ? name->pos : -1;
}
