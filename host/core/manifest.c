// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "core/manifest.h"
#include "crc32c.h"

#define MANIFEST_VERSION 4
#define STATE_MAX	 (128 << 20)

static const char *const files[] = {
	VMM_MEMORY_FILE,  SNAPSHOT_LAYER_FILE, SNAPSHOT_INDEX_FILE,
	VMM_STATE_FILE,	  VM_KERNEL_FILE,      VM_INITRD_FILE,
	DISK_ORIGIN_FILE,
};

/* Does a snapshot consist of that file, too? */
static bool has_file(const struct snapshot *s, const char *name)
{
	if (!strcmp(name, VM_KERNEL_FILE))
		return s->hardware.has_kernel;
	if (!strcmp(name, VM_INITRD_FILE))
		return s->hardware.has_initrd;
	if (!strcmp(name, DISK_ORIGIN_FILE))
		return s->disks.num;
	if (!strcmp(name, VMM_MEMORY_FILE))
		return !s->parent[0];
	if (!strcmp(name, SNAPSHOT_LAYER_FILE) ||
	    !strcmp(name, SNAPSHOT_INDEX_FILE))
		return s->parent[0];
	return true;
}

static json_t *hex_pack(const uint8_t *bytes, size_t len)
{
	char text[2 * SNAPSHOT_ID_LEN + 1];

	vf_hex(text, bytes, len);
	return json_string(text);
}

/* The crc over the manifest's canonical form without the crc itself. */
static int manifest_crc(const json_t *manifest, uint32_t *crc)
{
	__json json_t *rest = json_copy((json_t *)manifest);
	__free char *text = NULL;

	json_object_del(rest, "crc32c");
	text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
	if (!text)
		return -ENOMEM;
	*crc = crc32c(0, text, strlen(text));
	return 0;
}

static void size_pack(int dir_fd, const char *name, json_t *sizes)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		json_object_set_new(sizes, name, json_integer(st.st_size));
}

/* The sizes of the files that a snapshot consists of. */
static json_t *files_pack(const struct snapshot *s)
{
	json_t *json = json_object();
	char name[VMM_LAYER_NAME];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		size_pack(s->dir_fd, files[i], json);
	for (unsigned int i = 0; i < s->disks.num; i++)
		for (unsigned int k = 0; k < s->disks.disk[i].layers; k++)
			size_pack(s->dir_fd, vmm_layer_name(name, i, k), json);
	return json;
}

/*
 * The device state is small and read by a parser that trusts it: its crc is
 * checked at each fork, but not that of the snapshots it builds on, which are
 * not loaded. Memory is too large for that.
 */
static int state_crc(int dir_fd, uint32_t *crc, struct vf_err *err)
{
	__free char *state = NULL;
	size_t len;
	int ret = vf_read_file(dir_fd, VMM_STATE_FILE, STATE_MAX, &state, &len,
			       err);

	if (!ret)
		*crc = crc32c(0, state, len);
	return ret;
}

static json_t *regions_pack(const struct vmm_image *image)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < image->num_regions; i++) {
		const struct vmm_region *r = &image->regions[i];

		json_array_append_new(json,
				      json_pack("{s:I,s:I,s:I}", "gpa",
						(json_int_t)r->gpa, "offset",
						(json_int_t)r->offset, "bytes",
						(json_int_t)r->bytes));
	}
	return json;
}

static json_t *clock_pack(const struct snapshot *s)
{
	return json_pack("{s:I,s:I}", "guest_monotonic_ns",
			 (json_int_t)s->guest_monotonic_ns,
			 "monotonic_error_us",
			 (json_int_t)s->monotonic_error_us);
}

