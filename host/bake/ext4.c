// SPDX-License-Identifier: MIT
/* Looking into an ext4 file system. ext4.h holds the contract. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bake/ext4.h"
#include "bake/ext4_list.h"
#include "base/io.h"
#include "base/process.h"

/* Source: Documentation/filesystems/ext4/super.rst of Linux. */
#define SUPER_MAGIC_AT	  1080
#define SUPER_INCOMPAT_AT 1120
#define INCOMPAT_RECOVER  4
#define OUT_MAX		  (4 << 20)
#define TIMEOUT_MS	  600000 /* a large image, a busy machine */
#define PATH_SIGNS	  "._+@:~-/"

bool ext4_is_there(int fd, off_t offset)
{
	unsigned char magic[2];

	return vf_pread_all(fd, magic, 2, offset + SUPER_MAGIC_AT) == 0 &&
	       magic[0] == 0x53 && magic[1] == 0xef;
}

bool ext4_is_clean(int fd, off_t offset)
{
	unsigned char features;

	return vf_pread_all(fd, &features, 1, offset + SUPER_INCOMPAT_AT) ==
		       0 &&
	       !(features & INCOMPAT_RECOVER);
}

int ext4_path_check(const char *path, struct vf_err *err)
{
	char text[128];

	for (const char *c = path; *c; c++) {
		if ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		    (*c >= '0' && *c <= '9') || strchr(PATH_SIGNS, *c))
			continue;
		snprintf(text, sizeof(text), "%s", path);
		return vf_err_set(err, EINVAL,
				  "/%s: has signs in its name "
				  "that are not taken in an image",
				  vf_ascii(text));
	}
	return 0;
}

/* The file system by a name that no other file can have, nor an odd one. */
static void name_of(const struct ext4 *fs, char *name, size_t size)
{
	snprintf(name, size, "/proc/%d/fd/%d?offset=%lld", getpid(), fs->fd,
		 (long long)fs->offset);
}

/* In units of 512 bytes: no file that is read is larger. */
static_assert(PLAN_FILE_MAX == 32768 * 512, "the limit of what is read");
#define LIMIT "ulimit -f 32768; "
#define EXEC  "exec \"$@\" 2>&1"

/*
 * Run one of the tools, its errors among its words. One that only looks may write
 * no larger file either, whatever the image makes of it.
 */
static int run(const struct ext4 *fs, char *const argv[], bool write,
	       char **out, struct vf_err *err)
{
	char *with[16] = { (char *)"sh", (char *)"-c",
			   (char *)(write ? EXEC : LIMIT EXEC), (char *)"sh" };
	int ret;

	for (size_t i = 0; argv[i]; i++)
		with[4 + i] = argv[i];
	*out = calloc(1, OUT_MAX);
	if (!*out)
		return vf_err_errno(err, ENOMEM, "%s", argv[0]);
	ret = process_answer(with, *out, OUT_MAX, TIMEOUT_MS, fs->cancel_fd,
			     err);
	if (ret == 126 || ret == 127) {
		vf_err_set(err, ENOENT, "images: there is no %s", argv[0]);
		vf_err_hint(err,
			    "install e2fsprogs; as another user than root, "
			    "have /usr/sbin in PATH");
		return -ENOENT;
	}
	return ret;
}

int ext4_run(struct ext4 *fs, const char *commands, bool write, char **out,
	     struct vf_err *err)
{
	char name[64], file[64];
	__close int fd = memfd_create("vmfork-bake", MFD_CLOEXEC);
	char *const argv[] = { (char *)"debugfs",
			       (char *)(write ? "-wf" : "-f"), file, name,
			       NULL };
	int ret = fd < 0 ? -errno
			 : vf_write_all(fd, commands, strlen(commands));

	if (ret < 0)
		return vf_err_errno(err, ret, "debugfs");
	name_of(fs, name, sizeof(name));
	snprintf(file, sizeof(file), "/proc/%d/fd/%d", getpid(), fd);
	ret = run(fs, argv, write, out, err);
	return ret < 0 ? ret : 0;
}

int ext4_check(struct ext4 *fs, struct vf_err *err)
{
	char name[64];
	/* what could be stored better is no damage */
	char *const argv[] = { (char *)"e2fsck",
			       (char *)"-fp",
			       (char *)"-E",
			       (char *)"no_optimize_extents",
			       name,
			       NULL };
	__free char *out = NULL;
	int ret;

	name_of(fs, name, sizeof(name));
	ret = run(fs, argv, true, &out, err);
	if (ret < 0)
		return ret;
	/* 1: what was wrong is right now, but nothing may be, of ours least */
	if (!ret)
		return 0;
	vf_err_set(err, EUCLEAN,
		   "its file system is damaged: e2fsck -fp "
		   "exits with %d",
		   ret);
	vf_err_hint(err, "repair it with e2fsck -f first");
	return -EUCLEAN;
}

