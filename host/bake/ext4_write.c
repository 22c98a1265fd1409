// SPDX-License-Identifier: MIT
/*
 * Writing an ext4 file system, as commands of debugfs. It neither sets times by
 * itself nor counts links, so both are said.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "bake/baked.h"
#include "bake/ext4.h"
#include "base/io.h"
#include "crc32c.h"

/* Commands as they are collected, and the files that they read. */
struct script {
	char *text;
	size_t len;
	FILE *file;
	int *fds;
	size_t num;
	json_t *after; /* CRCs of the files that have to be there then */
};

static int script_init(struct script *script, size_t files, struct vf_err *err)
{
	*script = (struct script){ 0 };
	script->fds = calloc(files + 1, sizeof(*script->fds));
	script->file = open_memstream(&script->text, &script->len);
	script->after = json_object();
	if (script->fds && script->file && script->after)
		return 0;
	return vf_err_errno(err, ENOMEM, "debugfs");
}

static void script_exit(struct script *script)
{
	if (script->file)
		fclose(script->file);
	for (size_t i = 0; i < script->num; i++)
		close(script->fds[i]);
	json_decref(script->after);
	free(script->fds);
	free(script->text);
}

static int script_run(struct script *script, struct ext4 *fs,
		      struct vf_err *err)
{
	__free char *out = NULL;
	int ret = fflush(script->file) ? vf_err_errno(err, ENOMEM, "debugfs")
				       : 0;

	if (!ret)
		ret = ext4_run(fs, script->text, true, &out, err);
	/* directories are not what they were */
	ext4_exit(fs);
	return ret;
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* It makes things in the directory where it stands. */
static void go_above(struct script *script, const char *path)
{
	fprintf(script->file, "cd \"/%.*s\"\n", (int)(last_name(path) - path),
		path);
}

static void set_fields(struct script *script, const struct item *item,
		       int64_t mtime)
{
	static const char *const times[] = { "atime", "ctime", "mtime",
					     "crtime" };
	const char *name = last_name(item->path);

	if (item->type != ITEM_LINK)
		fprintf(script->file, "sif \"%s\" mode 0%o\n", name,
			(item->type == ITEM_DIR ? S_IFDIR : S_IFREG) |
				item->mode);
	fprintf(script->file, "sif \"%s\" uid %u\nsif \"%s\" gid %u\n", name,
		item->uid, name, item->gid);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		fprintf(script->file, "sif \"%s\" %s @%lld\n", name, times[i],
			(long long)mtime);
}

static int add_file(struct script *script, const struct item *item,
		    struct vf_err *err)
{
	int fd = memfd_create("vmfork-bake", MFD_CLOEXEC);
	int ret = fd < 0 ? -errno : vf_write_all(fd, item->data, item->len);

	if (fd >= 0)
		script->fds[script->num++] = fd;
	if (ret < 0)
		return vf_err_errno(err, ret, "/%s", item->path);
	/* the file keeps its inode, under another name: no count changes */
	if (item->kept)
		fprintf(script->file, "ln \"/%s\" \"/%s\"\nunlink \"/%s\"\n",
			item->path, item->kept, item->path);
	fprintf(script->file, "write /proc/%d/fd/%d \"%s\"\n", getpid(), fd,
		last_name(item->path));
	return 0;
}

static int add(struct script *script, const struct item *item, int64_t mtime,
	       struct vf_err *err)
{
	int ret = ext4_path_check(item->path, err);

	if (!ret && item->kept)
		ret = ext4_path_check(item->kept, err);
	if (ret < 0)
		return ret;
	go_above(script, item->path);
	switch (item->type) {
	case ITEM_DIR:
		fprintf(script->file, "mkdir \"%s\"\n", last_name(item->path));
		break;
	case ITEM_FILE:
		ret = add_file(script, item, err);
		break;
	case ITEM_LINK:
		ret = ext4_path_check(item->data, err);
		fprintf(script->file, "symlink \"%s\" \"%s\"\n",
			last_name(item->path), item->data);
		break;
	case ITEM_NUM:
		break;
	}
	set_fields(script, item, mtime);
	return ret;
}

int ext4_apply(struct ext4 *fs, const struct plan *plan, struct vf_err *err)
{
	struct script script;
	int ret = script_init(&script, plan->num, err);

	for (size_t i = 0; !ret && i < plan->num; i++)
		ret = add(&script, &plan->items[i], plan->mtime, err);
	if (!ret)
		ret = script_run(&script, fs, err);
	script_exit(&script);
	return ret;
}

/* Whether it came to that is looked at once the tool is done. */
static void expect(struct script *script, const char *path, const char *buf,
		   size_t len)
{
	json_object_set_new(script->after, path,
			    json_integer(crc32c(0, buf, len)));
}

/*
 * Somebody changed it since, or what was kept of it is gone: it stays, without
 * what was added.
 */
static int cut(struct script *script, struct ext4 *fs, const json_t *baked,
	       struct vf_err *err)
{
	struct item item = { .type = ITEM_FILE,
			     .path = (char *)baked_item_path(baked) };
	struct view_node node;
	int ret = ext4_look(fs, item.path, &node, err);

