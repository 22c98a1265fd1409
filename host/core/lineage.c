// SPDX-License-Identifier: MIT
/*
 * Who builds on whom: removing snapshots without orphans, and making one whole
 * that was a layer. snapshot.h holds the contract.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/chain.h"
#include "core/manifest.h"
#include "core/stage.h"

#define BURY_US 5000000 /* for forks that are being made */

/* Will it never verify, or could it just not be looked at? */
static bool is_broken(int ret)
{
	return ret == -EBADMSG || ret == -ENOENT || ret == -EPROTONOSUPPORT;
}

/* The name of each snapshot that is a layer, and of its parent. */
static int parents_list(const struct vf_state *state, json_t **parents,
			struct vf_err *err)
{
	__json json_t *names = NULL;
	size_t i;
	json_t *name;
	int ret = vf_list_dir(state->snapshots_fd, &names, err);

	if (ret < 0)
		return ret;
	*parents = json_object();
	json_array_foreach(names, i, name) {
		struct snapshot s;

		ret = snapshot_open_link(&s, state, json_string_value(name),
					 err);
		if (!ret && s.parent[0])
			json_object_set_new(*parents, s.name,
					    json_string(s.parent));
		snapshot_close(&s);
		/* one that is broken has no use for a parent */
		if (ret < 0 && !is_broken(ret))
			return ret;
	}
	return 0;
}

/* Add those that build on the ones named, and on these; or refuse. */
static int find_orphans(json_t *names, json_t *parents,
			enum snapshot_orphans orphans, struct vf_err *err)
{
	const char *child;
	json_t *parent;
	bool found = true;

	while (found) {
		found = false;
		json_object_foreach(parents, child, parent) {
			const char *name = json_string_value(parent);

			if (!vf_json_has(names, name) ||
			    vf_json_has(names, child))
				continue;
			if (orphans == SNAPSHOT_ORPHANS_REFUSE) {
				vf_err_set(err, EBUSY,
					   "snapshot %s: snapshot %s builds on "
					   "it",
					   name, child);
				vf_err_hint(err,
					    "'vmfork snapshot flatten %s' "
					    "makes that one whole; --cascade "
					    "removes it, too",
					    child);
				return -EBUSY;
			}
			json_array_append_new(names, json_string(child));
			found = true;
		}
	}
	return 0;
}

/* One that no other of them builds on. */
static size_t leaf_of(const json_t *names, const json_t *parents)
{
	size_t i, k;
	json_t *name, *other;

	json_array_foreach(names, i, name) {
		bool has_child = false;

		json_array_foreach(names, k, other)
			has_child |= json_equal(
				name,
				json_object_get(parents,
						json_string_value(other)));
		if (!has_child)
			return i;
	}
	return 0;
}

/* Take them out of sight; if this is cut short, none has lost its parent. */
static int hide_all(const struct vf_state *state, const json_t *names,
		    const json_t *parents, json_t *hidden, struct vf_err *err)
{
	__json json_t *left = json_copy((json_t *)names);
	int ret = 0;

	while (!ret && json_array_size(left)) {
		size_t i = leaf_of(left, parents);
		char path[NAME_MAX + 1];

		ret = stage_hide(state,
				 json_string_value(json_array_get(left, i)),
				 path, err);
		if (!ret)
			json_array_append_new(hidden, json_string(path));
		json_array_remove(left, i);
	}
	return ret;
}

/* All of them, whatever becomes of one; the first failure is told. */
static int bury_all(const struct vf_state *state, const json_t *hidden,
		    struct vf_err *err)
{
	int64_t deadline_us = vf_now_us() + BURY_US;
	struct vf_err why;
	json_t *path;
	size_t i;
	int ret = 0;

	json_array_foreach(hidden, i, path) {
		if (stage_bury(state, json_string_value(path), deadline_us,
			       &why) == 0 ||
		    ret < 0)
			continue;
		*err = why;
		ret = -why.num;
	}
	return ret;
}

int snapshot_remove(const struct vf_state *state, json_t *names,
		    enum snapshot_orphans orphans, struct vf_err *err)
{
	__json json_t *parents = NULL, *hidden = json_array();
	struct vf_err why;
	json_t *name;
	size_t i;
	int ret = 0, lock_fd, bury_ret;