static int clock_unpack(struct snapshot *s, json_t *json, struct vf_err *err)
{
	json_int_t monotonic_ns, error_us;

	if (json_unpack(json, "{s:I,s:I}", "guest_monotonic_ns", &monotonic_ns,
			"monotonic_error_us", &error_us) < 0 ||
	    monotonic_ns < 0 || error_us < 0)
		return vf_err_set(err, EBADMSG, "clock: invalid");
	s->guest_monotonic_ns = (uint64_t)monotonic_ns;
	s->monotonic_error_us = error_us;
	return 0;
}

static json_t *nics_to_json(const struct snapshot *s)
{
	json_t *json = json_array();

	for (unsigned int k = 0; k < s->num_nics; k++) {
		const struct snapshot_nic *nic = &s->nics[k];

		json_array_append_new(
			json,
			json_pack("{s:s,s:o,s:i}", "network", nic->net_name,
				  "mac", hex_pack(nic->mac, sizeof(nic->mac)),
				  "mtu", (int)nic->mtu));
	}
	return json;
}

static int nics_from_json(struct snapshot *s, json_t *json, struct vf_err *err)
{
	const char *net_name, *mac;
	json_t *item;
	size_t i;
	int mtu;

	if (json_array_size(json) < 1 || json_array_size(json) > VM_NICS_MAX)
		return vf_err_set(err, EBADMSG, "nics: invalid");
	json_array_foreach(json, i, item) {
		struct snapshot_nic *nic = &s->nics[i];

		if (json_unpack(item, "{s:s,s:s,s:i}", "network", &net_name,
				"mac", &mac, "mtu", &mtu) < 0 ||
		    !vf_name_is_valid(net_name, NET_NAME_MAX) || mtu < 0 ||
		    mtu > NIC_MTU_MAX ||
		    vf_unhex(nic->mac, sizeof(nic->mac), mac) < 0)
			return vf_err_set(err, EBADMSG, "nics: invalid");
		strcpy(nic->net_name, net_name);
		nic->mtu = (uint32_t)mtu;
	}
	s->num_nics = (unsigned int)json_array_size(json);
	return 0;
}

static json_t *hold_pack(const struct snapshot *s)
{
	return json_pack("{s:b,s:I,s:I}", "quiesced", s->quiesced, "prepare_us",
			 (json_int_t)s->prepare_us, "release_us",
			 (json_int_t)s->release_us);
}

static int hold_unpack(struct snapshot *s, json_t *json, struct vf_err *err)
{
	json_int_t prepare_us, release_us;
	int quiesced;

	if (json_unpack(json, "{s:b,s:I,s:I}", "quiesced", &quiesced,
			"prepare_us", &prepare_us, "release_us",
			&release_us) < 0)
		return vf_err_set(err, EBADMSG, "hold: invalid");
	s->quiesced = quiesced;
	s->prepare_us = prepare_us;
	s->release_us = release_us;
	return 0;
}

int manifest_save(const struct snapshot *s, struct vf_err *err)
{
	__json json_t *json = json_pack(
		"{s:i,s:s,s:o,s:s,s:s,s:I,s:o,s:o,s:o,s:I,s:o,s:o,s:I,s:I,s:I,"
		"s:o,s:o}",
		"version", MANIFEST_VERSION, "name", s->name, "id",
		hex_pack(s->id, sizeof(s->id)), "source", s->source, "mode",
		snapshot_mode_name(s->mode), "created_s",
		(json_int_t)s->created_s, "hardware",
		hardware_pack(&s->hardware), "regions", regions_pack(&s->image),
		"nics", nics_to_json(s), "mailbox_gpa",
		(json_int_t)s->mailbox_gpa, "clock", clock_pack(s), "hold",
		hold_pack(s), "pause_us", (json_int_t)s->pause_us, "total_us",
		(json_int_t)s->total_us, "dirty_bytes",
		(json_int_t)s->dirty_bytes, "files", files_pack(s), "disks",
		disk_pack(&s->disks));
	uint32_t crc = 0;
	int ret = state_crc(s->dir_fd, &crc, err);

	if (ret < 0)
		return ret;
	if (!json)
		return vf_err_errno(err, ENOMEM, SNAPSHOT_MANIFEST_FILE);
	if (s->parent[0])
		json_object_set_new(json, "parent",
				    json_pack("{s:s,s:o}", "name", s->parent,
					      "id",
					      hex_pack(s->parent_id,
						       sizeof(s->parent_id))));
	json_object_set_new(json, "armed", json_boolean(s->armed));
	json_object_set_new(json, "spun_us", json_integer(s->spun_us));
	json_object_set_new(json, "state_crc32c", json_integer(crc));
	if (manifest_crc(json, &crc) < 0)
		return vf_err_errno(err, ENOMEM, SNAPSHOT_MANIFEST_FILE);
	json_object_set_new(json, "crc32c", json_integer(crc));
	return vf_json_save(s->dir_fd, SNAPSHOT_MANIFEST_FILE, json, true, err);
}

