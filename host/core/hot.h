/* SPDX-License-Identifier: MIT */
/*
 * Hot pages: which pages of guest memory a snapshot's forks use, so that later
 * ones have them brought in before they run. Two lists in the snapshot's
 * directory (pagelist.h), the only files of it that may come and go:
 *
 *	hot.acked	what its first fork used until it was acked: made by the
 *			way, by whoever forks a snapshot that has none
 *	hot.mark	what a fork had used when the user said so
 *
 * They are advice. One that does not verify is as good as none, and they are not
 * synced. What a guest uses is up to the guest: both are bounded.
 *
 * In an image that lies in memory (tmpfs) nothing has to be brought in: no list
 * is made.
 */
#ifndef VF_HOT_H
#define VF_HOT_H

#include <jansson.h>

#include "core/chain.h"

enum hot_list { HOT_ACKED, HOT_MARK, HOT_NUM };

/**
 * hot_check() - Would a list of a snapshot's be of any use?
 * @snapshot:	snapshot
 * @err:	error
 *
 * Return: 0, -ENOTSUP if its image lies in memory
 */
int hot_check(const struct snapshot *snapshot, struct vf_err *err);

/**
 * hot_bound() - Cut a list to what is brought in fast
 * @pages:	list: runs that lie close to each other are joined, as long as at
 *		least half of one is used; then, of too many, the longest ones are
 *		kept
 * @list:	which one: HOT_ACKED 64 MiB in 4096 runs, HOT_MARK four times that
 */
void hot_bound(struct extents *pages, enum hot_list list);

/**
 * hot_scan() - Which pages of its image has a fork used?
 * @vmm:	fork, which need not be connected
 * @chain:	its snapshot
 * @may_ask:	false: its engine is not asked where it has its memory, for which
 *		one may have to wait; then on few file systems it is not found
 * @pages:	out, counted from memory's beginning, without those of layers,
 *		which are at hand in any fork; extents_exit() it, also after a
 *		failure
 * @err:	error
 *
 * Return: 0 or -errno
 */
int hot_scan(struct vmm *vmm, const struct chain *chain, bool may_ask,
	     struct extents *pages, struct vf_err *err);

/**
 * hot_save() - Keep a list
 * @snapshot:	snapshot
 * @list:	which one
 * @pages:	what it is to hold
 * @replace:	true: in place of one that is there, which stays if that fails,
 *		not by two at once; false: one that is there stays, and of several
 *		that do so at once the first one wins
 * @err:	error
 *
 * Return: 0 or -errno
 */
int hot_save(const struct snapshot *snapshot, enum hot_list list,
	     const struct extents *pages, bool replace, struct vf_err *err);

/**
 * hot_load() - Read a list
 * @snapshot:	snapshot
 * @list:	which one
 * @pages:	out; extents_exit() it, also after a failure
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is none, -EBADMSG if it does not verify,
 * -EPROTONOSUPPORT if another version of the command has written it
 */
int hot_load(const struct snapshot *snapshot, enum hot_list list,
	     struct extents *pages, struct vf_err *err);

/**
 * hot_forget() - Remove a list
 * @snapshot:	snapshot
 * @list:	which one
 *
 * Return: 0, also if there is none, or -errno
 */
int hot_forget(const struct snapshot *snapshot, enum hot_list list);

/**
 * hot_record() - Scan a fork and keep what it used
 * @vmm:	see hot_scan()
 * @chain:	its snapshot, which is the top one
 * @list:	which one
 * @replace:	see hot_save(); false: the engine is not asked, see hot_scan()
 * @err:	error
 *
 * Return: 0 or -errno
 */
int hot_record(struct vmm *vmm, const struct chain *chain, enum hot_list list,
	       bool replace, struct vf_err *err);

/**
 * hot_mark() - What a fork has used by now becomes the list HOT_MARK
 * @state:	state directory
 * @snapshot:	snapshot
 * @vm:		a fork of it that lives
 * @cancel_fd:	readable when the user gives up; or -1
 * @err:	error
 *
 * Return: 0 or -errno, -ESTALE if it is no fork of that snapshot, -ENOTSUP if a
 * list would be of no use
 */
int hot_mark(const struct vf_state *state, const struct snapshot *snapshot,
	     const struct vm *vm, int cancel_fd, struct vf_err *err);

/**
 * hot_describe() - A snapshot's lists as its user sees them
 * @snapshot:	snapshot
 *
 * Return: an array of objects (list, runs, bytes, error), one for each that is
 * there, a new reference
 */
json_t *hot_describe(const struct snapshot *snapshot);

#endif
