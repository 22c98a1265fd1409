// SPDX-License-Identifier: MIT
// time: 60
/*
 * A mapped-ram file made by hand, and the loadable state that is made of it: to
 * the byte. Then the same file cut at each offset and with each bit of its
 * records flipped: an error or a sane result, and no access beyond a buffer.
 */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/migration.h"

#define PAGE	   4096
#define MACHINE	   "pc-q35-10.0"
#define RAM_ID	   2
#define MAIN_PAGES 3
#define BIOS_PAGES 2
#define ACPI_PAGES 1
#define DEVICES	   "\x04 what devices say \x7e"

/* A stretch of bytes under construction. */
struct text {
	FILE *file;
	char *buf;
	size_t len;
};

struct fixture {
	struct text image;
	size_t main_offset;
	size_t devices_offset;
	int image_fd;
	int state_fd;
	struct migration_layout layout;
	struct vf_err err;
};

static void put8(struct text *t, uint8_t v)
{
	fputc(v, t->file);
}

static void put32(struct text *t, uint32_t v)
{
	v = htobe32(v);
	fwrite(&v, sizeof(v), 1, t->file);
}

static void put64(struct text *t, uint64_t v)
{
	v = htobe64(v);
	fwrite(&v, sizeof(v), 1, t->file);
}

static void put_name(struct text *t, const char *name)
{
	put8(t, (uint8_t)strlen(name));
	fputs(name, t->file);
}

static void put_page(struct text *t, char fill)
{
	char page[PAGE];

	memset(page, fill, sizeof(page));
	fwrite(page, sizeof(page), 1, t->file);
}

static void put_configuration(struct text *t)
{
	fputs("QEVM", t->file);
	put32(t, 3);
	put8(t, 0x07);
	put32(t, strlen(MACHINE));
	fputs(MACHINE, t->file);
}

static void put_ram_start_id(struct text *t, uint32_t id, uint64_t bytes)
{
	put8(t, 0x01);
	put32(t, id);
	put_name(t, "ram");
	put32(t, 0);
	put32(t, 4);
	put64(t, bytes | 0x04);
}

static void put_ram_start(struct text *t, uint64_t bytes)
{
	put_ram_start_id(t, RAM_ID, bytes);
}

static void put_ram_end_id(struct text *t, uint32_t id)
{
	put64(t, 0x10);
	put8(t, 0x7e);
	put32(t, id);
}

static void put_ram_end(struct text *t)
{
	put_ram_end_id(t, RAM_ID);
}

/* A block's record, and its pages at the next page boundary but one. */
static size_t put_block(struct text *t, const char *name, int pages, char fill)
{
	size_t offset;

	put_name(t, name);
	put64(t, (uint64_t)pages * PAGE);
	put32(t, 1);
	put64(t, PAGE);
	fflush(t->file);
	offset = (t->len + 2 * PAGE) / PAGE * PAGE;
	put64(t, t->len + 16);
	put64(t, offset);
	fflush(t->file);
	while (t->len < offset) {
		put8(t, 0);
		fflush(t->file);
	}
	for (int i = 0; i < pages; i++)
		put_page(t, (char)(fill + i));
	return offset;
}

static void make_image(struct fixture *fix)
{
	struct text *t = &fix->image;

	t->file = open_memstream(&t->buf, &t->len);
	put_configuration(t);
	put8(t, 0x05);
	put_name(t, "configuration/capabilities");
	put32(t, 1);
	put32(t, 1);
	put_name(t, "mapped-ram");
	put_ram_start(t, (MAIN_PAGES + BIOS_PAGES + ACPI_PAGES) * PAGE);
	fix->main_offset = put_block(t, "ram0", MAIN_PAGES, 'a');
	put_block(t, "pc.bios", BIOS_PAGES, 'k');
	put_block(t, "acpi", ACPI_PAGES, 't');
	put_ram_end(t);
	put8(t, 0x02);
	put32(t, RAM_ID);
	put_ram_end(t);
	put8(t, 0x03);
	put32(t, RAM_ID);
	put_ram_end(t);
	fflush(t->file);
	fix->devices_offset = t->len;
	fputs(DEVICES, t->file);
	fclose(t->file);
}

static void make_expected(struct text *t, uint32_t ram_id)
{
	t->file = open_memstream(&t->buf, &t->len);
	put_configuration(t);
	put_ram_start_id(t, ram_id, (BIOS_PAGES + ACPI_PAGES) * PAGE);
	put_name(t, "pc.bios");
	put64(t, BIOS_PAGES * PAGE);
	put_name(t, "acpi");
	put64(t, ACPI_PAGES * PAGE);
	put_ram_end_id(t, ram_id);
	put8(t, 0x03);
	put32(t, ram_id);
	put64(t, 0 | 0x08);
	put_name(t, "pc.bios");
	put_page(t, 'k');
	put64(t, PAGE | 0x08 | 0x20);
	put_page(t, 'l');
	put64(t, 0 | 0x08);
	put_name(t, "acpi");
	put_page(t, 't');
	put_ram_end_id(t, ram_id);
	fputs(DEVICES, t->file);
	fclose(t->file);
}

static int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix)
		return -1;
	make_image(fix);
	fix->image_fd = memfd_create("image", MFD_CLOEXEC);
	fix->state_fd = memfd_create("state", MFD_CLOEXEC);
	*state = fix;
	return vf_write_all(fix->image_fd, fix->image.buf, fix->image.len);
}

