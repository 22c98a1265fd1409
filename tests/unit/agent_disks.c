// SPDX-License-Identifier: MIT
/* Which mounts are disks to be held, and which cgroup can be frozen. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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
		"36 35 8:17 / /usb rw - fuseblk /dev/sdb1 rw,user_id=0",
		"36 35 8:17 / /usb rw - fuseblk.ntfs-3g /dev/sdb1 rw",
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
		{ "load", "/sys/fs/cgroup/load" },
		{ "a/b..c/", "/sys/fs/cgroup/a/b..c" },
		{ "/sys/fs/cgroup/load//", "/sys/fs/cgroup/load" },
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

static char scratch[48];

static int setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/agent-freeze-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	return system(command);
}

static void put(const char *name, const char *text)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_state(char state, bool is_recorded)
{
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "%s/cgroup.freeze", scratch);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fgetc(file), state);
	fclose(file);
	snprintf(path, sizeof(path), "%s/" FREEZE_RECORD, scratch);
	assert_int_equal(access(path, F_OK), is_recorded ? 0 : -1);
}

/* One that was frozen before stays so, also when the agent was killed. */
static void test_whose(void **state)
{
	struct freeze freeze, again;

	(void)state;
	put("cgroup.freeze", "0\n");
	put("cgroup.events", "populated 1\nfrozen 1\n");
	assert_int_equal(freeze_init(&freeze, scratch), 0);
	freeze.dir_fd = open(scratch, O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(freeze_start(&freeze, NULL, NULL), 0);
	assert_state('1', true);
	assert_int_equal(freeze_undo(&freeze), 0);
	assert_state('0', false);
	assert_int_equal(freeze_start(&freeze, NULL, NULL), 0);
	assert_int_equal(freeze_init(&again, NULL), 0);
	again.dir_fd = freeze.dir_fd;
	freeze_recover(&again); /* also where it is not configured any more */
	assert_state('0', false);
	put("cgroup.freeze", "1\n");
	freeze_recover(&again);
	assert_state('1', false);
	assert_int_equal(freeze_init(&again, scratch), 0);
	again.dir_fd = freeze.dir_fd;
	assert_int_equal(freeze_start(&again, NULL, NULL), 0);
	assert_state('1', false);
	assert_int_equal(freeze_undo(&again), 1);
	assert_state('1', false);
	freeze_undo(&freeze);
	close(freeze.dir_fd);
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
		cmocka_unit_test_setup_teardown(test_whose, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
