// SPDX-License-Identifier: MIT
// time: 300
/* A directory is baked, and is as it was when that is removed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/bake_fixture.h"

static void comes_and_goes(struct fixture *fix)
{
	__free char *before = root_list(fix->dir.path), *baked = NULL;
	__free char *again = NULL, *after = NULL;

	comes_to(fix, BAKE_CHECK, "none");
	comes_to(fix, BAKE_INSTALL, "baked");
	comes_to(fix, BAKE_CHECK, "baked");
	baked = root_list(fix->dir.path);
	comes_to(fix, BAKE_INSTALL, "unchanged");
	again = root_list(fix->dir.path);
	assert_string_equal(baked, again);
	assert_string_not_equal(baked, before);
	comes_to(fix, BAKE_REMOVE, "removed");
	comes_to(fix, BAKE_REMOVE, "none");
	after = root_list(fix->dir.path);
	assert_string_equal(before, after);
}

static void each_init(void **state)
{
	struct fixture *fix = *state;

	for (int i = 0; i < 2; i++) {
		fix->request.modules = i ? "6.12" : NULL;
		fix->request.signal = i ? "vmgenid" : "auto";
		comes_and_goes(fix);
		fix->request.init = INIT_NONE;
		comes_and_goes(fix);
		fix->request.init = INIT_AUTO;
	}
	assert_int_equal(root_file(fix->root, "sbin/openrc-run", ""), 0);
	comes_and_goes(fix);
	assert_int_equal(root_file(fix->root, "lib/systemd/systemd", ""), 0);
	comes_and_goes(fix);
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_string_equal(
		json_string_value(json_object_get(fix->report, "init")),
		"systemd");
}

static bool is_linked(struct fixture *fix, const char *level)
{
	char path[256], target[64];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/etc/runlevels/%s/vmfork-agent",
		 fix->root, level);
	len = readlink(path, target, sizeof(target));
	return len > 0 && (size_t)len == strlen("/etc/init.d/vmfork-agent") &&
	       !memcmp(target, "/etc/init.d/vmfork-agent", (size_t)len);
}

/* As rc-update has them, if there is such a service or not. */
static void level_link(struct fixture *fix, const char *name)
{
	char path[256], target[64];

	assert_int_equal(root_file(fix->root, "etc/runlevels/sysinit/dir", ""),
			 0);
	snprintf(path, sizeof(path), "%s/etc/runlevels/sysinit/%s", fix->root,
		 name);
	snprintf(target, sizeof(target), "/etc/init.d/%s", name);
	assert_int_equal(symlink(target, path), 0);
	root_age(path);
	*strrchr(path, '/') = '\0';
	root_age(path);
}

/* It has to come before the network, in whichever runlevel that is. */
static void openrc_levels(void **state)
{
	struct fixture *fix = *state;

	assert_int_equal(root_file(fix->root, "sbin/openrc-run", ""), 0);
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_true(is_linked(fix, "boot"));
	assert_false(is_linked(fix, "sysinit"));
	comes_to(fix, BAKE_REMOVE, "removed");
	/* one that dangles is of no service */
	level_link(fix, "networking");
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_true(is_linked(fix, "boot"));
	comes_to(fix, BAKE_REMOVE, "removed");
	assert_int_equal(root_file(fix->root, "etc/init.d/networking", ""), 0);
	comes_and_goes(fix);
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_true(is_linked(fix, "sysinit"));
	assert_false(is_linked(fix, "boot"));
}

static void inittab_lines(void **state)
{
	struct fixture *fix = *state;

	fix->request.signal = "vmclock";
	comes_to(fix, BAKE_INSTALL, "baked");
	text_of(fix, "etc/inittab",
		"::sysinit:/bin/true\n# vmfork bake\n"
		"::wait:/usr/lib/vmfork/start-agent\n"
		"ttyS0::respawn:-/bin/sh\n");
	text_of(fix, "usr/lib/vmfork/start-agent",
		"#!\n/usr/sbin/vmfork-agent run --signal vmclock\n");
	/* what somebody added since is his */
	assert_int_equal(root_file(fix->root, "etc/inittab",
				   "# vmfork bake\n"
				   "::wait:/usr/lib/vmfork/start-agent\n"
				   "::ctrlaltdel:/sbin/reboot\n"),
			 0);
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/inittab", "::ctrlaltdel:/sbin/reboot\n");
	/* a last line without an end */
	assert_int_equal(root_file(fix->root, "etc/inittab", "::once:x"), 0);
	comes_and_goes(fix);
	assert_int_equal(root_file(fix->root, "etc/inittab", ""), 0);
	comes_and_goes(fix);
}

