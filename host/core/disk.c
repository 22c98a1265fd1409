// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "core/disk.h"
#include "core/vm.h"

static const char *const formats[VMM_FORMAT_NUM] = {
	[VMM_FORMAT_RAW] = "raw",
	[VMM_FORMAT_QCOW2] = "qcow2",
};

int disk_parse(struct disk_wish *wish, const char *text)
{
	static const char key[] = ",format=";
	const char *end = strrchr(text, ',');
	size_t len = strlen(text);

	wish->format = VMM_FORMAT_DETECT;
	if (end && !strncmp(end, key, strlen(key))) {
		const char *format = end + strlen(key);

		len = (size_t)(end - text);
		if (!strcmp(format, formats[VMM_FORMAT_RAW]))
			wish->format = VMM_FORMAT_RAW;
		else if (!strcmp(format, formats[VMM_FORMAT_QCOW2]))
			wish->format = VMM_FORMAT_QCOW2;
		else
			return -EINVAL;
	}
	if (!len)
		return -ENOENT;
	if (len >= sizeof(wish->path))
		return -ENAMETOOLONG;
	memcpy(wish->path, text, len);
	wish->path[len] = '\0';
	return 0;
}

/* What tells whether somebody wrote an image. */
static int image_stat(const char *path, json_int_t *size, json_int_t *mtime_ns,
		      struct vf_err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return vf_err_errno(err, errno, "disk %s", path);
	*size = st.st_size;
	*mtime_ns =
		(json_int_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return 0;
}

static int make_one(struct vmm_disk *disk, const struct vmm_ops *engine,
		    const struct disk_wish *wish, unsigned int number,
		    int run_fd, json_t *origins, struct vf_err *err)
{
	__free char *path = realpath(wish->path, NULL);
	enum vmm_format format = wish->format;
	json_int_t size = 0, mtime_ns = 0;
	json_t *origin;
	int ret;

	if (!path)
		return vf_err_errno(err, errno, "disk %s", wish->path);
	ret = engine->disk_probe(path, &format, &disk->bytes, err);
	if (!ret)
		ret = image_stat(path, &size, &mtime_ns, err);
	if (!ret)
		ret = engine->disk_create(run_fd, number, 0, path, format,
					  disk->bytes, err);
	if (ret < 0)
		return ret;
	disk->layers = 1;
	origin = json_pack("{s:s,s:s,s:I,s:I}", "image", path, "format",
			   formats[format], "size", size, "mtime_ns", mtime_ns);
	if (!origin)
		return vf_err_set(err, EILSEQ, "disk %.64s: not UTF-8",
				  vf_ascii(path));
	json_array_append_new(origins, origin);
	return 0;
}

int disk_make(struct vmm_disks *disks, const struct vmm_ops *engine,
	      const struct disk_wish *wishes, unsigned int num, int run_fd,
	      struct vf_err *err)
{
	__json json_t *json = json_pack("{s:[]}", "disks");
	json_t *origins = json_object_get(json, "disks");
	int ret = 0;

	*disks = (struct vmm_disks){ .num = num };
	for (unsigned int i = 0; !ret && i < num; i++)
		ret = make_one(&disks->disk[i], engine, &wishes[i], i, run_fd,
			       origins, err);
	if (ret < 0 || !num)
		return ret;
	return vf_json_save(run_fd, DISK_ORIGIN_FILE, json, false, err);
}

static int origins_load(const struct vmm_disks *disks, int dir_fd,
			json_t **json, struct vf_err *err)
{
	int ret = vf_json_load(dir_fd, DISK_ORIGIN_FILE, json, err);

	if (!ret &&
	    json_array_size(json_object_get(*json, "disks")) != disks->num)
		ret = vf_err_set(err, EBADMSG, "%s: invalid", DISK_ORIGIN_FILE);
	return ret;
}

int disk_check(const struct vmm_disks *disks, int dir_fd, struct vf_err *err)
{
	__json json_t *json = NULL;
	json_t *origin;
	size_t i;
	int ret;

	if (!disks->num)
		return 0;
	ret = origins_load(disks, dir_fd, &json, err);
	if (ret < 0)
		return ret;
	json_array_foreach(json_object_get(json, "disks"), i, origin) {
		json_int_t size = 0, mtime_ns = 0, size_now = 0,
			   mtime_ns_now = 0;
		const char *image = "";

		ret = vf_json_unpack(origin, DISK_ORIGIN_FILE, err,
				     "{s:s,s:I,s:I}", "image", &image, "size",
				     &size, "mtime_ns", &mtime_ns);
		if (!ret)
			ret = image_stat(image, &size_now, &mtime_ns_now, err);
		if (ret < 0)
			return ret;
		if (size != size_now || mtime_ns != mtime_ns_now)
			return vf_err_set(err, ESTALE,
					  "disk %s: was written since it was "
					  "first used: what is built on it is "
					  "lost",
					  image);
	}
	return 0;
}

static int place_one(int from_fd, int to_fd, const char *name, bool durable,
		     struct vf_err *err)
{
	int ret = vm_place_file(from_fd, to_fd, name, err);

	return !ret && durable ? vf_sync_file(to_fd, name, err) : ret;
}

int disk_place(const struct vmm_disks *disks, int from_fd, int to_fd,
	       bool durable, struct vf_err *err)
{
	char name[VMM_LAYER_NAME];
	int ret = disks->num ? place_one(from_fd, to_fd, DISK_ORIGIN_FILE,
					 durable, err)
			     : 0;

	for (unsigned int i = 0; i < disks->num; i++)
		for (unsigned int k = 0; !ret && k < disks->disk[i].layers; k++)
			ret = place_one(from_fd, to_fd,
					vmm_layer_name(name, i, k), durable,
					err);
	return ret;
}

/* What is to survive the loss of the machine needs its name, too. */
static int add_layer(const struct vm *vm, unsigned int disk,
		     const struct vmm_disk *d, struct vf_err *err)
{
	char name[VMM_LAYER_NAME];
	int ret = vm->hardware.engine->disk_create(vm->run_fd, disk, d->layers,
						   NULL, VMM_FORMAT_QCOW2,
						   d->bytes, err);

	if (ret < 0 || !vm->disks.is_durable)
		return ret;
	vmm_layer_name(name, disk, d->layers);
	ret = vf_sync_file(vm->run_fd, name, err);
	if (!ret && fsync(vm->run_fd) < 0)
		ret = vf_err_errno(err, errno, "%s", name);
	return ret;
}

/* One more layer on each disk. */
static int add_layers(const struct vm *vm, const struct vmm_disks *disks,
		      struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < disks->num; i++)
		ret = add_layer(vm, i, &disks->disk[i], err);
	return ret;
}

