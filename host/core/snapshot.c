// SPDX-License-Identifier: MIT
/* Snapshots that are there: open, list, remove. Taking one is take.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/chain.h"
#include "core/manifest.h"
#include "core/stage.h"

#define EPITAPH_US 500000

static const char *const modes[SNAPSHOT_MODE_NUM] = {
	[SNAPSHOT_MODE_FULL] = "full",
	[SNAPSHOT_MODE_DIFF] = "diff",
	[SNAPSHOT_MODE_LIVE] = "live",
	[SNAPSHOT_MODE_AUTO] = "auto",
};

const char *snapshot_mode_name(enum snapshot_mode mode)
{
	return modes[mode];
}

int snapshot_mode_parse(enum snapshot_mode *mode, const char *name)
{
	for (unsigned int i = 0; i < SNAPSHOT_MODE_NUM; i++) {
		if (!strcmp(modes[i], name)) {
			*mode = i;
			return 0;
		}
	}
	return -EINVAL;
}

void snapshot_set_nics(struct snapshot *snapshot, const struct vm *vm)
{
	snapshot->num_nics = vm->num_nics;
	for (unsigned int k = 0; k < vm->num_nics; k++) {
		const struct vm_nic *from = &vm->nics[k];
		struct snapshot_nic *to = &snapshot->nics[k];

		memcpy(to->net_name, from->net_name, sizeof(to->net_name));
		memcpy(to->mac, from->guest_mac, sizeof(to->mac));
		to->mtu = from->mtu;
	}
}

static int open_verified(struct snapshot *snapshot,
			 const struct vf_state *state, const char *name,
			 bool device_state, struct vf_err *err)
{
	int ret;

	*snapshot = (struct snapshot){ .dir_fd = -1 };
	ret = stage_check_name(name, err);
	if (ret < 0)
		return ret;
	snprintf(snapshot->name, sizeof(snapshot->name), "%s", name);
	snapshot->dir_fd = stage_enter(state, name);
	if (snapshot->dir_fd == -ENOENT)
		return vf_err_set(err, ENOENT, "snapshot %s: does not exist",
				  name);
	if (snapshot->dir_fd < 0)
		return vf_err_errno(err, snapshot->dir_fd, "snapshot %s", name);
	ret = manifest_load(snapshot, device_state, err);
	if (ret < 0) {
		if (stage_why_broken(snapshot->dir_fd, err))
			vf_err_wrap(err, "snapshot %s", name);
		else
			vf_err_wrap(err, "snapshot %s: does not verify", name);
		ret = -err->num;
		vf_err_hint(err, "'vmfork rmi %s' removes it", name);
	}
	return ret;
}

int snapshot_open(struct snapshot *snapshot, const struct vf_state *state,
		  const char *name, struct vf_err *err)
{
	return open_verified(snapshot, state, name, true, err);
}

int snapshot_open_link(struct snapshot *snapshot, const struct vf_state *state,
		       const char *name, struct vf_err *err)
{
	return open_verified(snapshot, state, name, false, err);
}

/* One that is made whole is written, too, and is there all the time. */
static bool is_awaited(const struct vf_state *state, const char *name)
{
	struct vf_err ignored;

	return snapshot_exists(state, name, &ignored) == -ENOENT &&
	       stage_is_writing(state, name);
}

static int await_give_up(const char *name, int64_t deadline_us,
			 struct vf_err *err)
{
	if (!deadline_us)
		return vf_err_set(err, EBUSY, "snapshot %s: is being written",
				  name);
	vf_err_set(err, ETIMEDOUT, "snapshot %s: is still being written", name);
	vf_err_hint(err, "'vmfork snapshots' tells when it is ready");
	return -ETIMEDOUT;
}