/* What was kept is gone: the line is cut out all the same. */
static void kept_is_gone(void **state)
{
	struct fixture *fix = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/usr/lib/vmfork/kept-inittab",
		 fix->root);
	for (int again = 0; again < 2; again++) {
		comes_to(fix, BAKE_INSTALL, "baked");
		assert_int_equal(unlink(path), 0);
		comes_to(fix, BAKE_CHECK, "damaged");
		if (again)
			comes_to(fix, BAKE_INSTALL, "baked");
		comes_to(fix, BAKE_REMOVE, "removed");
		text_of(fix, "etc/inittab", ROOT_INITTAB);
	}
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0);
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/inittab", ROOT_INITTAB);
	assert_int_equal(rmdir(path), 0);
}

static void other_options_replace(void **state)
{
	struct fixture *fix = *state;
	__free char *before = root_list(fix->dir.path), *after = NULL;

	comes_to(fix, BAKE_INSTALL, "baked");
	fix->request.modules = "6.12";
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_int_equal(root_file(fix->source, "vmfork-agent", "newer"), 0);
	comes_to(fix, BAKE_INSTALL, "baked");
	text_of(fix, "usr/sbin/vmfork-agent", "newer");
	comes_to(fix, BAKE_REMOVE, "removed");
	assert_int_equal(root_file(fix->source, "vmfork-agent", "the agent"),
			 0);
	after = root_list(fix->dir.path);
	assert_string_equal(before, after);
}

/* What somebody changed since is his, however often it is baked. */
static void changes_outlive_others(void **state)
{
	struct fixture *fix = *state;
	__free char *before = NULL, *after = NULL;

	comes_to(fix, BAKE_INSTALL, "baked");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			root_file(fix->root, "etc/inittab",
				  "::sysinit:/bin/his\n# vmfork bake\n"
				  "::wait:/usr/lib/vmfork/start-agent\n"
				  "ttyS0::respawn:-/bin/sh\n"),
			0);
		fix->request.signal = i ? "vmgenid" : "vmclock";
		comes_to(fix, BAKE_INSTALL, "baked");
	}
	comes_to(fix, BAKE_REMOVE, "removed");
	text_of(fix, "etc/inittab",
		"::sysinit:/bin/his\nttyS0::respawn:-/bin/sh\n");
	assert_int_equal(root_file(fix->root, "etc/inittab", ROOT_INITTAB), 0);
	before = root_list(fix->dir.path);
	comes_to(fix, BAKE_INSTALL, "baked");
	/* another init, which leaves the file alone */
	fix->request.init = INIT_NONE;
	comes_to(fix, BAKE_INSTALL, "baked");
	text_of(fix, "etc/inittab", ROOT_INITTAB);
	comes_to(fix, BAKE_REMOVE, "removed");
	after = root_list(fix->dir.path);
	assert_string_equal(before, after);
}

static void hooks(void **state)
{
	struct fixture *fix = *state;

	fix->request.hooks = fix->outside;
	refuses(fix, BAKE_INSTALL, -ENOENT, "no file in post-restore.d");
	assert_int_equal(
		root_file(fix->outside, "post-restore.d/10-x", "#!/bin/sh\n"),
		0);
	comes_and_goes(fix);
	comes_to(fix, BAKE_INSTALL, "baked");
	text_of(fix, "etc/vmfork/post-restore.d/10-x", "#!/bin/sh\n");
	/* one that is somebody else's keeps its directory, and that is said */
	assert_int_equal(
		root_file(fix->root, "etc/vmfork/post-restore.d/20-y", ""), 0);
	comes_to(fix, BAKE_REMOVE, "removed");
	assert_int_equal(
		json_array_size(json_object_get(fix->report, "faults")), 2);
	assert_int_equal(
		root_file(fix->outside, "post-restore.d/a b", "#!/bin/sh\n"),
		0);
	refuses(fix, BAKE_INSTALL, -EINVAL, "hook 'a b'");
}

static void bad_roots(void **state)
{
	struct fixture *fix = *state;

	fix->request.target = fix->outside;
	refuses(fix, BAKE_INSTALL, -ENOENT, "no directory /etc");
	fix->request.target = "/";
	refuses(fix, BAKE_INSTALL, -EINVAL, "root of this very system");
	fix->request.target = "/nowhere";
	refuses(fix, BAKE_INSTALL, -ENOENT, "/nowhere");
	fix->request.target = fix->root;
	fix->request.init = INIT_SYSTEMD;
	refuses(fix, BAKE_INSTALL, -EINVAL, "no systemd");
	fix->request.init = INIT_AUTO;
	assert_int_equal(root_file(fix->root, "usr/sbin/vmfork-agent", "x"), 0);
	refuses(fix, BAKE_INSTALL, -EEXIST, "is there already");
	comes_to(fix, BAKE_REMOVE, "none");
}

