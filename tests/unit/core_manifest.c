// SPDX-License-Identifier: MIT
// time: 60
/* A manifest comes back as it was saved, or it is refused. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "core/manifest.h"
#include "unit/scratch.h"

#define MEMORY_BYTES (3ULL << 30)

struct fixture {
	struct scratch dir;
	struct snapshot saved;
	struct snapshot loaded;
	struct vf_err err;
};

static struct snapshot example(int dir_fd)
{
	struct snapshot s = {
		.name = "ready",
		.dir_fd = dir_fd,
		.source = "src",
		.mode = SNAPSHOT_MODE_FULL,
		.created_s = 1800000000,
		.hardware = {
			.engine = &qemu_ops,
			.config = {
				.machine = "pc-q35-10.0",
				.accel = VMM_ACCEL_TCG,
				.cpus = 2,
				.memory_bytes = MEMORY_BYTES,
				.has_vmclock = true,
			},
			.append = "console=ttyS0 say=\"\\u00e9\"",
			.has_kernel = true,
			.has_initrd = true,
		},
		.image = {
			.machine = "pc-q35-10.0",
			.num_regions = 2,
			.regions = {
				{ 0, 1 << 20, 2ULL << 30 },
				{ 4ULL << 30, (1 << 20) + (2ULL << 30),
				  1ULL << 30 },
			},
		},
		.num_nics = 2,
		.nics = {
			{ "default", { 2, 0xab, 0, 1, 2, 0xff }, 0 },
			{ "b", { 6, 0xff, 0, 9, 0, 1 }, 1400 },
		},
		.mailbox_gpa = 0x12345000,
		.guest_monotonic_ns = 123456789012,
		.monotonic_error_us = 321,
		.quiesced = true,
		.prepare_us = 4321,
		.release_us = 54321,
		.pause_us = 77500,
		.total_us = 110100,
		.dirty_bytes = 86824960,
		.disks = { .num = 1, .disk = { { 1 << 20, 2 } } },
	};

	for (unsigned int i = 0; i < sizeof(s.id); i++)
		s.id[i] = (uint8_t)(17 * i);
	return s;
}

static void write_file(struct fixture *fix, const char *name, const char *text)
{
	assert_int_equal(vf_write_file(fix->saved.dir_fd, name, text,
				       strlen(text), false, &fix->err),
			 0);
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix)
		return -1;
	if (scratch_init(&fix->dir) < 0)
		return -1;
	fix->saved = example(fix->dir.dir_fd);
	write_file(fix, VMM_MEMORY_FILE, "what a guest remembers");
	write_file(fix, VMM_STATE_FILE, "what its devices do");
	write_file(fix, VM_KERNEL_FILE, "kernel");
	write_file(fix, VM_INITRD_FILE, "initrd");
	write_file(fix, DISK_ORIGIN_FILE, "images");
	write_file(fix, "disk0.0", "what is below");
	write_file(fix, "disk0.1", "what its disk has");
	*state = fix;
	return manifest_save(&fix->saved, &fix->err);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	scratch_exit(&fix->dir);
	free(fix);
	return 0;
}

static int load(struct fixture *fix)
{
	fix->loaded = (struct snapshot){ .dir_fd = fix->saved.dir_fd };
	memcpy(fix->loaded.name, fix->saved.name, sizeof(fix->saved.name));
	return manifest_load(&fix->loaded, true, &fix->err);
}

static void check_hardware(const struct vm_hardware *a,
			   const struct vm_hardware *b)
{
	assert_ptr_equal(a->engine, b->engine);
	assert_string_equal(a->config.machine, b->config.machine);
	assert_int_equal(a->config.accel, b->config.accel);
	assert_int_equal(a->config.cpus, b->config.cpus);
	assert_int_equal(a->config.memory_bytes, b->config.memory_bytes);
	assert_int_equal(a->config.has_vmclock, b->config.has_vmclock);
	assert_string_equal(a->append, b->append);
	assert_int_equal(a->has_initrd, b->has_initrd);
}

static void round_trip(void **state)
{
	struct fixture *fix = *state;
	const struct snapshot *a = &fix->saved, *b = &fix->loaded;

	assert_int_equal(load(fix), 0);
	check_hardware(&a->hardware, &b->hardware);
	assert_memory_equal(a->id, b->id, sizeof(a->id));
	assert_string_equal(a->source, b->source);
	assert_int_equal(a->mode, b->mode);
	assert_int_equal(a->created_s, b->created_s);
	assert_string_equal(a->image.machine, b->image.machine);
	assert_int_equal(a->image.num_regions, b->image.num_regions);
	assert_memory_equal(a->image.regions, b->image.regions,
			    sizeof(a->image.regions));
	assert_int_equal(a->num_nics, b->num_nics);
	for (unsigned int k = 0; k < a->num_nics; k++) {
		assert_string_equal(a->nics[k].net_name, b->nics[k].net_name);
		assert_memory_equal(a->nics[k].mac, b->nics[k].mac, 6);
		assert_int_equal(a->nics[k].mtu, b->nics[k].mtu);
	}
	assert_int_equal(a->mailbox_gpa, b->mailbox_gpa);
	assert_int_equal(a->guest_monotonic_ns, b->guest_monotonic_ns);
	assert_int_equal(a->monotonic_error_us, b->monotonic_error_us);
	assert_int_equal(a->quiesced, b->quiesced);
	assert_int_equal(a->prepare_us, b->prepare_us);
	assert_int_equal(a->release_us, b->release_us);
	assert_int_equal(a->pause_us, b->pause_us);
	assert_int_equal(a->total_us, b->total_us);
	assert_int_equal(a->dirty_bytes, b->dirty_bytes);
	assert_memory_equal(&a->disks, &b->disks, sizeof(a->disks));
}

static void each_bit(void **state)
{
	struct fixture *fix = *state;
	__close int fd = openat(fix->saved.dir_fd, SNAPSHOT_MANIFEST_FILE,
				O_RDWR | O_CLOEXEC);
	__free char *text = NULL;
	size_t len;

	assert_int_equal(vf_read_file(fix->saved.dir_fd, SNAPSHOT_MANIFEST_FILE,
				      1 << 20, &text, &len, &fix->err),
			 0);
	for (size_t at = 0; at < len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			char byte = (char)(text[at] ^ (1 << bit));

			assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
			if (load(fix) == 0)
				fail_msg("accepted: bit %d of byte %zu: %.40s",
					 bit, at, text + at);
		}
		assert_int_equal(pwrite(fd, text + at, 1, (off_t)at), 1);
	}
	assert_int_equal(load(fix), 0);
}

static void cut(void **state)
{
	struct fixture *fix = *state;
	__close int fd = openat(fix->saved.dir_fd, SNAPSHOT_MANIFEST_FILE,
				O_RDWR | O_CLOEXEC);
	struct stat st;
	off_t brace;

	assert_int_equal(fstat(fd, &st), 0);
	/* behind the last brace there may be a newline, which says nothing */
	for (brace = st.st_size; brace-- > 0;) {
		char byte;

		assert_int_equal(pread(fd, &byte, 1, brace), 1);
		if (byte == '}')
			break;
	}
	for (off_t len = brace; len >= 0; len--) {
		assert_int_equal(ftruncate(fd, len), 0);
		assert_true(load(fix) < 0);
	}
}