/* A directory's names: see ext4_list.h. */
static int list(struct ext4 *fs, const char *dir, const char **text,
		struct vf_err *err)
{
	json_t *known = json_object_get(fs->lists, dir);
	char command[PATH_MAX + 16];
	__free char *out = NULL;
	int ret;

	if (!known) {
		ret = ext4_path_check(dir, err);
		if (ret < 0)
			return ret;
		snprintf(command, sizeof(command), "ls -p \"/%s\"\n", dir);
		ret = ext4_run(fs, command, false, &out, err);
		if (ret < 0)
			return ret;
		if (!ext4_list_is_good(out))
			return vf_err_set(err, EUCLEAN,
					  "/%s: has names that no system makes",
					  dir);
		if (!fs->lists)
			fs->lists = json_object();
		known = json_stringn_nocheck(out, strlen(out));
		json_object_set_new(fs->lists, dir, known);
	}
	*text = json_string_value(known);
	return *text ? 0 : vf_err_errno(err, ENOMEM, "/%s", dir);
}

/* Return: 1, 0 if there is none, -errno */
static int find(struct ext4 *fs, const char *path, struct ext4_entry *entry,
		struct vf_err *err)
{
	const char *slash = strrchr(path, '/'), *text;
	const char *name = slash ? slash + 1 : path;
	char dir[PATH_MAX];
	int ret;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) : 0,
		 path);
	ret = list(fs, dir, &text, err);
	if (ret < 0)
		return ret;
	return ext4_list_find(text, name, entry);
}

/* A short one stands in the inode, a long one in a block. */
static int read_link(struct ext4 *fs, const char *path, char *target,
		     struct vf_err *err)
{
	char command[2 * PATH_MAX + 32];
	__free char *out = NULL;
	int ret = ext4_path_check(path, err);

	snprintf(command, sizeof(command), "stat \"/%s\"\n", path);
	if (!ret)
		ret = ext4_run(fs, command, false, &out, err);
	if (ret)
		return ret;
	if (ext4_list_link(out, target))
		return 0;
	return vf_err_set(err, EINVAL,
			  "/%s: a link that is too long for an "
			  "image",
			  path);
}

int ext4_look(struct ext4 *fs, const char *path, struct view_node *node,
	      struct vf_err *err)
{
	struct ext4_entry entry = { 0 };
	int ret;

	*node = (struct view_node){ .type = VIEW_DIR };
	if (!*path)
		return 0;
	ret = find(fs, path, &entry, err);
	node->type = VIEW_NONE;
	if (ret <= 0)
		return ret;
	node->type = S_ISDIR(entry.mode)   ? VIEW_DIR
		     : S_ISREG(entry.mode) ? VIEW_FILE
		     : S_ISLNK(entry.mode) ? VIEW_LINK
					   : VIEW_OTHER;
	node->mode = entry.mode & 07777;
	node->uid = entry.uid;
	node->gid = entry.gid;
	return node->type == VIEW_LINK ? read_link(fs, path, node->target, err)
				       : 0;
}

int ext4_read(struct ext4 *fs, const char *path, size_t max, char **out,
	      size_t *len, struct vf_err *err)
{
	__close int fd = memfd_create("vmfork-bake", MFD_CLOEXEC);
	char command[PATH_MAX + 64];
	__free char *said = NULL, *buf = NULL;
	struct ext4_entry entry = { 0 };
	struct stat st;
	int ret = ext4_path_check(path, err);

	if (!ret)
		ret = find(fs, path, &entry, err);
	if (ret < 0)
		return ret;
	/* its size first: one of nothing but holes could be of any */
	if (!ret || !S_ISREG(entry.mode))
		return vf_err_set(err, EINVAL, "/%s: not a regular file", path);
	if (entry.size > max)
		return vf_err_set(err, EFBIG, "/%s: larger than %zu bytes",
				  path, max);
	snprintf(command, sizeof(command), "dump \"/%s\" /proc/%d/fd/%d\n",
		 path, getpid(), fd);
	ret = ext4_run(fs, command, false, &said, err);
	if (ret < 0)
		return ret;
	*len = entry.size;
	buf = calloc(1, *len + 1);
	if (!buf || fstat(fd, &st) < 0 || st.st_size != (off_t)*len ||
	    vf_pread_all(fd, buf, *len, 0) < 0)
		return vf_err_set(err, EIO, "/%s: could not be read", path);
	*out = vf_steal(&buf);
	return 0;
}

void ext4_exit(struct ext4 *fs)
{
	json_decref(fs->lists);
	fs->lists = NULL;
}
