// SPDX-License-Identifier: MIT
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/migration.h"

#define FILE_MAGIC   "QEVM"
#define FILE_VERSION 3

/* section types: migration/savevm.h */
#define SECTION_START	      0x01
#define SECTION_PART	      0x02
#define SECTION_END	      0x03
#define SECTION_FULL	      0x04
#define SECTION_SUBSECTION    0x05
#define SECTION_CONFIGURATION 0x07
#define SECTION_COMMAND	      0x08
#define SECTION_FOOTER	      0x7e

/* flags in the low bits of a RAM record's address: migration/ram.c */
#define RAM_FLAGS    0xfff
#define RAM_MEM_SIZE 0x04
#define RAM_PAGE     0x08
#define RAM_EOS	     0x10
#define RAM_CONTINUE 0x20

#define RAM_SECTION  "ram"
#define RAM_VERSION  4
#define PAGE_BYTES   4096
#define DEVICE_BYTES (64 << 20)

struct ram_block {
	char name[MIGRATION_NAME_SIZE];
	uint64_t bytes;
	uint64_t pages_offset;
};

/* id of the RAM section where QEMU gave none; it gives small ones */
#define RAM_OWN_ID 0x00ffffff

/* A position in the file that is read; the first failure sticks. */
struct reader {
	int fd;
	uint64_t pos;
	int error;
};

static void read_bytes(struct reader *r, void *buf, size_t len)
{
	if (!r->error)
		r->error = vf_pread_all(r->fd, buf, len, (off_t)r->pos);
	if (r->error)
		memset(buf, 0, len);
	r->pos += len;
}

static uint8_t read_u8(struct reader *r)
{
	uint8_t v;

	read_bytes(r, &v, sizeof(v));
	return v;
}

static uint32_t read_u32(struct reader *r)
{
	uint32_t v;

	read_bytes(r, &v, sizeof(v));
	return be32toh(v);
}

static uint64_t read_u64(struct reader *r)
{
	uint64_t v;

	read_bytes(r, &v, sizeof(v));
	return be64toh(v);
}

/* A string with its length in one byte. */
static void read_name(struct reader *r, char name[MIGRATION_NAME_SIZE])
{
	uint8_t len = read_u8(r);

	read_bytes(r, name, len);
	name[len] = '\0';
}

static void expect(struct reader *r, bool ok)
{
	if (!ok && !r->error)
		r->error = -EBADMSG;
}

static void put_u8(FILE *out, uint8_t v)
{
	fputc(v, out);
}

static void put_u32(FILE *out, uint32_t v)
{
	v = htobe32(v);
	fwrite(&v, sizeof(v), 1, out);
}

static void put_u64(FILE *out, uint64_t v)
{
	v = htobe64(v);
	fwrite(&v, sizeof(v), 1, out);
}

static void put_name(FILE *out, const char *name)
{
	put_u8(out, (uint8_t)strlen(name));
	fputs(name, out);
}

/*
 * Read the file's head up to the RAM section and return that section's id. The
 * configuration's subsections (capabilities) are dropped: the fork is loaded
 * without mapped-ram.
 */
static uint32_t head_read(struct reader *r, struct migration_layout *layout)
{
	char magic[4], name[MIGRATION_NAME_SIZE];
	uint32_t len, count, id;
	uint8_t type;

	read_bytes(r, magic, sizeof(magic));
	expect(r, !memcmp(magic, FILE_MAGIC, sizeof(magic)));
	expect(r, read_u32(r) == FILE_VERSION);
	expect(r, read_u8(r) == SECTION_CONFIGURATION);
	len = read_u32(r);
	expect(r, len < sizeof(layout->machine));
	if (r->error)
		return 0;
	read_bytes(r, layout->machine, len);
	layout->machine[len] = '\0';

	for (type = read_u8(r); type == SECTION_SUBSECTION; type = read_u8(r)) {
		read_name(r, name);
		expect(r, !strcmp(name, "configuration/capabilities"));
		expect(r, read_u32(r) == 1);
		count = read_u32(r);
		for (uint32_t i = 0; i < count && !r->error; i++)
			read_name(r, name);
	}
	expect(r, type == SECTION_START);
	id = read_u32(r);
	read_name(r, name);
	expect(r, !strcmp(name, RAM_SECTION));
	expect(r, read_u32(r) == 0); /* instance */
	expect(r, read_u32(r) == RAM_VERSION);
	return id;
}

/* Read the list of RAM blocks, with where their pages stand. */
static unsigned int blocks_read(struct reader *r,
				struct ram_block blocks[MIGRATION_BLOCKS])
{
	uint64_t word = read_u64(r), left = word & ~(uint64_t)RAM_FLAGS;
	unsigned int num = 0;