static int file_check(int dir_fd, const char *name, json_t *size,
		      struct vf_err *err)
{
	struct stat st;

	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return vf_err_errno(err, errno, "%s", name);
	if (!S_ISREG(st.st_mode) || !json_is_integer(size) ||
	    st.st_size != json_integer_value(size))
		return vf_err_set(err, EBADMSG,
				  "%s: %lld bytes instead of %lld", name,
				  (long long)st.st_size,
				  (long long)json_integer_value(size));
	return 0;
}

static int layers_check(const struct snapshot *s, json_t *sizes,
			struct vf_err *err)
{
	char name[VMM_LAYER_NAME];
	int ret = 0;

	for (unsigned int i = 0; i < s->disks.num; i++)
		for (unsigned int k = 0; !ret && k < s->disks.disk[i].layers;
		     k++)
			ret = file_check(
				s->dir_fd, vmm_layer_name(name, i, k),
				json_object_get(sizes,
						vmm_layer_name(name, i, k)),
				err);
	return ret;
}

static int state_check(int dir_fd, json_int_t noted, struct vf_err *err)
{
	uint32_t crc;
	int ret = state_crc(dir_fd, &crc, err);

	if (!ret && crc != noted)
		ret = vf_err_set(err, EBADMSG, "%s: its crc is wrong",
				 VMM_STATE_FILE);
	return ret;
}

static int files_check(const struct snapshot *s, json_t *sizes,
		       struct vf_err *err)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(files); i++)
		if (has_file(s, files[i]))
			ret = file_check(s->dir_fd, files[i],
					 json_object_get(sizes, files[i]), err);
	return ret < 0 ? ret : layers_check(s, sizes, err);
}

static int regions_unpack(struct vmm_image *image, json_t *json,
			  struct vf_err *err)
{
	size_t i;
	json_t *item;

	if (json_array_size(json) < 1 ||
	    json_array_size(json) > VMM_REGIONS_MAX)
		return vf_err_set(err, EBADMSG, "regions: invalid");
	json_array_foreach(json, i, item) {
		json_int_t gpa, offset, bytes;

		if (json_unpack(item, "{s:I,s:I,s:I}", "gpa", &gpa, "offset",
				&offset, "bytes", &bytes) < 0)
			return vf_err_set(err, EBADMSG, "regions: invalid");
		image->regions[i] = (struct vmm_region){
			(uint64_t)gpa,
			(uint64_t)offset,
			(uint64_t)bytes,
		};
	}
	image->num_regions = (unsigned int)json_array_size(json);
	return 0;
}

static int parent_unpack(struct snapshot *s, json_t *json, struct vf_err *err)
{
	const char *name = "", *id = "";
	int ret = vf_json_unpack(json, "parent", err, "{s:s,s:s}", "name",
				 &name, "id", &id);

	if (ret < 0)
		return ret;
	if (!vf_name_is_valid(name, VF_NAME_MAX) ||
	    vf_unhex(s->parent_id, sizeof(s->parent_id), id) < 0)
		return vf_err_set(err, EBADMSG, "parent: invalid");
	snprintf(s->parent, sizeof(s->parent), "%s", name);
	return 0;
}