/* Wait for a change of the directory, or for the end of who writes. */
static int await_change(const struct vf_state *state, const char *name,
			int watch_fd, int cancel_fd, int64_t deadline_us)
{
	__close int set_fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN };
	int64_t last_us = deadline_us;
	struct process writer;
	int ret = stage_writer(state, name, &writer);

	if (ret <= 0)
		return ret;
	if (set_fd < 0 ||
	    epoll_ctl(set_fd, EPOLL_CTL_ADD, watch_fd, &event) < 0 ||
	    epoll_ctl(set_fd, EPOLL_CTL_ADD, writer.pidfd, &event) < 0)
		ret = -errno;
	else
		ret = vf_wait_readable(set_fd, cancel_fd, deadline_us);
	/* was it killed? Somebody may be about to say so in its place */
	if (!ret && process_wait(&writer, 0) == 0) {
		if (last_us > vf_now_us() + EPITAPH_US)
			last_us = vf_now_us() + EPITAPH_US;
		ret = vf_wait_readable(watch_fd, cancel_fd, last_us);
	}
	process_close(&writer);
	return ret;
}

static int await_publication(const struct vf_state *state, const char *name,
			     int64_t deadline_us, int cancel_fd,
			     struct vf_err *err)
{
	__close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char link[64], events[4096];
	int ret;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", state->snapshots_fd);
	if (fd < 0 || inotify_add_watch(fd, link, IN_MOVE | IN_DELETE) < 0)
		return vf_err_errno(err, errno, "snapshot %s", name);
	while (is_awaited(state, name)) {
		if (vf_now_us() >= deadline_us)
			return await_give_up(name, deadline_us, err);
		ret = await_change(state, name, fd, cancel_fd, deadline_us);
		if (ret < 0 && ret != -ETIMEDOUT)
			return vf_err_errno(err, ret, "snapshot %s", name);
		(void)!read(fd, events, sizeof(events));
	}
	return 0;
}

int snapshot_await(const struct vf_state *state, const char *name,
		   int64_t deadline_us, int cancel_fd, struct vf_err *err)
{
	/* to close a watch takes the kernel many milliseconds */
	if (!is_awaited(state, name))
		return 0;
	return await_publication(state, name, deadline_us, cancel_fd, err);
}

void snapshot_close(struct snapshot *snapshot)
{
	vf_close_fd(&snapshot->dir_fd);
	snapshot->dir_fd = -1;
}

int snapshot_exists(const struct vf_state *state, const char *name,
		    struct vf_err *err)
{
	int ret = stage_check_name(name, err);

