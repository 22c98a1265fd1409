// SPDX-License-Identifier: MIT
/*
 * Source: UEFI specification, 5.2 (MBR) and 5.3 (GPT). Only where partitions begin
 * is of interest; all is hostile, and nothing is believed that is not within the
 * image.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "bake/partition.h"
#include "base/io.h"

#define SECTOR	       512
#define MBR_SIGNATURE  510
#define MBR_ENTRIES    446
#define MBR_ENTRY_LEN  16
#define MBR_ENTRY_LBA  8
#define MBR_ENTRY_TYPE 4
#define MBR_NUM	       4
#define MBR_PROTECTIVE 0xee
#define GPT_MAGIC      "EFI PART"
#define GPT_LBA	       72 /* of the entries */
#define GPT_NUM	       80
#define GPT_ENTRY_LEN  84
#define GPT_ENTRY_LBA  32
#define GPT_LEN_MAX    4096

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* Return: how many there are with it */
static int add(off_t *offsets, int num, uint64_t lba, off_t size)
{
	if (!lba || lba >= (uint64_t)size / SECTOR)
		return num;
	offsets[num] = (off_t)(lba * SECTOR);
	return num + 1;
}

static int gpt_list(int fd, off_t size, const uint8_t *header, off_t *offsets)
{
	uint64_t lba = get64(header + GPT_LBA);
	uint32_t count = get32(header + GPT_NUM);
	uint32_t len = get32(header + GPT_ENTRY_LEN);
	uint8_t entry[GPT_ENTRY_LBA + 8];
	static const uint8_t unused[16];
	int num = 0;

	if (lba >= (uint64_t)size / SECTOR || len < 128 || len > GPT_LEN_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < count && i < PARTITIONS_MAX; i++) {
		int ret = vf_pread_all(fd, entry, sizeof(entry),
				       (off_t)(lba * SECTOR) + (off_t)i * len);

		if (ret < 0)
			return ret;
		if (memcmp(entry, unused, sizeof(unused)) != 0)
			num = add(offsets, num, get64(entry + GPT_ENTRY_LBA),
				  size);
	}
	return num;
}

int partition_list(int fd, off_t size, off_t *offsets)
{
	uint8_t sectors[2 * SECTOR];
	int ret, num = 0;

	if (size < (off_t)sizeof(sectors))
		return 0;
	ret = vf_pread_all(fd, sectors, sizeof(sectors), 0);
	if (ret < 0)
		return ret;
	if (sectors[MBR_SIGNATURE] != 0x55 ||
	    sectors[MBR_SIGNATURE + 1] != 0xaa)
		return 0;
	if (!memcmp(sectors + SECTOR, GPT_MAGIC, strlen(GPT_MAGIC)))
		return gpt_list(fd, size, sectors + SECTOR, offsets);
	for (int i = 0; i < MBR_NUM; i++) {
		const uint8_t *entry =
			sectors + MBR_ENTRIES + i * MBR_ENTRY_LEN;

		if (entry[MBR_ENTRY_TYPE] &&
		    entry[MBR_ENTRY_TYPE] != MBR_PROTECTIVE)
			num = add(offsets, num, get32(entry + MBR_ENTRY_LBA),
				  size);
	}
	return num;
}