	for (i = json_array_size(names); i-- > 0;) {
		name = json_array_get(names, i);
		ret = snapshot_exists(state, json_string_value(name), err);
		if (ret == -ENOENT &&
		    stage_is_writing(state, json_string_value(name)))
			ret = vf_err_set(err, EBUSY,
					 "snapshot %s: is being written",
					 json_string_value(name));
		if (ret < 0)
			return ret;
		if (vf_json_find(names, json_string_value(name)) < i)
			json_array_remove(names, i);
	}
	/* no layer is published meanwhile */
	lock_fd = state_lock(state, err);
	if (lock_fd < 0)
		return lock_fd;
	ret = parents_list(state, &parents, err);
	if (!ret && orphans != SNAPSHOT_ORPHANS_FORCE)
		ret = find_orphans(names, parents, orphans, err);
	if (!ret)
		ret = hide_all(state, names, parents, hidden, err);
	close(lock_fd);
	bury_ret = bury_all(state, hidden, &why);
	if (!ret && bury_ret < 0) {
		*err = why;
		ret = bury_ret;
	}
	stage_bury_left(state);
	return ret;
}

/* What is the same in both, durably: the old one's files may never have been. */
static int place_rest(const struct snapshot *s, int dir_fd, struct vf_err *err)
{
	int ret = vm_place_file(s->dir_fd, dir_fd, VMM_STATE_FILE, err);

	if (!ret)
		ret = vf_sync_file(dir_fd, VMM_STATE_FILE, err);
	if (!ret)
		ret = vm_place_boot_files(&s->hardware, s->dir_fd, dir_fd, true,
					  err);
	return ret < 0 ? ret
		       : disk_place(&s->disks, s->dir_fd, dir_fd, true, err);
}

static int write_whole(const struct chain *chain, int dir_fd, int cancel_fd,
		       struct vf_err *err)
{
	struct snapshot s = chain->links[0].snapshot;
	uint64_t offset = 0;
	int ret = chain_merge(chain, dir_fd, cancel_fd, &s.dirty_bytes, err);

	if (ret < 0)
		return ret;
	ret = place_rest(&s, dir_fd, err);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < s.image.num_regions; i++) {
		s.image.regions[i].offset = offset;
		offset += s.image.regions[i].bytes;
	}
	s.parent[0] = '\0';
	s.dir_fd = dir_fd;
	return manifest_save(&s, err);
}

/* What stands there may have been removed meanwhile, and another be called so. */
static int replace(const struct vf_state *state, const struct snapshot *old,
		   int dir_fd, char hidden[NAME_MAX + 1], struct vf_err *err)
{
	__close int lock_fd = state_lock(state, err);
	struct snapshot s;
	int ret;

	if (lock_fd < 0)
		return lock_fd;
	ret = snapshot_open(&s, state, old->name, err);
	if (!ret && memcmp(s.id, old->id, sizeof(s.id)) != 0)
		ret = vf_err_set(err, ESTALE,
				 "snapshot %s: is not the one that it was",
				 old->name);
	snapshot_close(&s);
	return ret < 0 ? ret
		       : stage_replace(state, dir_fd, old->name, hidden, err);
}

int snapshot_flatten(const struct vf_state *state, const char *name,
		     int cancel_fd, bool *done, struct vf_err *err)
{
	char hidden[NAME_MAX + 1];
	struct chain chain = { 0 };
	struct snapshot top;
	/* its state is copied, with a new crc: not if the old one is wrong */
	int ret = snapshot_open(&top, state, name, err);

	*done = false;
	if (!ret)
		ret = chain_open(&chain, state, name, top.id, err);
	snapshot_close(&top);
	if (!ret && chain.num > 1) {
		__close int dir_fd = stage_reopen(state, name, err);

		ret = dir_fd < 0 ? dir_fd
				 : write_whole(&chain, dir_fd, cancel_fd, err);
		if (!ret)
			ret = replace(state, &chain.links[0].snapshot, dir_fd,
				      hidden, err);
		if (ret < 0 && dir_fd >= 0)
			stage_discard(state, name);
		*done = ret == 0;
	}
	chain_close(&chain);
	if (*done)
		ret = stage_bury(state, hidden, vf_now_us() + BURY_US, err);
	return ret < 0 ? vf_err_wrap(err, "flatten") : 0;
}
