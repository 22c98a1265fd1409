// SPDX-License-Identifier: MIT
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vmm/qcow2.h"

#define MAGIC		0x514649fb /* QFI\xfb */
#define VERSION		3
#define CLUSTER_BITS	16
#define CLUSTER		(1ULL << CLUSTER_BITS)
#define REFCOUNT_ORDER	4 /* 16 bits each */
#define BACKING_FORMAT	0xe2792aca
#define EXTERNAL_DATA	(1ULL << 2)
#define SECTOR		512
#define BYTES_MAX	(1ULL << 45)
#define L2_BYTES	(CLUSTER / 8 * CLUSTER) /* that one table maps */
#define LOCK_WRITE_BYTE 101 /* held by QEMU where it writes an image */

/* All big endian. Version 2 ends before incompatible_features. */
struct header {
	uint32_t magic;
	uint32_t version;
	uint64_t backing_offset;
	uint32_t backing_len;
	uint32_t cluster_bits;
	uint64_t bytes;
	uint32_t crypt_method;
	uint32_t l1_num;
	uint64_t l1_offset;
	uint64_t refcounts_offset;
	uint32_t refcounts_clusters;
	uint32_t num_snapshots;
	uint64_t snapshots_offset;
	uint64_t incompatible_features;
	uint64_t compatible_features;
	uint64_t autoclear_features;
	uint32_t refcount_order;
	uint32_t header_len;
};
static_assert(sizeof(struct header) == 104, "version 3");
static_assert(offsetof(struct header, l1_offset) == 40, "no holes");

/* The first cluster: header, extensions, and the name of what is below. */
struct front {
	struct header header;
	uint32_t format_type;
	uint32_t format_len;
	char format[8];
	uint32_t end_type;
	uint32_t end_len;
	char backing[QCOW2_BACKING_MAX + 1];
};
static_assert(offsetof(struct front, backing) == 128, "packed");

static const char *const formats[VMM_FORMAT_NUM] = {
	[VMM_FORMAT_RAW] = "raw",
	[VMM_FORMAT_QCOW2] = "qcow2",
};

/*
 * Clusters: this, the table of refcount blocks, the one block, and as many as the
 * L1 table takes. All that it maps is not there, which means: see below.
 */
static void front_init(struct front *f, const struct qcow2_backing *backing,
		       uint64_t bytes, uint64_t l1_num)
{
	const char *format = formats[backing->format];

	*f = (struct front){
		.header = {
			.magic = htobe32(MAGIC),
			.version = htobe32(VERSION),
			.backing_offset =
				htobe64(offsetof(struct front, backing)),
			.backing_len =
				htobe32((uint32_t)strlen(backing->name)),
			.cluster_bits = htobe32(CLUSTER_BITS),
			.bytes = htobe64(bytes),
			.l1_num = htobe32((uint32_t)l1_num),
			.l1_offset = htobe64(3 * CLUSTER),
			.refcounts_offset = htobe64(CLUSTER),
			.refcounts_clusters = htobe32(1),
			.refcount_order = htobe32(REFCOUNT_ORDER),
			.header_len = htobe32(sizeof(struct header)),
		},
		.format_type = htobe32(BACKING_FORMAT),
		.format_len = htobe32((uint32_t)strlen(format)),
	};
	memcpy(f->format, format, strlen(format));
	strcpy(f->backing, backing->name);
}

static int write_at(int fd, const void *buf, size_t len, uint64_t at)
{
	ssize_t n = pwrite(fd, buf, len, (off_t)at);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOSPC;
}

static int write_layer(int fd, const struct qcow2_backing *backing,
		       uint64_t bytes)
{
	uint64_t l1_num = (bytes + L2_BYTES - 1) / L2_BYTES;
	uint64_t num = 3 + (l1_num * 8 + CLUSTER - 1) / CLUSTER;
	uint64_t block = htobe64(2 * CLUSTER);
	uint16_t counts[3 + BYTES_MAX / L2_BYTES * 8 / CLUSTER + 1];
	struct front front;
	int ret;

	front_init(&front, backing, bytes, l1_num);
	for (uint64_t i = 0; i < num; i++)
		counts[i] = htobe16(1);
	/* the header last: what has none is no image */
	ret = ftruncate(fd, (off_t)(num * CLUSTER)) < 0 ? -errno : 0;
	if (!ret)
		ret = write_at(fd, &block, sizeof(block), CLUSTER);
	if (!ret)
		ret = write_at(fd, counts, num * sizeof(*counts), 2 * CLUSTER);
	return ret < 0 ? ret : write_at(fd, &front, sizeof(front), 0);
}

