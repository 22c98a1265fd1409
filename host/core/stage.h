/* SPDX-License-Identifier: MIT */
/*
 * The place where a snapshot is put together: a hidden directory beside the
 * finished ones, with a mark of the process that writes it.
 */
#ifndef VF_STAGE_H
#define VF_STAGE_H

#include <limits.h>

#include "base/json.h"
#include "base/process.h"
#include "core/state.h"

/**
 * stage_check_name() - May a snapshot be called that?
 * @name:	name
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int stage_check_name(const char *name, struct vf_err *err);

/**
 * stage_open() - Make the hidden directory of a snapshot to be
 * @state:	state directory
 * @name:	name of the snapshot
 * @err:	error
 *
 * What a killed command left of an earlier attempt is removed.
 *
 * Return: its descriptor, which the caller closes, or -errno, -EEXIST if the
 * snapshot exists, -EBUSY if it is being written
 */
int stage_open(const struct vf_state *state, const char *name,
	       struct vf_err *err);

/**
 * stage_reopen() - stage_open() for a snapshot that exists and is to be replaced
 * @state:	state directory
 * @name:	name of the snapshot
 * @err:	error
 *
 * Return: see stage_open()
 */
int stage_reopen(const struct vf_state *state, const char *name,
		 struct vf_err *err);

/**
 * stage_replace() - stage_publish() in the place of the one that exists
 * @state:	state directory
 * @stage_fd:	from stage_reopen()
 * @name:	name of the snapshot
 * @hidden:	out: where the old one stands now, for stage_bury()
 * @err:	error
 *
 * The state has to be locked, and what stands there to be the one that is meant.
 *
 * Return: 0 or -errno
 */
int stage_replace(const struct vf_state *state, int stage_fd, const char *name,
		  char hidden[NAME_MAX + 1], struct vf_err *err);

/**
 * stage_enter() - Open the directory of a snapshot that exists
 * @state:	state directory
 * @name:	name of the snapshot
 *
 * Whoever removes or replaces it leaves its files until this is closed.
 *
 * Return: its descriptor, which the caller closes, or -errno
 */
int stage_enter(const struct vf_state *state, const char *name);

/**
 * stage_hide() - Take a snapshot out of sight, so that no half of it is ever seen
 * @state:	state directory, locked
 * @name:	name of the snapshot
 * @hidden:	out: where it stands now, for stage_bury()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int stage_hide(const struct vf_state *state, const char *name,
	       char hidden[NAME_MAX + 1], struct vf_err *err);

/**
 * stage_bury() - Remove what was hidden, once nobody reads it any more
 * @state:		state directory; not locked, for this may take time
 * @hidden:		where it stands
 * @deadline_us:	on vf_now_us()'s clock; then it is left to gc
 * @err:		error
 *
 * Return: 0 or -errno
 */
int stage_bury(const struct vf_state *state, const char *hidden,
	       int64_t deadline_us, struct vf_err *err);

/**
 * stage_bury_left() - Remove hidden directories that were still read, and are not
 * any more
 * @state:	state directory
 *
 * Nobody else would look for them but gc: no command was killed. What has been
 * hidden is nobody's, so this needs no lock.
 */
void stage_bury_left(const struct vf_state *state);

/**
 * stage_publish() - Make the snapshot exist: all is in place and synced
 * @state:	state directory
 * @stage_fd:	from stage_open()
 * @name:	name of the snapshot
 * @err:	error
 *
 * Return: 0 or -errno
 */
int stage_publish(const struct vf_state *state, int stage_fd, const char *name,
		  struct vf_err *err);

/**
 * stage_discard() - Remove the hidden directory
 * @state:	state directory
 * @name:	name of the snapshot
 */
void stage_discard(const struct vf_state *state, const char *name);

/**
 * stage_is_writing() - Does somebody write that snapshot?
 * @state:	state directory
 * @name:	name of the snapshot
 *
 * Return: true if so
 */
bool stage_is_writing(const struct vf_state *state, const char *name);

/**
 * stage_writer() - Who writes that snapshot?
 * @state:	state directory
 * @name:	name of the snapshot
 * @writer:	out: process_close() it if this returns 1
 *
 * Return: 1 if somebody does, 0 if nobody, -errno if that cannot be told
 */
int stage_writer(const struct vf_state *state, const char *name,
		 struct process *writer);

/**
 * stage_break() - Make a snapshot that says why it is none
 * @state:	state directory
 * @name:	name of the snapshot, which nobody writes any more
 * @why:	in words
 *
 * For one that was promised to somebody who has gone. Room for it is waited for, ten
 * seconds; if even then it cannot be written, there is none.
 */
void stage_break(const struct vf_state *state, const char *name,
		 const char *why);

/**
 * stage_why_broken() - Why is it none?
 * @dir_fd:	the snapshot's directory
 * @err:	out, if stage_break() made it
 *
 * Return: true if that made it
 */
bool stage_why_broken(int dir_fd, struct vf_err *err);

/**
 * stage_list() - The snapshots that are being written
 * @state:	state directory
 * @names:	out: array of their names, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int stage_list(const struct vf_state *state, json_t **names,
	       struct vf_err *err);

#endif
