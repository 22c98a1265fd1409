// SPDX-License-Identifier: MIT
/* Which mounts are disks to be held, and which cgroup can be frozen. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "disks.h"
#include "freeze.h"

static int parse(const char *text, struct disks_mount *mount)
{
	char line[2048];

	memset(mount, 0, sizeof(*mount));
	strcpy(line, text);
	return disks_parse(line, mount);
}

static void test_freezable(void **state)
{
	static const char *const rows[] = {
		"36 35 254:1 / / rw,noatime shared:1 - ext4 /dev/vda1 rw",
		"36 35 254:1 / / rw,noatime - ext4 /dev/vda1 rw,errors=ro\n",
		/* read-only here, but not everywhere */
		"36 35 254:1 /a /b ro shared:1 master:2 - xfs /dev/vda1 rw",
		"36 35 0:44 /@ / rw - btrfs /dev/vda1 seclabel,rw",
	};
	struct disks_mount mount;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i], &mount), 0);
		assert_true(mount.is_freezable);
	}
	assert_int_equal(mount.dev, makedev(0, 44));
	assert_false(mount.has_own_dev);
}

static void test_not_freezable(void **state)
{
	static const char *const rows[] = {
		"24 1 0:22 / /proc rw,relatime - proc proc rw",
		"29 1 0:25 / /run rw - tmpfs tmpfs rw,mode=755",
		"36 35 254:1 / /cd rw - iso9660 /dev/sr0 ro,norw",
		"36 35 0:50 / /net rw - nfs4 host:/x rw",
	};
	struct disks_mount mount;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(parse(rows[i], &mount), 0);
		assert_false(mount.is_freezable);
	}
}

static void test_paths(void **state)
{
	struct disks_mount mount;

	(void)state;
	assert_int_equal(
		parse("1 2 8:3 / /a\\040b\\134\\011c rw - ext4 s rw", &mount),
		0);
	assert_string_equal(mount.path, "/a b\\\tc");
	assert_int_equal(mount.dev, makedev(8, 3));
}

static void test_malformed(void **state)
{
	static const char *const rows[] = {
		"",
		"\n",
		"36 35 254:1 / /",
		"36 35 254:1 / / rw shared:1",
		"36 35 254:1 / / rw -",
		"36 35 254:1 / / rw - ext4 /dev/vda1",
		"36 35 254 / / rw - ext4 /dev/vda1 rw",
	};
	struct disks_mount mount;
	char line[DISKS_PATH_LEN + 128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(parse(rows[i], &mount), -EBADMSG);
	memset(line, 'x', sizeof(line));
	memcpy(line, "36 35 254:1 / /", 15);
	strcpy(line + DISKS_PATH_LEN + 20, " rw - ext4 /dev/vda1 rw");
	assert_int_equal(parse(line, &mount), -EBADMSG);
}

static void test_nothing_held(void **state)
{
	struct disks disks = { 0 };

	(void)state;
	assert_int_equal(disks_thaw(&disks), 1);
}

static void test_cgroup(void **state)
{
	static const struct {
		const char *given;
		const char *path; /* NULL: refused */
	} rows[] = {
		{ "work", "/sys/fs/cgroup/work" },
		{ "a/b..c/", "/sys/fs/cgroup/a/b..c" },
		{ "/sys/fs/cgroup/work//", "/sys/fs/cgroup/work" },
		{ "/elsewhere", "/elsewhere" },
		{ "", NULL },
		{ "/", NULL },
		{ "/sys/fs/cgroup/", NULL },
		{ "..", NULL },
		{ "a/../..", NULL },
	};
	char endless[FREEZE_PATH_LEN + 1];
	struct freeze freeze;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int ret = freeze_init(&freeze, rows[i].given);

		assert_int_equal(ret, rows[i].path ? 0 : -EINVAL);
		if (rows[i].path)
			assert_string_equal(freeze.path, rows[i].path);
	}
	assert_int_equal(freeze_init(&freeze, NULL), 0);
	assert_false(freeze_is_configured(&freeze));
	assert_int_equal(freeze_start(&freeze, NULL, NULL), 0);
	assert_int_equal(freeze_undo(&freeze), 1);
	memset(endless, 'x', sizeof(endless));
	endless[FREEZE_PATH_LEN] = '\0';
	assert_int_equal(freeze_init(&freeze, endless), -ENAMETOOLONG);
	assert_int_equal(freeze_init(&freeze, "no/such/cgroup"), 0);
	assert_int_equal(freeze_start(&freeze, NULL, NULL), -ENOENT);
	assert_int_equal(freeze_undo(&freeze), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_freezable),
		cmocka_unit_test(test_not_freezable),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_nothing_held),
		cmocka_unit_test(test_cgroup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