	if (!ret)
		ret = ext4_read(fs, item.path, PLAN_FILE_MAX, &item.data,
				&item.len, err);
	if (!ret && baked_item_cut(baked, item.data, &item.len)) {
		item.mode = node.mode;
		item.uid = node.uid;
		item.gid = node.gid;
		fprintf(script->file, "rm \"/%s\"\n", item.path);
		go_above(script, item.path);
		ret = add_file(script, &item, err);
		set_fields(script, &item, (int64_t)time(NULL));
		/* a directory in which it stands is freed, yet keeps its name */
		fprintf(script->file, "cd \"/\"\n");
	}
	if (!ret)
		expect(script, item.path, item.data, item.len);
	free(item.data);
	return ret;
}

/* Is the file that is there the one that we made? */
static bool is_ours(struct ext4 *fs, const json_t *item)
{
	__free char *buf = NULL;
	struct vf_err err;
	size_t len;

	return ext4_read(fs, baked_item_path(item), PLAN_FILE_MAX, &buf, &len,
			 &err) == 0 &&
	       json_integer_value(json_object_get(item, "crc")) ==
		       crc32c(0, buf, len);
}

/* A file that was there, and the name that it has meanwhile. */
static int restore(struct script *script, struct ext4 *fs, const json_t *item,
		   bool is_there, struct vf_err *err)
{
	const char *path = baked_item_path(item);
	const char *kept = baked_item_kept(item);
	struct view_node node = { .type = VIEW_NONE };
	__free char *buf = NULL;
	size_t len;
	int ret = ext4_path_check(kept, err);

	if (!ret)
		ret = ext4_look(fs, kept, &node, err);
	if (ret < 0)
		return ret;
	if (is_there && node.type == VIEW_FILE && is_ours(fs, item)) {
		ret = ext4_read(fs, kept, PLAN_FILE_MAX, &buf, &len, err);
		if (ret < 0)
			return ret;
		expect(script, path, buf, len);
		fprintf(script->file,
			"rm \"/%s\"\nln \"/%s\" \"/%s\"\nunlink \"/%s\"\n",
			path, kept, path, kept);
		return 0;
	}
	if (is_there)
		ret = cut(script, fs, item, err);
	if (!ret && node.type == VIEW_FILE)
		fprintf(script->file, "rm \"/%s\"\n", kept);
	return ret;
}

static int take(struct script *script, struct ext4 *fs, const json_t *item,
		struct vf_err *err)
{
	const char *path = baked_item_path(item);
	struct view_node node = { .type = VIEW_NONE };
	int ret = ext4_path_check(path, err);

	if (!ret)
		ret = ext4_look(fs, path, &node, err);
	if (ret < 0)
		return ret;
	if (baked_item_kept(item))
		return restore(script, fs, item, node.type != VIEW_NONE, err);
	if (node.type != VIEW_NONE)
		fprintf(script->file, "%s \"/%s\"\n",
			node.type == VIEW_DIR ? "rmdir" : "rm", path);
	return 0;
}

/* A file is what it was, or gone. */
static int file_verify(struct script *script, struct ext4 *fs, const char *path,
		       enum view_type type, struct vf_err *err)
{
	const json_t *crc = json_object_get(script->after, path);
	__free char *buf = NULL;
	size_t len;
	int ret = 0;

	if (crc && type == VIEW_FILE)
		ret = ext4_read(fs, path, PLAN_FILE_MAX, &buf, &len, err);
	if (ret < 0)
		return ret;
	if (crc ? buf && json_integer_value(crc) == crc32c(0, buf, len)
		: type == VIEW_NONE)
		return 0;
	vf_err_set(err, ENOSPC, "/%s: could not be taken out", path);
	vf_err_hint(err, "there may be no room left in it");
	return -ENOSPC;
}

/* What the tool said is not asked. Directories that hold something stay. */
static int undo_verify(struct script *script, struct ext4 *fs,
		       const json_t *items, json_t *left, struct vf_err *err)
{
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item) {
		const char *path = baked_item_path(item);
		struct view_node node;
		int ret = ext4_look(fs, path, &node, err);

		if (ret < 0)
			return ret;
		if (strcmp(baked_item_type(item), "dir") != 0)
			ret = file_verify(script, fs, path, node.type, err);
		else if (node.type != VIEW_NONE)
			json_array_append_new(left, json_sprintf("/%s", path));
		if (ret < 0)
			return ret;
	}
	return 0;
}

int ext4_undo(struct ext4 *fs, const json_t *manifest, json_t *left,
	      struct vf_err *err)
{
	const json_t *items = baked_items(manifest);
	size_t num = json_array_size(items);
	struct script script;
	int ret = script_init(&script, num, err);

	for (size_t i = num; !ret && i > 0; i--)
		ret = take(&script, fs, json_array_get(items, i - 1), err);
	if (!ret)
		ret = script_run(&script, fs, err);
	if (!ret)
		ret = undo_verify(&script, fs, items, left, err);
	script_exit(&script);
	return ret;
}