int disk_fork(const struct vm *vm, int snapshot_fd, struct vf_err *err)
{
	struct vmm_disks below = vm->disks;
	int ret;

	for (unsigned int i = 0; i < below.num; i++)
		below.disk[i].layers--;
	ret = disk_place(&below, snapshot_fd, vm->run_fd, false, err);
	return ret < 0 ? ret : add_layers(vm, &below, err);
}

static int say_full(const struct vm *vm, unsigned int disk, struct vf_err *err)
{
	vf_err_set(err, E2BIG,
		   "VM %s: disk %u has %d layers, one of each snapshot: there "
		   "cannot be more",
		   vm->name, disk, VMM_LAYERS_MAX);
	vf_err_hint(err, "'qemu-img convert' makes one image of the last "
			 "snapshot's disk: run a VM on that");
	return -E2BIG;
}

/*
 * Is a layer whole? One that is cut short has no magic: it is written last.
 *
 * Return: 1, 0, -errno if it cannot be told: it may be all that a VM has written
 */
static int layer_stat(int run_fd, const char *name, struct stat *st)
{
	__close int fd =
		openat(run_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char magic[4];
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, st) < 0)
		return -errno;
	n = pread(fd, magic, sizeof(magic), 0);
	if (n < 0)
		return -errno;
	return n == sizeof(magic) && !memcmp(magic, "QFI\xfb", sizeof(magic));
}

static int resume_one(const struct vm *vm, unsigned int disk,
		      struct vmm_disk *d, struct vf_err *err)
{
	char name[VMM_LAYER_NAME];
	unsigned int num = 0;
	struct stat st, top = { 0 };
	int ret;

	for (; num < VMM_LAYERS_MAX; num++) {
		ret = layer_stat(vm->run_fd, vmm_layer_name(name, disk, num),
				 &st);
		if (ret < 0)
			return vf_err_errno(err, ret, "VM %s: disk %u: %s",
					    vm->name, disk, name);
		if (!ret)
			break;
		top = st;
	}
	/* the record is of an earlier moment */
	if (num < d->layers)
		return vf_err_set(err, EBADMSG, "VM %s: disk %u: %s is missing",
				  vm->name, disk, name);
	d->layers = num;
	if (num < VMM_LAYERS_MAX)
		unlinkat(vm->run_fd, name, 0);
	/* by its other name it is a snapshot's */
	if (top.st_nlink == 1)
		return 0;
	if (num == VMM_LAYERS_MAX)
		return say_full(vm, disk, err);
	ret = add_layer(vm, disk, d, err);
	if (!ret)
		d->layers++;
	return ret;
}