	if (!ret &&
	    faccessat(state->snapshots_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		ret = vf_err_set(err, ENOENT, "snapshot %s: does not exist",
				 name);
	return ret;
}

static json_t *networks_pack(const struct snapshot *s)
{
	json_t *names = json_array();

	for (unsigned int k = 0; k < s->num_nics; k++)
		json_array_append_new(names, json_string(s->nics[k].net_name));
	return names;
}

/* A duration, null if what it is of did not happen. */
static json_t *us_pack(int64_t us)
{
	return us ? json_integer(us) : json_null();
}

json_t *snapshot_describe(const struct snapshot *s)
{
	char id[2 * SNAPSHOT_ID_LEN + 1];
	json_t *json;

	vf_hex(id, s->id, sizeof(s->id));
	json = json_pack("{s:s,s:s,s:s,s:I,s:I,s:b,s:o,s:b,s:o,s:o,s:I,s:I,s:s?"
			 ",s:s,s:I,s:s,s:s,"
			 "s:o,s:s,s:s}",
			 "name", s->name, "mode", modes[s->mode], "status",
			 s->writing ? "writing" : "ready", "pause_us",
			 (json_int_t)s->pause_us, "total_us",
			 (json_int_t)s->total_us, "armed", s->armed, "spun_us",
			 us_pack(s->spun_us), "quiesced", s->quiesced,
			 "prepare_us", us_pack(s->prepare_us), "release_us",
			 us_pack(s->release_us), "dirty_bytes",
			 (json_int_t)s->dirty_bytes, "memory_bytes",
			 (json_int_t)s->hardware.config.memory_bytes, "parent",
			 s->parent[0] ? s->parent : NULL, "source", s->source,
			 "created", (json_int_t)s->created_s, "id", id,
			 "network", s->nics[0].net_name, "networks",
			 networks_pack(s), "engine", s->hardware.engine->name,
			 "accel", vmm_accel_name(s->hardware.config.accel));
	json_object_set_new(json, "disks", disk_describe(&s->disks, s->dir_fd));
	if (s->writing) {
		json_object_set_new(json, "total_us", json_null());
		json_object_set_new(json, "dirty_bytes", json_null());
		/* the image has the last word on it */
		json_object_set_new(json, "armed", json_null());
		json_object_set_new(json, "spun_us", json_null());
		/* whether it will be a layer is not known yet */
		json_object_del(json, "parent");
	}
	return json;
}

/* What is known of one that is not ready. */
static json_t *describe_unready(const char *name, const char *status,
				const char *why)
{
	return json_pack(
		"{s:s,s:n,s:s,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:s?}",
		"name", name, "mode", "status", status, "pause_us", "total_us",
		"armed", "spun_us", "quiesced", "prepare_us", "release_us",
		"dirty_bytes", "memory_bytes", "error", why);
}

/* What one builds on; null if it is whole. */
static json_t *lineage_pack(const struct snapshot *s)
{
	char id[2 * SNAPSHOT_ID_LEN + 1], parent_id[2 * SNAPSHOT_ID_LEN + 1];

	vf_hex(id, s->id, sizeof(s->id));
	vf_hex(parent_id, s->parent_id, sizeof(s->parent_id));
	return json_pack("{s:s,s:s?,s:s}", "id", id, "parent",
			 s->parent[0] ? s->parent : NULL, "parent_id",
			 parent_id);
}

/* The first one in a snapshot's chain that is not what it was; or NULL. */
static const char *missing_link(const json_t *lineage, const char *name)
{
	const json_t *link = json_object_get(lineage, name);

	for (int i = 0; i < CHAIN_MAX; i++) {
		const char *parent =
			json_string_value(json_object_get(link, "parent"));
		const json_t *id = json_object_get(link, "parent_id");

		if (!parent)
			return NULL;
		link = json_object_get(lineage, parent);
		if (!link || !json_equal(id, json_object_get(link, "id")))
			return parent;
	}
	return name;
}

/* Those that verify, but build on one that is gone. */
static void mark_orphans(json_t *list, const json_t *lineage)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *name =
			json_string_value(json_object_get(item, "name"));
		const char *missing = missing_link(lineage, name);
		char why[VF_ERR_MSG_SIZE];

		if (!missing)
			continue;
		snprintf(why, sizeof(why),
			 "builds on %s, which is gone or broken", missing);
		json_array_set_new(list, i,
				   describe_unready(name, "broken", why));
	}
}

/* One that is there, whole or broken. */
static void list_add(json_t *list, json_t *lineage,
		     const struct vf_state *state, const char *name)
{
	struct snapshot s;
	struct vf_err why;

	if (snapshot_open(&s, state, name, &why) < 0) {
		json_array_append_new(
			list, describe_unready(name, "broken", why.msg));
	} else {
		json_array_append_new(list, snapshot_describe(&s));
		json_object_set_new(lineage, name, lineage_pack(&s));
	}
	snapshot_close(&s);
}

int snapshot_list(const struct vf_state *state, json_t **out,
		  struct vf_err *err)
{
	__json json_t *names = NULL, *writing = NULL, *lineage = NULL;
	size_t i;
	json_t *name;
	int ret;

	/* in this order: one that is published meanwhile is in both */
	ret = stage_list(state, &writing, err);
	if (!ret)
		ret = vf_list_dir(state->snapshots_fd, &names, err);
	if (ret < 0)
		return ret;
	*out = json_array();
	lineage = json_object();
	json_array_foreach(names, i, name)
		list_add(*out, lineage, state, json_string_value(name));
	mark_orphans(*out, lineage);
	json_array_foreach(writing, i, name)
		if (!vf_json_has(names, json_string_value(name)))
			json_array_append_new(
				*out, describe_unready(json_string_value(name),
						       "writing", NULL));
	return 0;
}