int qcow2_create(int dir_fd, const char *name,
		 const struct qcow2_backing *backing, uint64_t bytes,
		 struct vf_err *err)
{
	__close int fd = -1;
	int ret;

	if (strlen(backing->name) > QCOW2_BACKING_MAX)
		return vf_err_set(err, ENAMETOOLONG,
				  "disk %.64s...: its path is longer than %d "
				  "bytes",
				  backing->name, QCOW2_BACKING_MAX);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return vf_err_errno(err, errno, "%s", name);
	ret = write_layer(fd, backing, bytes);
	if (ret < 0) {
		unlinkat(dir_fd, name, 0);
		return vf_err_errno(err, ret, "%s", name);
	}
	return 0;
}

/* How other formats begin, of those that are used for disks. */
static const struct {
	const char *name;
	const char *magic;
} others[] = {
	{ "VMDK", "KDMV" },
	{ "VMDK", "# Disk Descriptor" },
	{ "VHDX", "vhdxfile" },
	{ "VHD", "conectix" },
	{ "VDI", "<<< Oracle" },
	{ "VDI", "<<< QEMU" },
	{ "QED", "QED" },
	{ "LUKS", "LUKS\xba\xbe" },
	{ "ISO", "\x01"
		 "CD001" },
};

static int detect(const char *path, const struct header *h, size_t len,
		  enum vmm_format *format, struct vf_err *err)
{
	const char *what = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!memcmp(h, others[i].magic, strlen(others[i].magic)))
			what = others[i].name;
	if (what) {
		vf_err_set(err, EINVAL, "disk %s: looks like %s", path, what);
		vf_err_hint(err, "'qemu-img convert -O qcow2' makes qcow2 of "
				 "it; FILE,format=raw takes it as it is");
		return -EINVAL;
	}
	*format = len == sizeof(*h) && be32toh(h->magic) == MAGIC
			  ? VMM_FORMAT_QCOW2
			  : VMM_FORMAT_RAW;
	if (*format == VMM_FORMAT_RAW ||
	    (!h->backing_offset &&
	     (be32toh(h->version) < VERSION ||
	      !(be64toh(h->incompatible_features) & EXTERNAL_DATA))))
		return 0;
	vf_err_set(err, EPERM, "disk %s: names another file", path);
	vf_err_hint(err, "if you trust whoever wrote it, say "
			 "FILE,format=qcow2");
	return -EPERM;
}

static int check_qcow2(const char *path, const struct header *h,
		       uint64_t *bytes, struct vf_err *err)
{
	uint32_t version = be32toh(h->version);

	if (be32toh(h->magic) != MAGIC)
		return vf_err_set(err, EINVAL, "disk %s: is no qcow2 image",
				  path);
	if (version != 2 && version != VERSION)
		return vf_err_set(err, EINVAL,
				  "disk %s: qcow2 of version %u is not "
				  "supported",
				  path, version);
	*bytes = be64toh(h->bytes);
	return 0;
}

/* QEMU's own locks, which it takes when it opens it, have the last word. */
static int check_unused(const char *path, int fd, struct vf_err *err)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = LOCK_WRITE_BYTE,
		.l_len = 1,
	};

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return 0;
	vf_err_set(err, EBUSY, "disk %s: is in use, for writing", path);
	vf_err_hint(err, "end who writes it, or give each a copy");
	return -EBUSY;
}

int qcow2_probe(const char *path, enum vmm_format *format, uint64_t *bytes,
		struct vf_err *err)
{
	/* opening a FIFO must not hang */
	__close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct header h = { 0 };
	ssize_t len = -1;
	struct stat st;
	off_t end;
	int ret = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return vf_err_errno(err, errno, "disk %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return vf_err_set(err, EINVAL,
				  "disk %s: neither a file nor a block device",
				  path);
	len = pread(fd, &h, sizeof(h), 0);
	end = lseek(fd, 0, SEEK_END);
	if (len < 0 || end < 0)
		return vf_err_errno(err, errno, "disk %s", path);
	if (*format == VMM_FORMAT_DETECT)
		ret = detect(path, &h, (size_t)len, format, err);
	*bytes = (uint64_t)end;
	if (!ret && *format == VMM_FORMAT_QCOW2)
		ret = check_qcow2(path, &h, bytes, err);
	if (ret < 0)
		return ret;
	if (!*bytes || *bytes % SECTOR || *bytes > BYTES_MAX)
		return vf_err_set(err, EINVAL,
				  "disk %s: no disk has a size of %llu bytes",
				  path, (unsigned long long)*bytes);
	return check_unused(path, fd, err);
}