	expect(r, (word & RAM_FLAGS) == RAM_MEM_SIZE);
	while (left && !r->error) {
		struct ram_block *b = &blocks[num];

		expect(r, num < MIGRATION_BLOCKS);
		if (r->error)
			break;
		read_name(r, b->name);
		b->bytes = read_u64(r);
		expect(r, read_u32(r) == 1); /* mapped-ram header version */
		expect(r, read_u64(r) == PAGE_BYTES);
		read_u64(r); /* where the bitmap of written pages stands */
		b->pages_offset = read_u64(r);
		expect(r, b->bytes <= left && b->bytes % PAGE_BYTES == 0 &&
				  b->pages_offset % PAGE_BYTES == 0 &&
				  b->pages_offset > r->pos &&
				  b->pages_offset < INT64_MAX - b->bytes);
		left -= b->bytes;
		/* the next record follows the pages */
		r->pos = b->pages_offset + b->bytes;
		num++;
	}
	return num;
}

static void ram_body_skip(struct reader *r, uint32_t id)
{
	expect(r, (read_u64(r) & RAM_FLAGS) == RAM_EOS);
	expect(r, read_u8(r) == SECTION_FOOTER);
	expect(r, read_u32(r) == id);
}

/* Skip what remains of RAM; afterwards the reader stands at the devices. */
static void ram_skip(struct reader *r, uint32_t id)
{
	uint8_t type;

	ram_body_skip(r, id);
	for (;;) {
		type = read_u8(r);
		if (r->error || (type != SECTION_PART && type != SECTION_END))
			break;
		expect(r, read_u32(r) == id);
		ram_body_skip(r, id);
	}
	expect(r, type == SECTION_FULL || type == SECTION_COMMAND);
	r->pos--;
}

static void put_head(FILE *out, const char *machine)
{
	fputs(FILE_MAGIC, out);
	put_u32(out, FILE_VERSION);
	put_u8(out, SECTION_CONFIGURATION);
	put_u32(out, (uint32_t)strlen(machine));
	fputs(machine, out);
}

static void put_section_end(FILE *out, uint32_t id)
{
	put_u64(out, RAM_EOS);
	put_u8(out, SECTION_FOOTER);
	put_u32(out, id);
}

static void put_pages(FILE *out, const struct migration_block *b)
{
	for (uint64_t at = 0; at < b->bytes; at += PAGE_BYTES) {
		put_u64(out, at | RAM_PAGE | (at ? RAM_CONTINUE : 0));
		if (!at)
			put_name(out, b->name);
		fwrite(b->data + at, PAGE_BYTES, 1, out);
	}
}

/* A RAM section that knows and holds the small blocks only. */
static void put_small_blocks(FILE *out, uint32_t id,
			     const struct migration_block *blocks,
			     unsigned int num)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < num; i++)
		total += blocks[i].bytes;

	put_u8(out, SECTION_START);
	put_u32(out, id);
	put_name(out, RAM_SECTION);
	put_u32(out, 0);
	put_u32(out, RAM_VERSION);
	put_u64(out, total | RAM_MEM_SIZE);
	for (unsigned int i = 0; i < num; i++) {
		put_name(out, blocks[i].name);
		put_u64(out, blocks[i].bytes);
	}
	put_section_end(out, id);

	put_u8(out, SECTION_END);
	put_u32(out, id);
	for (unsigned int i = 0; i < num; i++)
		put_pages(out, &blocks[i]);
	put_section_end(out, id);
}

static void main_block_note(struct reader *r, const struct ram_block *blocks,
			    unsigned int num, const char *main_block,
			    struct migration_layout *layout)
{
	for (unsigned int i = 0; i < num; i++) {
		if (strcmp(blocks[i].name, main_block) != 0)
			continue;
		layout->ram_offset = blocks[i].pages_offset;
		layout->ram_bytes = blocks[i].bytes;
	}
	expect(r, layout->ram_bytes > 0);
}

/* Read all blocks but the main one. */
static unsigned int small_blocks_read(struct reader *r,
				      const struct ram_block *blocks,
				      unsigned int num, const char *main_block,
				      struct migration_block *small)
{
	unsigned int num_small = 0;
	uint64_t total = 0;