int disk_resume(const struct vm *vm, struct vmm_disks *disks,
		struct vf_err *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < disks->num; i++)
		ret = resume_one(vm, i, &disks->disk[i], err);
	return ret;
}

/* What was made for a pivot that did not come. */
static void drop(const struct vm *vm, struct vmm *vmm,
		 const struct vmm_disks *disks)
{
	char name[VMM_LAYER_NAME];

	vmm->ops->disks_drop(vmm, disks);
	for (unsigned int i = 0; i < disks->num; i++)
		unlinkat(vm->run_fd,
			 vmm_layer_name(name, i, disks->disk[i].layers), 0);
}

int disk_grow(const struct vm *vm, struct vmm *vmm, struct vmm_disks *disks,
	      struct vf_err *err)
{
	int ret;

	*disks = vm->disks;
	ret = disks->num ? vmm->ops->disks_query(vmm, disks, err) : 0;
	if (ret < 0 || !disks->num)
		return ret;
	for (unsigned int i = 0; i < disks->num; i++) {
		if (disks->disk[i].layers == VMM_LAYERS_MAX)
			return say_full(vm, i, err);
	}
	drop(vm, vmm, disks);
	ret = add_layers(vm, disks, err);
	if (!ret)
		ret = vmm->ops->disks_add(vmm, disks, err);
	if (ret < 0)
		drop(vm, vmm, disks);
	return ret;
}

void disk_tidy(const struct vm *vm, struct vmm *vmm)
{
	struct vmm_disks disks = vm->disks;
	struct vf_err ignored;

	if (disks.num && vmm->ops->disks_query(vmm, &disks, &ignored) == 0)
		drop(vm, vmm, &disks);
}

bool disk_feed(const struct vm *vm, struct vmm *vmm)
{
	enum vmm_state state;
	struct vf_err ignored;
	int64_t at_us;

	return vm->disks.num && vmm->ops->query(vmm, &state, &ignored) == 0 &&
	       state == VMM_STATE_STARVED &&
	       vmm->ops->resume(vmm, &at_us, &ignored) == 0;
}

json_t *disk_describe(const struct vmm_disks *disks, int dir_fd)
{
	__json json_t *origins = NULL;
	json_t *json = json_array();
	struct vf_err ignored;

	if (disks->num)
		origins_load(disks, dir_fd, &origins, &ignored);
	for (unsigned int i = 0; i < disks->num; i++) {
		json_t *origin =
			json_array_get(json_object_get(origins, "disks"), i);
		const char *image =
			json_string_value(json_object_get(origin, "image"));
		const char *format =
			json_string_value(json_object_get(origin, "format"));

		json_array_append_new(
			json, json_pack("{s:s?,s:s?,s:I,s:i}", "image", image,
					"format", format, "bytes",
					(json_int_t)disks->disk[i].bytes,
					"layers", (int)disks->disk[i].layers));
	}
	return json;
}

json_t *disk_pack(const struct vmm_disks *disks)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < disks->num; i++)
		json_array_append_new(
			json, json_pack("{s:I,s:i}", "bytes",
					(json_int_t)disks->disk[i].bytes,
					"layers", (int)disks->disk[i].layers));
	return json;
}

int disk_unpack(struct vmm_disks *disks, json_t *json, struct vf_err *err)
{
	json_t *item;
	size_t i;

	if (!json_is_array(json) || json_array_size(json) > VMM_DISKS_MAX)
		return vf_err_set(err, EBADMSG, "disks: invalid");
	json_array_foreach(json, i, item) {
		json_int_t bytes;
		int layers;

		if (json_unpack(item, "{s:I,s:i}", "bytes", &bytes, "layers",
				&layers) < 0 ||
		    bytes < 1 || layers < 1 || layers > VMM_LAYERS_MAX)
			return vf_err_set(err, EBADMSG, "disks: invalid");
		disks->disk[i].bytes = (uint64_t)bytes;
		disks->disk[i].layers = (unsigned int)layers;
	}
	disks->num = (unsigned int)json_array_size(json);
	return 0;
}