static void init_that_is_unknown(void **state)
{
	struct fixture *fix = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/etc/inittab", fix->root);
	assert_int_equal(unlink(path), 0);
	refuses(fix, BAKE_INSTALL, -EINVAL, "no init that is known");
	fix->request.init = INIT_BUSYBOX;
	refuses(fix, BAKE_INSTALL, -EINVAL, "no busybox");
}

/* Not the user's root is at fault. */
static void file_of_ours_that_is_missing(void **state)
{
	struct fixture *fix = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/init/vmfork-agent.busybox",
		 fix->source);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "vmfork's files in %s: init/vmfork-agent",
		 fix->source);
	refuses(fix, BAKE_INSTALL, -ENOENT, path);
	assert_non_null(strstr(fix->err.hint, "VMFORK_DATA"));
}

static void changed_files_stay(void **state)
{
	struct fixture *fix = *state;

	comes_to(fix, BAKE_INSTALL, "baked");
	assert_int_equal(root_file(fix->root, "usr/sbin/vmfork-agent", "his"),
			 0);
	comes_to(fix, BAKE_CHECK, "damaged");
	refuses(fix, BAKE_REMOVE, -ESTALE, "changed since it was baked");
	refuses(fix, BAKE_INSTALL, -ESTALE, "changed since it was baked");
}

/* Links that a root file system may have, or that somebody made to harm. */
static void links_stay_inside(void **state)
{
	static const char *const links[][2] = {
		{ "usr", "%s" },	  { "usr", "/../../%s" },
		{ "usr", "../outside" },  { "usr", "etc" },
		{ "usr", "/" },		  { "usr/lib", "../../outside" },
		{ "usr/lib", "/lib" },	  { "usr/sbin", "../sbin" },
		{ "etc/vmfork", "/tmp" }, { "usr/lib/vmfork", "../../../.." },
	};
	struct fixture *fix = *state;

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		char path[256], target[256];

		snprintf(path, sizeof(path), "%s/%s", fix->root, links[i][0]);
		snprintf(target, sizeof(target), links[i][1], fix->outside);
		assert_int_equal(root_file(fix->root, "usr/x/file", ""), 0);
		assert_int_equal(root_file(fix->root, "usr/lib/file", ""), 0);
		vf_remove_tree(AT_FDCWD, path);
		assert_int_equal(symlink(target, path), 0);
		root_age(path);
		comes_and_goes(fix);
		comes_to(fix, BAKE_INSTALL, "baked");
		/* still empty: rmdir() says so */
		assert_int_equal(rmdir(fix->outside), 0);
		assert_int_equal(mkdir(fix->outside, 0755), 0);
		comes_to(fix, BAKE_REMOVE, "removed");
		assert_int_equal(unlink(path), 0);
		snprintf(path, sizeof(path), "%s/tmp", fix->root);
		vf_remove_tree(AT_FDCWD, path);
	}
}

static void links_that_lead_nowhere(void **state)
{
	struct fixture *fix = *state;
	char path[256];

	snprintf(path, sizeof(path), "%s/usr", fix->root);
	assert_int_equal(symlink("usr", path), 0);
	refuses(fix, BAKE_INSTALL, -ELOOP, "/usr");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(root_file(fix->root, "usr", "a file"), 0);
	refuses(fix, BAKE_INSTALL, -ENOTDIR, "/usr");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(fix, BAKE_INSTALL, -ENOTDIR, "/usr");
}

static void other_names_of_a_file(void **state)
{
	struct fixture *fix = *state;
	char path[256], other[256];

	snprintf(path, sizeof(path), "%s/etc/inittab", fix->root);
	snprintf(other, sizeof(other), "%s/inittab", fix->outside);
	assert_int_equal(link(path, other), 0);
	comes_and_goes(fix);
	comes_to(fix, BAKE_INSTALL, "baked");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(link(other, path), 0);
	text_of(fix, "etc/inittab", ROOT_INITTAB);
}

#define bake_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bake_test(each_init),
		bake_test(openrc_levels),
		bake_test(inittab_lines),
		bake_test(kept_is_gone),
		bake_test(other_options_replace),
		bake_test(changes_outlive_others),
		bake_test(hooks),
		bake_test(bad_roots),
		bake_test(init_that_is_unknown),
		bake_test(file_of_ours_that_is_missing),
		bake_test(changed_files_stay),
		bake_test(links_stay_inside),
		bake_test(links_that_lead_nowhere),
		bake_test(other_names_of_a_file),
	};

	return cmocka_run_group_tests_name("bake_dir", tests, NULL, NULL);
}
