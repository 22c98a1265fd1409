// SPDX-License-Identifier: MIT
/* What others left in a directory that is baked, and beside it, to harm or not. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>

#include <cmocka.h>

#include "bake/dir.h"
#include "bake/journal.h"
#include "unit/bake_fixture.h"

#define HOOKS  "etc/vmfork/pre-snapshot.d"
#define NOBODY 65534

static const char *first_fault(const struct fixture *fix)
{
	return json_string_value(
		json_array_get(json_object_get(fix->report, "faults"), 0));
}

/* What somebody else put beside it is neither read nor waited for; who looks is told. */
static void journals_of_others(void **state)
{
	struct fixture *fix = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/.root.vmfork-bake", fix->dir.path);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(fix, BAKE_INSTALL, -EPERM, "not a journal of this user");
	comes_to(fix, BAKE_CHECK, "damaged");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("source/vmfork-agent", path), 0);
	refuses(fix, BAKE_INSTALL, -EPERM, "not a journal of this user");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(root_file(fix->dir.path, ".root.vmfork-bake", "{}"),
			 0);
	assert_int_equal(chmod(path, 0666), 0);
	refuses(fix, BAKE_INSTALL, -EPERM, "not a journal of this user");
	assert_int_equal(chmod(path, 0600), 0);
	refuses(fix, BAKE_INSTALL, -ESTALE, "of another directory");
	comes_to(fix, BAKE_CHECK, "damaged");
	assert_non_null(strstr(first_fault(fix), "of another directory"));
	assert_int_equal(unlink(path), 0);
	comes_to(fix, BAKE_INSTALL, "baked");
}

/* Who may not write there has nothing to take out again. */
static void directory_of_others(void **state)
{
	struct fixture *fix = *state;

	assert_int_equal(chmod(fix->dir.path, 0755), 0);
	if (seteuid(NOBODY) < 0)
		skip(); /* in a namespace of one user */
	refuses(fix, BAKE_INSTALL, -EACCES, "journal beside the directory");
	assert_string_equal(fix->err.hint, "");
	assert_int_equal(seteuid(0), 0);
}

/* Names that are needed meanwhile. */
static void names_of_others(void **state)
{
	struct fixture *fix = *state;

	comes_to(fix, BAKE_INSTALL, "baked");
	assert_int_equal(
		root_file(fix->root, "etc/.inittab.vmfork-bake", "his"), 0);
	fix->request.modules = "6.12";
	refuses(fix, BAKE_INSTALL, -EEXIST, "/etc/.inittab.vmfork-bake");
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/.inittab.vmfork-bake", "his");
}

