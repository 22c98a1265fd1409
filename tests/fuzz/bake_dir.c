// SPDX-License-Identifier: MIT
// time: 600
/*
 * A directory that a stranger baked into, or began to: its manifest, and the
 * journal beside it. Whatever they say, it is looked at, baked into, removed or
 * refused, and what is outside the directory stays as it is. What could be removed
 * once is no trouble later.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bake/bake.h"
#include "base/io.h"
#include "base/json.h"
#include "crc32c.h"
#include "fuzz/bake_input.h"
#include "unit/bake_root.h"

#define SECRET "secret"
#define BASE   "/dev/shm/vmfork-fuzz.%d"
#define SOURCE BASE ".source"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t crc_of(const char *path)
{
	return crc32c(0, path, strlen(path));
}

static void must(int ret)
{
	if (ret < 0)
		abort();
}

/* Each file holds its own name. */
static void put(int dir_fd, const char *path, const void *text, size_t len)
{
	__close int fd = openat(dir_fd, path,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd);
	must(vf_write_all(fd, text, len));
}

/* A clean one has nothing by names that a bake needs. */
static int tree_make(const char *base, bool is_clean)
{
	static const char *const dirs[] = { "root",	    "root/etc",
					    "root/bin",	    "root/usr",
					    "root/usr/lib", "root/" BAKED_DIR,
					    "outside" };
	static const char *const files[] = { "etc/inittab", "bin/busybox",
					     "etc/.inittab.vmfork-bake",
					     "bin/.busybox.vmfork-bake",
					     BAKED_DIR "/kept-inittab" };
	size_t num = is_clean ? 2 : ARRAY_SIZE(files);
	struct vf_err err;
	int base_fd = vf_mkdir_open(AT_FDCWD, base, &err);
	char path[64];

	must(base_fd);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		must(mkdirat(base_fd, dirs[i], 0700));
	for (size_t i = 0; i < num; i++) {
		snprintf(path, sizeof(path), "root/%s", files[i]);
		put(base_fd, path, files[i], strlen(files[i]));
	}
	put(base_fd, "outside/" SECRET, SECRET, strlen(SECRET));
	must(symlinkat("../outside", base_fd, "root/out"));
	must(symlinkat("etc", base_fd, "root/config"));
	return base_fd;
}

static void manifest_put(int base_fd, struct input *in)
{
	__json json_t *json = manifest_make(in, crc_of);
	__free char *text = json_dumps(json, 0);

	put(base_fd, "root/" BAKED_PATH, text, strlen(text));
}

static json_t *root_id(int base_fd)
{
	struct statx st;

	must(statx(base_fd, "root", 0, STATX_INO | STATX_BTIME, &st));
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = (struct statx_timestamp){ 0 };
	return json_pack("[I,I,I]", (json_int_t)st.stx_ino,
			 (json_int_t)st.stx_btime.tv_sec,
			 (json_int_t)st.stx_btime.tv_nsec);
}

static json_t *times_make(struct input *in, uint8_t num)
{
	json_t *times = json_object();
	char buf[TEXT_SIZE];

	while (num--)
		json_object_set_new(times, take_text(in, buf),
				    json_pack("[I,I]",
					      (json_int_t)take_number(in),
					      (json_int_t)take_number(in)));
	return times;
}

static void journal_put(int base_fd, struct input *in)
{
	__json json_t *json = json_object();
	__free char *text = NULL;
	uint8_t num = take(in) % 16;

	json_object_set_new(json, "times", times_make(in, num / 4));
	json_object_set_new(json, "old-times", times_make(in, num / 4));
	json_object_set_new(json, "root", root_id(base_fd));
	json_object_set_new(json, "manifest", manifest_make(in, crc_of));
	if (num & 1)
		json_object_set_new(json, "old", manifest_make(in, crc_of));
	if (num & 2)
		json_object_set_new(json, "staged", json_true());
	text = json_dumps(json, 0);
	put(base_fd, ".root.vmfork-bake", text, strlen(text));
}

/* What could be done to what is outside. */
struct outside {
	struct stat base, dir, file;
};

static void outside_look(int base_fd, struct outside *out)
{
	must(fstat(base_fd, &out->base));
	must(fstatat(base_fd, "outside", &out->dir, AT_SYMLINK_NOFOLLOW));
	must(fstatat(base_fd, "outside/" SECRET, &out->file,
		     AT_SYMLINK_NOFOLLOW));
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       a->st_nlink == b->st_nlink &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static void names_check(int base_fd)
{
	__close int fd =
		openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	__json json_t *names = NULL;
	struct vf_err err;

	/* without those that begin with a dot: the journal is one */
	must(vf_list_dir(fd, &names, &err));
	if (json_array_size(names) != 2 || !vf_json_has(names, "outside") ||
	    !vf_json_has(names, "root"))
		abort();
}

static void outside_check(int base_fd, const struct outside *before)
{
	__free char *text = NULL;
	struct outside now;
	struct vf_err err;

	must(vf_read_file(base_fd, "outside/" SECRET, 64, &text, NULL, &err));
	if (strcmp(text, SECRET) != 0)
		abort();
	outside_look(base_fd, &now);
	/* the journal beside the directory comes and goes */
	now.base.st_mtim = before->base.st_mtim;
	if (!is_same(&now.base, &before->base) ||
	    !is_same(&now.dir, &before->dir) ||
	    !is_same(&now.file, &before->file))
		abort();
	names_check(base_fd);
}

static int bake(const char *root, enum bake_action action)
{
	struct bake_request request = { .target = root,
					.action = action,
					.signal = "auto",
					.cancel_fd = -1 };
	__json json_t *report = NULL;
	struct vf_err err;

	return bake_run(&request, &report, &err);
}

static void source_remove(void)
{
	char path[64];

	snprintf(path, sizeof(path), SOURCE, getpid());
	vf_remove_tree(AT_FDCWD, path);
}

/* Without anybody's harm it can be baked, or nothing of that would be tried. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	char base[64], root[80];

	(void)argc;
	(void)argv;
	snprintf(base, sizeof(base), SOURCE, getpid());
	must(root_source(base));
	must(atexit(source_remove));
	snprintf(base, sizeof(base), BASE, getpid());
	snprintf(root, sizeof(root), "%s/root", base);
	must(close(tree_make(base, true)));
	must(bake(root, BAKE_INSTALL));
	snprintf(root, sizeof(root), "%s/root/" BAKED_PATH, base);
	must(access(root, F_OK));
	must(vf_remove_tree(AT_FDCWD, base));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	enum bake_action action;
	struct outside before;
	char base[64], root[80];
	__close int base_fd = -1;
	uint8_t bits = take(&in);

	snprintf(base, sizeof(base), BASE, getpid());
	snprintf(root, sizeof(root), "%s/root", base);
	base_fd = tree_make(base, bits & 64);
	if (bits & 1)
		manifest_put(base_fd, &in);
	if (bits & 2)
		journal_put(base_fd, &in);
	if (bits & 4)
		put(base_fd,
		    bits & 8 ? ".root.vmfork-bake" : "root/" BAKED_PATH,
		    in.data, in.size);
	outside_look(base_fd, &before);
	action = bits & 16 ? bits & 32 ? BAKE_INSTALL : BAKE_CHECK
			   : BAKE_REMOVE;
	if (bake(root, action) == 0 && action == BAKE_REMOVE)
		must(bake(root, action));
	outside_check(base_fd, &before);
	must(vf_remove_tree(AT_FDCWD, base));
	return 0;
}
