// SPDX-License-Identifier: MIT
/* Layers that are made, and images of others that are looked at. */
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
#include "unit/scratch.h"
#include "vmm/qcow2.h"

#define BELOW "/images/below"

struct fixture {
	struct scratch dir;
	struct vf_err err;
};

static int setup(void **state)
{
	static struct fixture fix;

	*state = &fix;
	return scratch_init(&fix.dir);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	return scratch_exit(&fix->dir);
}

static int probe(struct fixture *fix, const char *name, enum vmm_format *format,
		 uint64_t *bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", fix->dir.path, name);
	fix->err = (struct vf_err){ 0 };
	return qcow2_probe(path, format, bytes, &fix->err);
}

static int probe_as(struct fixture *fix, const char *name,
		    enum vmm_format format)
{
	uint64_t bytes;

	return probe(fix, name, &format, &bytes);
}

static void put(struct fixture *fix, const char *name, const void *buf,
		size_t len, off_t size)
{
	__close int fd = openat(fix->dir.dir_fd, name,
				O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(pwrite(fd, buf, len, 0), len);
	assert_int_equal(ftruncate(fd, size), 0);
}

/* It has the size that it was given, up to the largest. */
static void made(void **state)
{
	static const uint64_t sizes[] = { 512, 512 << 20, (512 << 20) + 512,
					  1ULL << 45 };
	struct fixture *fix = *state;
	const struct qcow2_backing backing = { BELOW, VMM_FORMAT_RAW };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		enum vmm_format format = VMM_FORMAT_QCOW2;
		uint64_t bytes = 0;
		char text[256] = "";
		struct stat st;
		__close int fd = -1;

		assert_int_equal(qcow2_create(fix->dir.dir_fd, "layer",
					      &backing, sizes[i], &fix->err),
				 0);
		assert_int_equal(qcow2_create(fix->dir.dir_fd, "layer",
					      &backing, sizes[i], &fix->err),
				 -EEXIST);
		assert_int_equal(probe(fix, "layer", &format, &bytes), 0);
		assert_int_equal(bytes, sizes[i]);
		fd = openat(fix->dir.dir_fd, "layer", O_RDONLY | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		/* whole clusters, of which few are there */
		assert_int_equal(st.st_size % 65536, 0);
		assert_true(st.st_blocks * 512 <= 65536 * 4);
		assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 255);
		assert_memory_equal(text + 112, "raw", 4);
		assert_string_equal(text + 128, BELOW);
		unlinkat(fix->dir.dir_fd, "layer", 0);
	}
}

static void long_name(void **state)
{
	struct fixture *fix = *state;
	char name[QCOW2_BACKING_MAX + 2];
	const struct qcow2_backing backing = { name, VMM_FORMAT_QCOW2 };

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(qcow2_create(fix->dir.dir_fd, "layer", &backing, 512,
				      &fix->err),
			 -ENAMETOOLONG);
	assert_int_equal(faccessat(fix->dir.dir_fd, "layer", F_OK, 0), -1);
	name[QCOW2_BACKING_MAX] = '\0';
	assert_int_equal(qcow2_create(fix->dir.dir_fd, "layer", &backing, 512,
				      &fix->err),
			 0);
}

static void looked_at(void **state)
{
	struct fixture *fix = *state;
	enum vmm_format format = VMM_FORMAT_DETECT;
	uint64_t bytes;

	put(fix, "raw", "anything", 8, 1024);
	assert_int_equal(probe(fix, "raw", &format, &bytes), 0);
	assert_int_equal(format, VMM_FORMAT_RAW);
	assert_int_equal(bytes, 1024);
	assert_int_equal(probe_as(fix, "raw", VMM_FORMAT_QCOW2), -EINVAL);
	assert_int_equal(probe_as(fix, "none", VMM_FORMAT_DETECT), -ENOENT);
	assert_int_equal(probe_as(fix, ".", VMM_FORMAT_DETECT), -EINVAL);
	put(fix, "empty", "", 0, 0);
	assert_int_equal(probe_as(fix, "empty", VMM_FORMAT_DETECT), -EINVAL);
	put(fix, "odd", "", 0, 513);
	assert_int_equal(probe_as(fix, "odd", VMM_FORMAT_DETECT), -EINVAL);
	put(fix, "other", "KDMV", 4, 1024);
	assert_int_equal(probe_as(fix, "other", VMM_FORMAT_DETECT), -EINVAL);
	assert_int_equal(probe_as(fix, "other", VMM_FORMAT_RAW), 0);
}

/* A header that a guest wrote into its raw disk leads nowhere. */
static void trap(void **state)
{
	const struct qcow2_backing backing = { "/etc/shadow", VMM_FORMAT_RAW };
	struct fixture *fix = *state;
	enum vmm_format format = VMM_FORMAT_DETECT;
	uint8_t external[104] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
	uint64_t bytes;

	assert_int_equal(qcow2_create(fix->dir.dir_fd, "trap", &backing, 1024,
				      &fix->err),
			 0);
	assert_int_equal(probe(fix, "trap", &format, &bytes), -EPERM);
	assert_int_equal(probe_as(fix, "trap", VMM_FORMAT_QCOW2), 0);
	format = VMM_FORMAT_RAW;
	assert_int_equal(probe(fix, "trap", &format, &bytes), 0);
	assert_int_equal(bytes % 65536, 0);
	/* incompatible feature 2: data in a file of its own; size 512 */
	external[79] = 4;
	external[30] = 2;
	put(fix, "external", external, sizeof(external), 1024);
	assert_int_equal(probe_as(fix, "external", VMM_FORMAT_DETECT), -EPERM);
	external[79] = 0;
	put(fix, "external", external, sizeof(external), 1024);
	assert_int_equal(probe_as(fix, "external", VMM_FORMAT_DETECT), 0);
	external[7] = 9;
	put(fix, "external", external, sizeof(external), 1024);
	assert_int_equal(probe_as(fix, "external", VMM_FORMAT_QCOW2), -EINVAL);
}

/* Locks as QEMU takes them: of another open file, if of the same process. */
static void in_use(void **state)
{
	struct fixture *fix = *state;
	struct flock lock = { .l_type = F_RDLCK, .l_start = 101, .l_len = 1 };
	__close int fd = -1;

	put(fix, "used", "", 0, 1024);
	fd = openat(fix->dir.dir_fd, "used", O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(probe_as(fix, "used", VMM_FORMAT_DETECT), -EBUSY);
	lock.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(probe_as(fix, "used", VMM_FORMAT_DETECT), 0);
}

#define qcow2_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		qcow2_test(made), qcow2_test(long_name), qcow2_test(looked_at),
		qcow2_test(trap), qcow2_test(in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
