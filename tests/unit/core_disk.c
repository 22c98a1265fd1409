// SPDX-License-Identifier: MIT
/* Disks of VMs as files: made, checked, given to a fork, kept on record. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/vm.h"
#include "unit/scratch.h"

struct fixture {
	struct scratch dir;
	int from_fd; /* of a VM or a snapshot */
	int to_fd;   /* of its fork */
	struct vmm_disks disks;
	struct vf_err err;
};

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));
	struct disk_wish wish = { .format = VMM_FORMAT_DETECT };

	if (!fix || scratch_init(&fix->dir) < 0)
		return -1;
	*state = fix;
	fix->from_fd = vf_mkdir_open(fix->dir.dir_fd, "from", &fix->err);
	fix->to_fd = vf_mkdir_open(fix->dir.dir_fd, "to", &fix->err);
	snprintf(wish.path, sizeof(wish.path), "%s/image", fix->dir.path);
	if (vf_write_file(fix->dir.dir_fd, "image", (char[512]){ 0 }, 512,
			  false, &fix->err) < 0)
		return -1;
	return disk_make(&fix->disks, &qemu_ops, &wish, 1, fix->from_fd,
			 &fix->err);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	close(fix->from_fd);
	close(fix->to_fd);
	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

static void parsed(void **state)
{
	static const struct {
		const char *text;
		int ret;
		const char *path;
		enum vmm_format format;
	} cases[] = {
		{ "a", 0, "a", VMM_FORMAT_DETECT },
		{ "/b,c", 0, "/b,c", VMM_FORMAT_DETECT },
		{ "a,format=raw", 0, "a", VMM_FORMAT_RAW },
		{ "a,format=qcow2", 0, "a", VMM_FORMAT_QCOW2 },
		{ "a,format=raw,format=qcow2", 0, "a,format=raw",
		  VMM_FORMAT_QCOW2 },
		{ "a,format=", -EINVAL, NULL, 0 },
		{ "a,format=vmdk", -EINVAL, NULL, 0 },
		{ ",format=raw", -ENOENT, NULL, 0 },
		{ "", -ENOENT, NULL, 0 },
	};
	char text[PATH_MAX + 1];
	struct disk_wish wish;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(disk_parse(&wish, cases[i].text),
				 cases[i].ret);
		if (cases[i].ret)
			continue;
		assert_string_equal(wish.path, cases[i].path);
		assert_int_equal(wish.format, cases[i].format);
	}
	memset(text, 'x', sizeof(text));
	text[PATH_MAX] = '\0';
	assert_int_equal(disk_parse(&wish, text), -ENAMETOOLONG);
	text[PATH_MAX - 1] = '\0';
	assert_int_equal(disk_parse(&wish, text), 0);
}

static ino_t inode(int dir_fd, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir_fd, name, &st, 0), 0);
	return st.st_ino;
}

/* What it shares is the same file, what it writes is its own. */
static void forked(void **state)
{
	struct fixture *fix = *state;
	struct vm vm = {
		.run_fd = fix->to_fd,
		.hardware.engine = &qemu_ops,
		.disks = fix->disks,
	};

	assert_int_equal(fix->disks.num, 1);
	assert_int_equal(fix->disks.disk[0].layers, 1);
	assert_int_equal(fix->disks.disk[0].bytes, 512);
	vm.disks.disk[0].layers = 2;
	assert_int_equal(disk_fork(&vm, fix->from_fd, &fix->err), 0);
	assert_int_equal(inode(fix->from_fd, "disk0.0"),
			 inode(fix->to_fd, "disk0.0"));
	assert_int_equal(inode(fix->from_fd, DISK_ORIGIN_FILE),
			 inode(fix->to_fd, DISK_ORIGIN_FILE));
	inode(fix->to_fd, "disk0.1");
	assert_int_equal(faccessat(fix->from_fd, "disk0.1", F_OK, 0), -1);
}

static void resumed_as(const struct fixture *fix, unsigned int on_record,
		       int ret, unsigned int layers)
{
	struct vmm_disks disks = fix->disks;
	struct vf_err err;
	struct vm vm = {
		.name = "web",
		.run_fd = fix->from_fd,
		.hardware.engine = &qemu_ops,
	};

	disks.disk[0].layers = on_record;
	assert_int_equal(disk_resume(&vm, &disks, &err), ret);
	if (!ret)
		assert_int_equal(disks.disk[0].layers, layers);
}