/* The files that it speaks of: their sizes, their kind, whether they are. */
static void files(void **state)
{
	static const char *const names[] = { VMM_MEMORY_FILE,  VMM_STATE_FILE,
					     VM_KERNEL_FILE,   VM_INITRD_FILE,
					     DISK_ORIGIN_FILE, "disk0.0",
					     "disk0.1" };
	struct fixture *fix = *state;
	int dir_fd = fix->saved.dir_fd;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(renameat(dir_fd, names[i], dir_fd, "aside"),
				 0);
		assert_int_equal(load(fix), -ENOENT);
		assert_int_equal(symlinkat("aside", dir_fd, names[i]), 0);
		assert_int_equal(load(fix), -EBADMSG);
		assert_int_equal(unlinkat(dir_fd, names[i], 0), 0);
		write_file(fix, names[i], "short");
		assert_int_equal(load(fix), -EBADMSG);
		assert_non_null(strstr(fix->err.msg, names[i]));
		assert_int_equal(renameat(dir_fd, "aside", dir_fd, names[i]),
				 0);
		assert_int_equal(load(fix), 0);
	}
	unlinkat(dir_fd, SNAPSHOT_MANIFEST_FILE, 0);
	assert_int_equal(load(fix), -ENOENT);
}

/* A layer has no memory of its own, and names what it builds on. */
static void layer(void **state)
{
	struct fixture *fix = *state;
	int dir_fd = fix->saved.dir_fd;

	fix->saved.mode = SNAPSHOT_MODE_DIFF;
	snprintf(fix->saved.parent, sizeof(fix->saved.parent), "below");
	memset(fix->saved.parent_id, 0x5a, sizeof(fix->saved.parent_id));
	assert_int_equal(unlinkat(dir_fd, VMM_MEMORY_FILE, 0), 0);
	write_file(fix, SNAPSHOT_LAYER_FILE, "what is different");
	assert_int_equal(manifest_save(&fix->saved, &fix->err), 0);
	/* nothing says which pages it has */
	assert_int_equal(load(fix), -ENOENT);
	write_file(fix, SNAPSHOT_INDEX_FILE, "and where");
	assert_int_equal(manifest_save(&fix->saved, &fix->err), 0);
	assert_int_equal(load(fix), 0);
	assert_int_equal(fix->loaded.mode, SNAPSHOT_MODE_DIFF);
	assert_string_equal(fix->loaded.parent, "below");
	assert_memory_equal(fix->loaded.parent_id, fix->saved.parent_id,
			    sizeof(fix->saved.parent_id));
	assert_int_equal(unlinkat(dir_fd, SNAPSHOT_LAYER_FILE, 0), 0);
	assert_int_equal(load(fix), -ENOENT);
}

#define manifest_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		manifest_test(round_trip), manifest_test(each_bit),
		manifest_test(cut),	   manifest_test(files),
		manifest_test(layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
