/* SPDX-License-Identifier: MIT */
/*
 * Snapshots: a directory each, immutable once it is there.
 *
 *	memory, state	the engine's (vmm.h)
 *	layer, index	in place of memory, where only changes are kept (layer.h)
 *	kernel, initrd	what its forks boot when they reboot
 *	disks.json, diskD.L  the layers of its disks, all of them (disk.h)
 *	manifest.json	all else, with the sizes of the files and a crc of itself
 *
 * A snapshot is written into a hidden directory, synced, and renamed last: it
 * exists if and only if its manifest is there and verifies.
 */
#ifndef VF_SNAPSHOT_H
#define VF_SNAPSHOT_H

#include <jansson.h>

#include "core/hold.h"
#include "core/vm.h"

#define SNAPSHOT_MANIFEST_FILE "manifest.json"
#define SNAPSHOT_LAYER_FILE    "layer"
#define SNAPSHOT_INDEX_FILE    "index"
#define SNAPSHOT_ID_LEN	       VM_ORIGIN_LEN

enum snapshot_mode {
	SNAPSHOT_MODE_FULL, /* everything, while the VM is paused */
	SNAPSHOT_MODE_DIFF, /* what changed, while the VM is paused */
	SNAPSHOT_MODE_LIVE, /* everything, while the VM runs */
	SNAPSHOT_MODE_AUTO, /* only in requests: the shortest pause */
	SNAPSHOT_MODE_NUM
};

/* An interface of the source's. */
struct snapshot_nic {
	char net_name[NET_NAME_MAX + 1];
	uint8_t mac[6]; /* that the guest had */
	uint32_t mtu;	/* that it was told; 0: its own */
};

struct snapshot;

/* What is asked for. */
struct snapshot_request {
	const char *name;
	enum snapshot_mode mode;
	struct hold_wish hold;
	int cancel_fd; /* readable when the user gives up; or -1 */
	/* called once the VM runs again, with all that is known by then */
	void (*running)(const struct snapshot *snapshot, void *ctx);
	void *ctx;
};

struct snapshot {
	char name[VF_NAME_MAX + 1];
	int dir_fd;
	uint8_t id[SNAPSHOT_ID_LEN];
	char source[VF_NAME_MAX + 1];
	enum snapshot_mode mode;
	int64_t created_s; /* wall clock */
	struct vm_hardware hardware;
	struct vmm_image image;
	unsigned int num_nics;
	struct snapshot_nic nics[VM_NICS_MAX];
	uint64_t mailbox_gpa;
	/* its CLOCK_MONOTONIC as it was paused, 0: not known; how far off */
	uint64_t guest_monotonic_ns;
	int64_t monotonic_error_us;
	bool armed;	 /* its agent was looking for mail as it was paused */
	int64_t spun_us; /* for so long by then, at most; 0: it was not */
	bool quiesced;	 /* its guest was, file systems and all */
	int64_t prepare_us; /* how long its guest took to get ready; 0: did not */
	int64_t release_us; /* and to go on; 0: did not, or did not say so */
	int64_t pause_us;
	int64_t total_us;
	uint64_t dirty_bytes; /* written */
	/* of a layer: the snapshot that it changes, or an empty name */
	char parent[VF_NAME_MAX + 1];
	uint8_t parent_id[SNAPSHOT_ID_LEN];
	bool writing; /* not there yet */
	struct vmm_disks disks;
};

/**
 * snapshot_take() - Snapshot a running VM, which goes on afterwards
 * @snapshot:	out; snapshot_close() it, also after a failure
 * @state:	state directory
 * @vm:		VM
 * @request:	how
 * @err:	error
 *
 * Whatever fails, the VM is resumed and its guest released, and what was written
 * is removed.
 *
 * Return: 0 or -errno, -EEXIST if the name is taken, -ENOENT without a mailbox,
 * -ENOTUNIQ if there are several and none of them proves that it lives,
 * -EREMOTEIO if the guest could not get ready
 */
int snapshot_take(struct snapshot *snapshot, const struct vf_state *state,
		  const struct vm *vm, const struct snapshot_request *request,
		  struct vf_err *err);

/**
 * snapshot_take_detached() - snapshot_take() that returns when the VM runs again
 * @snapshot:	out: what is known by then; snapshot_close() it
 * @state:	state directory
 * @vm:		VM
 * @request:	name and mode; who wants to be called is not
 * @err:	error
 *
 * A process of its own goes on and makes it ready, or broken. Only for a
 * single-threaded caller.
 *
 * Return: see snapshot_take()
 */
int snapshot_take_detached(struct snapshot *snapshot,
			   const struct vf_state *state, const struct vm *vm,
			   const struct snapshot_request *request,
			   struct vf_err *err);

