// SPDX-License-Identifier: MIT
// time: 600
/*
 * The partitions of a stranger's disk: the first bytes are put into its MBR and
 * its GPT's header, the rest are entries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bake/partition.h"
#include "base/cleanup.h"
#include "base/io.h"

#define SECTOR 512
#define SIZE   (64 * SECTOR)
#define HEAD   40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t disk[SIZE];

static void make(const uint8_t *data, size_t size)
{
	memset(disk, 0, sizeof(disk));
	memcpy(disk + 510, "\x55\xaa", 2);
	if (size < HEAD) {
		memcpy(disk + 446, data, size);
		return;
	}
	if (data[0] & 1)
		memcpy(disk + SECTOR, "EFI PART", 8);
	memcpy(disk + SECTOR + 72, data + 1, 16);
	memcpy(disk + 446 + 4, data + 17, HEAD - 17);
	memcpy(disk + 2 * SECTOR, data + HEAD,
	       size - HEAD < SIZE - 2 * SECTOR ? size - HEAD
					       : SIZE - 2 * SECTOR);
}

static void list(const void *buf, size_t len)
{
	/* as many as there may be, and not one more */
	off_t *offsets = malloc(PARTITIONS_MAX * sizeof(*offsets));
	__close int fd = memfd_create("vmfork-fuzz", MFD_CLOEXEC);
	int num;

	if (!offsets || vf_write_all(fd, buf, len) < 0)
		abort();
	num = partition_list(fd, (off_t)len, offsets);
	if (num > PARTITIONS_MAX)
		abort();
	for (int i = 0; i < num; i++)
		if (offsets[i] <= 0 || offsets[i] >= (off_t)len ||
		    offsets[i] % SECTOR)
			abort();
	free(offsets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	list(data, size);
	make(data, size);
	list(disk, sizeof(disk));
	return 0;
}