static int teardown(void **state)
{
	struct fixture *fix = *state;

	close(fix->image_fd);
	close(fix->state_fd);
	free(fix->image.buf);
	free(fix);
	return 0;
}

static int split(struct fixture *fix)
{
	assert_int_equal(ftruncate(fix->state_fd, 0), 0);
	assert_int_equal(lseek(fix->state_fd, 0, SEEK_SET), 0);
	return migration_split(fix->image_fd, fix->state_fd, "ram0",
			       &fix->layout, &fix->err);
}

static void exact(void **state)
{
	struct fixture *fix = *state;
	struct text expected = { 0 };
	__free char *got = NULL;

	make_expected(&expected, RAM_ID);
	got = calloc(1, expected.len + 1);
	assert_int_equal(split(fix), 0);
	assert_string_equal(fix->layout.machine, MACHINE);
	assert_int_equal(fix->layout.ram_offset, fix->main_offset);
	assert_int_equal(fix->layout.ram_bytes, MAIN_PAGES * PAGE);
	assert_int_equal(pread(fix->state_fd, got, expected.len + 1, 0),
			 expected.len);
	assert_memory_equal(got, expected.buf, expected.len);
	free(expected.buf);
}

/* The same of devices that were saved without any memory, to the byte. */
static void joined(void **state)
{
	struct fixture *fix = *state;
	__close int devices_fd = memfd_create("devices", MFD_CLOEXEC);
	struct migration_block blocks[2] = {
		{ .name = "pc.bios", .bytes = BIOS_PAGES * PAGE },
		{ .name = "acpi", .bytes = ACPI_PAGES * PAGE },
	};
	static const char devices[] = "QEVM\0\0\0\3" DEVICES;
	struct text expected = { 0 };
	__free char *got = NULL;

	blocks[0].data = calloc(1, blocks[0].bytes);
	memset(blocks[0].data, 'k', PAGE);
	memset(blocks[0].data + PAGE, 'l', PAGE);
	blocks[1].data = calloc(1, blocks[1].bytes);
	memset(blocks[1].data, 't', PAGE);
	assert_int_equal(vf_write_all(devices_fd, devices, sizeof(devices) - 1),
			 0);
	assert_int_equal(migration_join(devices_fd, fix->state_fd, MACHINE,
					blocks, 2, &fix->err),
			 0);
	make_expected(&expected, 0x00ffffff);
	got = calloc(1, expected.len + 1);
	assert_int_equal(pread(fix->state_fd, got, expected.len + 1, 0),
			 expected.len);
	assert_memory_equal(got, expected.buf, expected.len);
	for (off_t len = sizeof(devices) - 2; len >= 0; len--) {
		assert_int_equal(ftruncate(devices_fd, len), 0);
		if (len <= 8)
			assert_in_set(-migration_join(devices_fd, fix->state_fd,
						      MACHINE, blocks, 2,
						      &fix->err),
				      ((uintmax_t[]){ ENODATA, EBADMSG }), 2);
	}
	migration_blocks_exit(blocks, 2);
	free(expected.buf);
}

static void no_main_block(void **state)
{
	struct fixture *fix = *state;

	assert_int_equal(migration_split(fix->image_fd, fix->state_fd, "ram1",
					 &fix->layout, &fix->err),
			 -EBADMSG);
}

/* Devices have no end that could be told; all before them has to be there. */
static void cut(void **state)
{
	struct fixture *fix = *state;

	for (size_t len = fix->image.len; len-- > 0;) {
		assert_int_equal(ftruncate(fix->image_fd, (off_t)len), 0);
		if (len > fix->devices_offset)
			assert_int_equal(split(fix), 0);
		else
			assert_in_set(-split(fix),
				      ((uintmax_t[]){ ENODATA, EBADMSG }), 2);
	}
}

/* Is a byte part of a record, and not what fills a page? */
static bool is_record(const struct fixture *fix, size_t at)
{
	const char *buf = fix->image.buf;

	return at < 16 || memcmp(buf + at - 16, buf + at, 16) != 0;
}

static void flip(struct fixture *fix, size_t at, uint8_t bits)
{
	uint8_t byte = (uint8_t)fix->image.buf[at] ^ bits;

	assert_int_equal(pwrite(fix->image_fd, &byte, 1, (off_t)at), 1);
	if (split(fix) == 0) {
		assert_true(fix->layout.ram_bytes > 0);
		assert_true(fix->layout.ram_offset + fix->layout.ram_bytes <=
			    fix->image.len);
	} else {
		assert_in_set(fix->err.num, ((uintmax_t[]){ ENODATA, EBADMSG }),
			      2);
	}
	byte ^= bits;
	assert_int_equal(pwrite(fix->image_fd, &byte, 1, (off_t)at), 1);
}

static void flips(void **state)
{
	struct fixture *fix = *state;
	unsigned int records = 0;

	for (size_t at = 0; at + 16 < fix->devices_offset; at++) {
		if (!is_record(fix, at))
			continue;
		records++;
		for (int bit = 0; bit < 8; bit++)
			flip(fix, at, (uint8_t)(1 << bit));
		flip(fix, at, 0xff);
	}
	assert_true(records > 150);
	assert_int_equal(split(fix), 0);
}

#define migration_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		migration_test(exact),	       migration_test(joined),
		migration_test(no_main_block), migration_test(cut),
		migration_test(flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