/**
 * snapshot_await() - Wait while a snapshot that is not there is being written
 * @state:		state directory
 * @name:		name
 * @deadline_us:	on vf_now_us()'s clock; 0: do not wait, say so
 * @cancel_fd:		readable when the user gives up; or -1
 * @err:		error
 *
 * Return: 0 if it is there, or nobody writes it (any more), -EBUSY, -ETIMEDOUT,
 * -ECANCELED, -errno
 */
int snapshot_await(const struct vf_state *state, const char *name,
		   int64_t deadline_us, int cancel_fd, struct vf_err *err);

/**
 * snapshot_set_nics() - Note the interfaces of a snapshot's source
 * @snapshot:	snapshot
 * @vm:		source
 */
void snapshot_set_nics(struct snapshot *snapshot, const struct vm *vm);

/**
 * snapshot_open() - Open a snapshot and verify its manifest
 * @snapshot:	out; snapshot_close() it, also after a failure
 * @state:	state directory
 * @name:	name
 * @err:	error
 *
 * Until it is closed its files are there, whoever removes or replaces it.
 *
 * Return: 0 or -errno, -ENOENT if there is none, -EBADMSG if it does not verify
 */
int snapshot_open(struct snapshot *snapshot, const struct vf_state *state,
		  const char *name, struct vf_err *err);

/**
 * snapshot_open_link() - snapshot_open() for its memory and its identity only
 * @snapshot:	out; snapshot_close() it, also after a failure
 * @state:	state directory
 * @name:	name
 * @err:	error
 *
 * For the links of a chain: the device state, of which each fork loads only the
 * top one's, is neither read nor verified.
 *
 * Return: see snapshot_open()
 */
int snapshot_open_link(struct snapshot *snapshot, const struct vf_state *state,
		       const char *name, struct vf_err *err);

/**
 * snapshot_close() - Close it
 * @snapshot:	snapshot
 */
void snapshot_close(struct snapshot *snapshot);

/**
 * snapshot_exists() - Is there a snapshot of that name, whole or broken?
 * @state:	state directory
 * @name:	name
 * @err:	error
 *
 * Return: 0, -ENOENT, -EINVAL for a name that cannot be
 */
int snapshot_exists(const struct vf_state *state, const char *name,
		    struct vf_err *err);

/* What becomes of the snapshots that build on those that are removed. */
enum snapshot_orphans {
	SNAPSHOT_ORPHANS_REFUSE,
	SNAPSHOT_ORPHANS_CASCADE, /* they are removed, too */
	SNAPSHOT_ORPHANS_FORCE,	  /* they are left, and are of no use */
};

/**
 * snapshot_remove() - Remove snapshots; running forks are not disturbed
 * @state:	state directory
 * @names:	which, an array of strings; out: all that were removed, too
 * @orphans:	what to do with those that build on them
 * @err:	error
 *
 * All or none: what is wrong is found before anything is gone.
 *
 * Return: 0 or -errno, -ENOENT if there is none, -EBUSY if another builds on it,
 * or it is being written
 */
int snapshot_remove(const struct vf_state *state, json_t *names,
		    enum snapshot_orphans orphans, struct vf_err *err);

/**
 * snapshot_flatten() - Make a layer a whole snapshot, which needs no parent
 * @state:	state directory
 * @name:	name
 * @cancel_fd:	readable when the user gives up; or -1
 * @done:	out: false if it was whole
 * @err:	error
 *
 * It keeps its id: what builds on it still does.
 *
 * Return: 0 or -errno
 */
int snapshot_flatten(const struct vf_state *state, const char *name,
		     int cancel_fd, bool *done, struct vf_err *err);

/**
 * snapshot_list() - All snapshots, also those being written or broken
 * @state:	state directory
 * @out:	out: array of what snapshot_describe() gives, a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int snapshot_list(const struct vf_state *state, json_t **out,
		  struct vf_err *err);

/**
 * snapshot_describe() - A snapshot as its user sees it
 * @snapshot:	snapshot
 *
 * Return: an object (name, mode, status, pause_us, total_us, dirty_bytes,
 * memory_bytes, armed, spun_us, quiesced, prepare_us, release_us, source, created, id, engine,
 * accel), a new reference
 */
json_t *snapshot_describe(const struct snapshot *snapshot);

/**
 * snapshot_gc() - Remove what killed commands left half written
 * @state:	state directory
 * @removed:	array; a line of text is appended for each
 * @err:	error
 *
 * Return: 0 or -errno
 */
int snapshot_gc(const struct vf_state *state, json_t *removed,
		struct vf_err *err);

/**
 * snapshot_mode_name() - A mode's name on the command line and in JSON
 * @mode:	mode
 *
 * Return: a literal
 */
const char *snapshot_mode_name(enum snapshot_mode mode);

/**
 * snapshot_mode_parse() - The reverse
 * @mode:	out
 * @name:	name
 *
 * Return: 0 or -EINVAL
 */
int snapshot_mode_parse(enum snapshot_mode *mode, const char *name);

#endif