static int manifest_verify(const json_t *json, struct vf_err *err)
{
	uint32_t crc;

	if (manifest_crc(json, &crc) < 0)
		return vf_err_errno(err, ENOMEM, SNAPSHOT_MANIFEST_FILE);
	if (json_integer_value(json_object_get(json, "crc32c")) != crc)
		return vf_err_set(err, EBADMSG, "the manifest's crc is wrong");
	if (json_integer_value(json_object_get(json, "version")) !=
	    MANIFEST_VERSION)
		return vf_err_set(err, EPROTONOSUPPORT,
				  "made by another version of vmfork");
	return 0;
}

static int parts_unpack(struct snapshot *s, const json_t *json,
			struct vf_err *err)
{
	int ret = hardware_unpack(&s->hardware,
				  json_object_get(json, "hardware"), err);

	if (!ret)
		ret = regions_unpack(&s->image,
				     json_object_get(json, "regions"), err);
	if (!ret)
		ret = nics_from_json(s, json_object_get(json, "nics"), err);
	if (!ret)
		ret = clock_unpack(s, json_object_get(json, "clock"), err);
	if (!ret)
		ret = hold_unpack(s, json_object_get(json, "hold"), err);
	if (!ret)
		ret = disk_unpack(&s->disks, json_object_get(json, "disks"),
				  err);
	return ret;
}

int manifest_load(struct snapshot *s, bool state, struct vf_err *err)
{
	const char *id = "", *source = "", *mode = "";
	json_int_t created_s = 0, gpa = 0;
	json_int_t pause_us = 0, total_us = 0, dirty_bytes = 0;
	json_int_t state_crc_noted = 0;
	json_t *sizes = NULL, *parent = NULL;
	__json json_t *json = NULL;
	int ret;

	ret = vf_json_load(s->dir_fd, SNAPSHOT_MANIFEST_FILE, &json, err);
	if (!ret)
		ret = manifest_verify(json, err);
	if (!ret)
		ret = vf_json_unpack(
			json, SNAPSHOT_MANIFEST_FILE, err,
			"{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o,"
			"s?o}",
			"id", &id, "source", &source, "mode", &mode,
			"created_s", &created_s, "mailbox_gpa", &gpa,
			"pause_us", &pause_us, "total_us", &total_us,
			"dirty_bytes", &dirty_bytes, "state_crc32c",
			&state_crc_noted, "files", &sizes, "parent", &parent);
	if (!ret)
		ret = parts_unpack(s, json, err);
	if (!ret && parent)
		ret = parent_unpack(s, parent, err);
	if (!ret)
		ret = files_check(s, sizes, err);
	if (!ret && state)
		ret = state_check(s->dir_fd, state_crc_noted, err);
	if (ret < 0)
		return ret;
	if (vf_unhex(s->id, sizeof(s->id), id) < 0 ||
	    snapshot_mode_parse(&s->mode, mode) < 0 ||
	    s->mode == SNAPSHOT_MODE_AUTO)
		return vf_err_set(err, EBADMSG, "the manifest is invalid");
	/* absent in what was made before there was such a thing */
	s->armed = json_is_true(json_object_get(json, "armed"));
	s->spun_us = json_integer_value(json_object_get(json, "spun_us"));
	s->created_s = created_s;
	s->mailbox_gpa = (uint64_t)gpa;
	s->pause_us = pause_us;
	s->total_us = total_us;
	s->dirty_bytes = (uint64_t)dirty_bytes;
	snprintf(s->source, sizeof(s->source), "%s", source);
	snprintf(s->image.machine, sizeof(s->image.machine), "%s",
		 s->hardware.config.machine);
	return 0;
}