static void manifests_of_others(void **state)
{
	static const char *const texts[] = {
		"",
		"{}",
		"[1]",
		"{\"vmfork\":\"bake\",\"version\":1,\"items\":7}",
#define HEAD                                                         \
	"{\"vmfork\":\"bake\",\"manifest\":\"m\",\"init\":\"none\"," \
	"\"signal\":"                                                \
	"\"auto\",\"version\":1,\"items\":["                         \
	"{\"path\":\"m\",\"type\":\"file\"},"
		HEAD "{\"path\":\"../outside/f\",\"type\":\"link\","
		     "\"target\":\"x\"}]}",
		HEAD "{\"path\":\"/etc/inittab\",\"type\":\"dir\"}]}",
		HEAD "{\"path\":\"etc/inittab\",\"type\":\"file\"}]}",
		HEAD "{\"path\":\"etc/x\",\"type\":\"file\",\"crc\":1,"
		     "\"text\":\"x\",\"kept\":\"../outside/f\"}]}",
		HEAD "{\"path\":\"etc//x\",\"type\":\"dir\"}]}",
		HEAD "7]}",
		"{\"vmfork\":\"bake\",\"manifest\":\"m\",\"init\":\"none\","
		"\"signal\":\"auto\",\"version\":1,\"items\":[]}",
	};
	struct fixture *fix = *state;

	assert_int_equal(root_file(fix->outside, "f", "x"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(root_file(fix->root,
					   "usr/lib/vmfork/bake.json",
					   texts[i]),
				 0);
		refuses(fix, BAKE_REMOVE, -EBADMSG, "not written by vmfork");
	}
	assert_int_equal(root_file(fix->root, "usr/lib/vmfork/bake.json",
				   HEAD "{\"path\":\"etc/inittab\",\"type\":"
					"\"file\",\"crc\":1}]}"),
			 0);
	refuses(fix, BAKE_REMOVE, -ESTALE, "/etc/inittab");
}

/* A file where a directory has to come: it is said, and nothing is stuck then. */
static void file_for_a_directory(void **state)
{
	struct fixture *fix = *state;
	__json json_t *manifest = NULL, *file;
	char path[256];
	json_t *item;
	size_t i;

	comes_to(fix, BAKE_INSTALL, "baked");
	snprintf(path, sizeof(path), "%s/" HOOKS, fix->root);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(root_file(fix->root, HOOKS, "a file"), 0);
	snprintf(path, sizeof(path), "%s/usr/lib/vmfork/bake.json", fix->root);
	manifest = json_load_file(path, 0, NULL);
	file = json_pack("{s:s,s:I}", "type", "file", "crc",
			 (json_int_t)crc32c(0, "a file", 6));
	json_array_foreach(json_object_get(manifest, "items"), i, item)
		if (!strcmp(json_string_value(json_object_get(item, "path")),
			    HOOKS))
			json_object_update(item, file);
	assert_int_equal(json_dump_file(manifest, path, JSON_INDENT(1)), 0);
	fix->request.modules = "6.12";
	for (int again = 0; again < 2; again++)
		refuses(fix, BAKE_INSTALL, -EEXIST, "/" HOOKS);
	comes_to(fix, BAKE_REMOVE, "removed");
}

/* What could not be read again is not begun: a number may be longer once written. */
static void journal_that_is_too_large(void **state)
{
	static const char number[] = "1e9,";
	const size_t num = 240000;
	struct fixture *fix = *state;
	__free char *manifest = NULL, *text = NULL;
	char path[256], *end;

	comes_to(fix, BAKE_INSTALL, "baked");
	snprintf(path, sizeof(path), "%s/usr/lib/vmfork/bake.json", fix->root);
	assert_int_equal(vf_read_file(AT_FDCWD, path, 1 << 20, &manifest, NULL,
				      &fix->err),
			 0);
	text = malloc(strlen(manifest) + num * strlen(number) + 16);
	end = stpcpy(text, "{\"x\":[");
	for (size_t i = 0; i < num; i++)
		end = stpcpy(end, number);
	strcpy(end, "1],");
	strcat(end, manifest + 1);
	assert_int_equal(root_file(fix->root, "usr/lib/vmfork/bake.json", text),
			 0);
	refuses(fix, BAKE_REMOVE, -EFBIG, "journal");
	assert_int_equal(
		root_file(fix->root, "usr/lib/vmfork/bake.json", manifest), 0);
	comes_to(fix, BAKE_REMOVE, "removed");
}

#define bake_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

/* The root is from now on in what lies below. Return: 0 or -errno */
static int overlay_mount(struct fixture *fix)
{
	static const char *const names[] = { "low", "up", "work", "over" };
	int dir_fd = fix->dir.dir_fd;
	char options[512];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(mkdirat(dir_fd, names[i], 0755), 0);
	assert_int_equal(renameat(dir_fd, "root", dir_fd, "low/root"), 0);
	snprintf(options, sizeof(options),
		 "lowerdir=%s/low,upperdir=%s/up,workdir=%s/work",
		 fix->dir.path, fix->dir.path, fix->dir.path);
	snprintf(fix->root, sizeof(fix->root), "%s/over", fix->dir.path);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("overlay", fix->root, "overlay", 0, options) < 0)
		return -errno;
	snprintf(fix->root, sizeof(fix->root), "%s/over/root", fix->dir.path);
	return 0;
}

/* The first change brings the root up: it is still the one that was noted. */
static void journal_on_overlay(void **state)
{
	struct fixture *fix = *state;
	__json json_t *manifest = json_pack(
		"{s:s,s:i,s:s,s:s,s:s,s:[{s:s,s:s}]}", "vmfork", "bake",
		"version", PLAN_VERSION, "manifest", "m", "init", "busybox",
		"signal", "auto", "items", "path", "m", "type", "file");
	__json json_t *journal = NULL;
	struct target *target;
	char path[256];
	int ret = overlay_mount(fix);

	if (ret < 0) {
		print_message("no overlay: %s\n", strerror(-ret));
		skip();
	}
	assert_int_equal(dir_open(&target, fix->root, true, &fix->err), 0);
	ret = journal_begin(dir_of(target), manifest, NULL, &journal,
			    &fix->err);
	target->ops->close(target);
	assert_int_equal(ret, 0);
	snprintf(path, sizeof(path), "%s/his", fix->root);
	assert_int_equal(mkdir(path, 0755), 0);
	comes_to(fix, BAKE_CHECK, "damaged");
	comes_to(fix, BAKE_INSTALL, "baked");
	comes_to(fix, BAKE_REMOVE, "removed");
	snprintf(path, sizeof(path), "%s/over", fix->dir.path);
	assert_int_equal(umount(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		bake_test(journals_of_others),
		bake_test(directory_of_others),
		bake_test(names_of_others),
		bake_test(manifests_of_others),
		bake_test(file_for_a_directory),
		bake_test(journal_that_is_too_large),
		/* in a mount namespace of its own from then on */
		bake_test(journal_on_overlay),
	};

	return cmocka_run_group_tests_name("bake_others", tests, NULL, NULL);
}