/* What a VM writes next is nobody else's, whatever its record knows of. */
static void resumed(void **state)
{
	struct fixture *fix = *state;
	int fd = fix->from_fd;

	resumed_as(fix, 1, 0, 1);
	resumed_as(fix, 2, -EBADMSG, 0);
	/* a snapshot has it now */
	assert_int_equal(linkat(fd, "disk0.0", fix->to_fd, "disk0.0", 0), 0);
	resumed_as(fix, 1, 0, 2);
	inode(fd, "disk0.1");
	/* that layer is its own, and not on record yet */
	resumed_as(fix, 1, 0, 2);
	/* one that was not made to its end: its header comes last */
	assert_int_equal(vf_write_file(fd, "disk0.2", (char[512]){ 0 }, 512,
				       false, &fix->err),
			 0);
	resumed_as(fix, 2, 0, 2);
	assert_int_equal(faccessat(fd, "disk0.2", F_OK, 0), -1);
	/* what cannot be read may be what it wrote last: it stays */
	assert_int_equal(renameat(fd, "disk0.1", fd, "moved"), 0);
	assert_int_equal(symlinkat("moved", fd, "disk0.1"), 0);
	resumed_as(fix, 1, -ELOOP, 0);
	assert_int_equal(faccessat(fd, "disk0.1", F_OK, 0), 0);
	assert_int_equal(renameat(fd, "moved", fd, "disk0.1"), 0);
	resumed_as(fix, 1, 0, 2);
	for (unsigned int i = 2; i < VMM_LAYERS_MAX; i++)
		assert_int_equal(qemu_ops.disk_create(fd, 0, i, NULL,
						      VMM_FORMAT_QCOW2, 512,
						      &fix->err),
				 0);
	resumed_as(fix, 2, 0, VMM_LAYERS_MAX);
	assert_int_equal(linkat(fd, "disk0.63", fix->to_fd, "disk0.63", 0), 0);
	resumed_as(fix, 2, -E2BIG, 0);
}

static void checked(void **state)
{
	const struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	struct fixture *fix = *state;
	int dir_fd = fix->dir.dir_fd;

	assert_int_equal(disk_check(&fix->disks, fix->from_fd, &fix->err), 0);
	assert_int_equal(utimensat(dir_fd, "image", times, 0), 0);
	assert_int_equal(disk_check(&fix->disks, fix->from_fd, &fix->err),
			 -ESTALE);
	assert_int_equal(unlinkat(dir_fd, "image", 0), 0);
	assert_int_equal(disk_check(&fix->disks, fix->from_fd, &fix->err),
			 -ENOENT);
	assert_int_equal(unlinkat(fix->from_fd, DISK_ORIGIN_FILE, 0), 0);
	assert_int_equal(disk_check(&fix->disks, fix->from_fd, &fix->err),
			 -ENOENT);
	/* who has no disks does not need it */
	assert_int_equal(
		disk_check(&(struct vmm_disks){ 0 }, fix->from_fd, &fix->err),
		0);
}

static void recorded(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[1]",
		"[{\"bytes\": 512}]",
		"[{\"bytes\": 0, \"layers\": 1}]",
		"[{\"bytes\": 512, \"layers\": 0}]",
		"[{\"bytes\": 512, \"layers\": 65}]",
		"[{},{},{},{},{}]",
	};
	struct fixture *fix = *state;
	struct vmm_disks disks = { 0 };
	__json json_t *json = disk_pack(&fix->disks);

	assert_int_equal(disk_unpack(&disks, json, &fix->err), 0);
	assert_memory_equal(&disks, &fix->disks, sizeof(disks));
	assert_int_equal(disk_unpack(&disks, NULL, &fix->err), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		__json json_t *wrong = json_loads(bad[i], 0, NULL);

		assert_non_null(wrong);
		assert_int_equal(disk_unpack(&disks, wrong, &fix->err),
				 -EBADMSG);
	}
}

#define disk_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed), disk_test(forked),
		disk_test(resumed),	  disk_test(checked),
		disk_test(recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