	for (unsigned int i = 0; i < num; i++) {
		const struct ram_block *b = &blocks[i];
		struct migration_block *to = &small[num_small];

		if (!strcmp(b->name, main_block))
			continue;
		total += b->bytes;
		expect(r, total <= MIGRATION_SMALL_BYTES);
		if (r->error || !b->bytes)
			continue;
		snprintf(to->name, sizeof(to->name), "%s", b->name);
		to->bytes = b->bytes;
		to->data = malloc(b->bytes);
		if (!to->data) {
			r->error = -ENOMEM;
			break;
		}
		r->pos = b->pages_offset;
		read_bytes(r, to->data, b->bytes);
		num_small++;
	}
	return num_small;
}

static void put_devices(FILE *out, struct reader *r, uint64_t file_bytes)
{
	uint64_t left = file_bytes - r->pos;
	uint8_t buf[PAGE_BYTES];

	expect(r, r->pos < file_bytes && left <= DEVICE_BYTES);
	while (left && !r->error) {
		size_t n = left < sizeof(buf) ? left : sizeof(buf);

		read_bytes(r, buf, n);
		fwrite(buf, n, 1, out);
		left -= n;
	}
}

static FILE *open_state(int state_fd)
{
	__close int fd = fcntl(state_fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (out)
		vf_steal_fd(&fd);
	return out;
}

static int check_read(const struct reader *r, const char *what,
		      struct vf_err *err)
{
	if (r->error)
		return vf_err_set(err, -r->error,
				  "%s: not as QEMU writes it, at byte %llu",
				  what, (unsigned long long)r->pos);
	return 0;
}

static int finish_state(FILE *out, const struct reader *r, const char *what,
			struct vf_err *err)
{
	int ret = check_read(r, what, err);

	if (ret < 0)
		return ret;
	if (fflush(out) || ferror(out))
		return vf_err_errno(err, errno, "device state");
	return 0;
}

void migration_blocks_exit(struct migration_block *blocks, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		free(vf_steal(&blocks[i].data));
}

int migration_place(int image_fd, const char *main_block,
		    struct migration_layout *layout, struct vf_err *err)
{
	__free struct ram_block *blocks =
		calloc(MIGRATION_BLOCKS, sizeof(*blocks));
	struct reader r = { .fd = image_fd };
	unsigned int num;

	if (!blocks)
		return vf_err_errno(err, ENOMEM, "memory image");
	*layout = (struct migration_layout){ 0 };
	head_read(&r, layout);
	num = blocks_read(&r, blocks);
	main_block_note(&r, blocks, num, main_block, layout);
	return check_read(&r, "memory image", err);
}

int migration_split(int image_fd, int state_fd, const char *main_block,
		    struct migration_layout *layout, struct vf_err *err)
{
	__free struct ram_block *blocks =
		calloc(MIGRATION_BLOCKS, sizeof(*blocks));
	struct migration_block small[MIGRATION_BLOCKS] = { 0 };
	struct reader r = { .fd = image_fd };
	__fclose FILE *out = open_state(state_fd);
	unsigned int num;
	uint64_t devices;
	struct stat st;
	uint32_t id;

	if (!blocks || !out || fstat(image_fd, &st) < 0)
		return vf_err_errno(err, errno, "device state");

	*layout = (struct migration_layout){ 0 };
	id = head_read(&r, layout);
	num = blocks_read(&r, blocks);
	ram_skip(&r, id);
	devices = r.pos;
	main_block_note(&r, blocks, num, main_block, layout);
	num = small_blocks_read(&r, blocks, num, main_block, small);
	if (!r.error) {
		put_head(out, layout->machine);
		put_small_blocks(out, id, small, num);
		r.pos = devices;
		put_devices(out, &r, (uint64_t)st.st_size);
	}
	migration_blocks_exit(small, num);
	return finish_state(out, &r, "memory image", err);
}

int migration_join(int devices_fd, int state_fd, const char *machine,
		   const struct migration_block *blocks, unsigned int num,
		   struct vf_err *err)
{
	struct reader r = { .fd = devices_fd };
	__fclose FILE *out = open_state(state_fd);
	char magic[4];
	struct stat st;

	if (!out || fstat(devices_fd, &st) < 0)
		return vf_err_errno(err, errno, "device state");
	read_bytes(&r, magic, sizeof(magic));
	expect(&r, !memcmp(magic, FILE_MAGIC, sizeof(magic)));
	expect(&r, read_u32(&r) == FILE_VERSION);
	expect(&r, read_u8(&r) == SECTION_FULL);
	r.pos--;
	if (!r.error) {
		put_head(out, machine);
		put_small_blocks(out, RAM_OWN_ID, blocks, num);
		put_devices(out, &r, (uint64_t)st.st_size);
	}
	return finish_state(out, &r, "device state", err);
}
