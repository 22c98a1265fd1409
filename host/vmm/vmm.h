/* SPDX-License-Identifier: MIT */
/*
 * Engines. The contract between the core and a VMM: one const table of
 * operations per engine, all of whose knowledge of that VMM stays in its file.
 * All of them are there; what an engine cannot do returns -ENOTSUP.
 */
#ifndef VF_VMM_H
#define VF_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/extent.h"
#include "base/process.h"
#include "vmm/disk.h"
#include "vmm/memory.h"

#define VMM_NICS_MAX	4
#define VMM_REGIONS_MAX 2

/* Files in a run directory that every engine uses. */
#define VMM_CONSOLE_SOCKET "console.sock"
#define VMM_ENGINE_LOG	   "engine.log"

/* Files of a snapshot. */
#define VMM_MEMORY_FILE "memory"
#define VMM_STATE_FILE	"state"

/* While it is taken: of devices, without memory; memory, without devices. */
#define VMM_DEVICES_FILE "devices"
#define VMM_SWEPT_FILE	 "swept"

enum vmm_accel {
	VMM_ACCEL_AUTO, /* only in requests, never in a running VM */
	VMM_ACCEL_TCG,
	VMM_ACCEL_KVM,
	VMM_ACCEL_NUM
};

/* What a machine is made of: the same for a source and its forks. */
struct vmm_config {
	char machine[64]; /* versioned machine type; empty: the newest */
	enum vmm_accel accel;
	unsigned int cpus;
	uint64_t memory_bytes;
	bool has_vmclock;
};

/* Where a stretch of guest memory stands in an image's memory file. */
struct vmm_region {
	uint64_t gpa;
	uint64_t offset;
	uint64_t bytes;
};

/* A saved VM. */
struct vmm_image {
	char machine[64];
	unsigned int num_regions;
	struct vmm_region regions[VMM_REGIONS_MAX];
};

struct vmm_nic {
	int tap_fd;
	uint8_t mac[6];
};

/* What to start. The descriptors are the caller's, who closes them afterwards. */
struct vmm_spec {
	const char *name;
	const struct vmm_config *config;
	const char *append; /* kernel command line */
	int kernel_fd;	    /* -1: the firmware boots the first disk */
	int initrd_fd;	    /* -1: none */
	int mail_fd;	    /* mail at boot; -1: none */
	unsigned int num_nics;
	struct vmm_nic nics[VMM_NICS_MAX];
	const struct vmm_disks *disks; /* their layers: in the run directory */
	int image_fd;		       /* directory of the image; -1: boot */
	const struct vmm_image *image; /* NULL: boot */
};

/* When the vCPUs stood still, on vf_now_us()'s clock. */
struct vmm_pause {
	int64_t asked_us; /* they ran until then, at least */
	int64_t paused_us;
	int64_t resumed_us;
};

/* Somebody who hears that an engine was told to begin, as soon as it was. */
struct vmm_begun {
	void (*cb)(void *ctx);
	void *ctx;
};

/* A paused VM's devices on their way into an image: the engine's. */
struct vmm_devices;

enum vmm_state {
	VMM_STATE_RUNNING,
	VMM_STATE_PAUSED,
	VMM_STATE_STARVED, /* paused: there was no room for what it writes */
	VMM_STATE_LOADING, /* waits for its image */
	VMM_STATE_BROKEN,  /* the accelerator gave up on it */
};

/* A running engine as one command sees it. */
struct vmm {
	const struct vmm_ops *ops;
	struct process proc;
	int run_fd;    /* the caller's: run directory */
	int cancel_fd; /* the caller's: readable when the user gives up; or -1 */
	void *priv;    /* the engine's */
};

/**
 * struct vmm_ops - What an engine can do
 *
 * All but spawn and check work on a connected VM. Deadlines are on
 * vf_now_us()'s clock. All return 0 or -errno with @err set.
 */
struct vmm_ops {
	const char *name;

	/** @check: is the engine there, and new enough? Its version in words. */
	int (*check)(char *version, size_t size, struct vf_err *err);

	/**
	 * @spawn: start the process, which then waits for @boot or, with an
	 * image, for @load. It outlives the caller; vmm->proc is set.
	 */
	int (*spawn)(struct vmm *vmm, const struct vmm_spec *spec,
		     struct vf_err *err);

	/** @connect: reach the control interface, waiting until it is up. */
	int (*connect)(struct vmm *vmm, int64_t deadline_us,
		       struct vf_err *err);

	/** @disconnect: let go of it; the VM goes on. */
	void (*disconnect)(struct vmm *vmm);

	/** @boot: let a VM that was spawned without an image run. */
	int (*boot)(struct vmm *vmm, struct vf_err *err);

	/** @load: load an image's state; afterwards the VM is paused. */
	int (*load)(struct vmm *vmm, int image_fd, int64_t deadline_us,
		    struct vf_err *err);

	/** @peek: read guest memory, within one page, running or not. */
	int (*peek)(struct vmm *vmm, uint64_t gpa, void *buf, size_t len,
		    struct vf_err *err);

	/** @poke: write guest memory, within one page, running or not. */
	int (*poke)(struct vmm *vmm, uint64_t gpa, const void *buf, size_t len,
		    struct vf_err *err);

	/** @locate: where a page of guest memory is in the engine's process */
	int (*locate)(struct vmm *vmm, uint64_t gpa, uint64_t *hva,
		      struct vf_err *err);

	/** @recall: what @locate said of a page before; it is not asked again */
	void (*recall)(struct vmm *vmm, uint64_t gpa, uint64_t hva);

	/** @pause: stop the vCPUs; @at_us: when they stood. */
	int (*pause)(struct vmm *vmm, int64_t *at_us, struct vf_err *err);

	/** @resume: let the vCPUs run; @at_us: when they did. */
	int (*resume)(struct vmm *vmm, int64_t *at_us, struct vf_err *err);

	/** @save: write a paused VM's memory and state into a directory. */
	int (*save)(struct vmm *vmm, int image_fd, int64_t deadline_us,
		    struct vf_err *err);

	/**
	 * @cancel: give up a save that a command began which has gone since;
	 * its end would pause the VM again. Nothing to give up is no error;
	 * -ETIMEDOUT: it goes on, and may pause the VM yet.
	 */
	int (*cancel)(struct vmm *vmm, struct vf_err *err);

	/**
	 * @finish: make what @save wrote loadable and say where memory stands.
	 * Needs no connection: the VM may run again.
	 */
	int (*finish)(int image_fd, const struct vmm_config *config,
		      struct vmm_image *image, struct vf_err *err);

	/**
	 * @live_check: can this VM be saved while it runs? Its memory has to be
	 * such that the kernel can write-protect it. -ENOTSUP if not.
	 */
	int (*live_check)(struct vmm *vmm, struct vf_err *err);

	/**
	 * @live_open: make ready for @live_begin, all that needs no haste.
	 * @live_end, also after a failure.
	 */
	int (*live_open)(struct vmm *vmm, int image_fd, struct vf_err *err);

	/**
	 * @live_begin: begin to save a running VM. The engine pauses it itself,
	 * for a moment; afterwards it runs, and the image becomes that moment's.
	 * So do its @disks: those that are pivoted then, see @disks_pivot. It
	 * prepares before it pauses, and @begun hears as that begins; with disks
	 * the pause comes first, and nobody hears.
	 */
	int (*live_begin)(struct vmm *vmm, int image_fd,
			  const struct vmm_disks *disks,
			  const struct vmm_begun *begun,
			  struct vmm_pause *pause, int64_t deadline_us,
			  struct vf_err *err);

	/**
	 * @live_end: wait until it is saved; @finish does the rest. With a
	 * deadline that is over, or after a failure, it is given up.
	 */
	int (*live_end)(struct vmm *vmm, int image_fd, int64_t deadline_us,
			struct vf_err *err);

	/**
	 * @memory: where guest memory is; it stays there while the VM lives.
	 * Whether it has a base is for the caller to say.
	 */
	int (*memory)(struct vmm *vmm, struct vmm_memory *memory,
		      struct vf_err *err);

	/** @devices_open: all that can be done before the pause */
	int (*devices_open)(struct vmm *vmm, struct vmm_devices **devices,
			    struct vf_err *err);

	/**
	 * @devices_begin: begin to save a paused VM's devices, not its memory,
	 * into a directory; it must not run before @devices_end
	 */
	int (*devices_begin)(struct vmm *vmm, struct vmm_devices *devices,
			     int image_fd, struct vf_err *err);
	int (*devices_end)(struct vmm *vmm, struct vmm_devices *devices,
			   struct vf_err *err);

	/**
	 * @devices_finish: make what was saved loadable; the VM may run again.
	 * @image: out: machine, and regions as if memory began at offset 0
	 */
	int (*devices_finish)(struct vmm_devices *devices, int image_fd,
			      const struct vmm_config *config,
			      struct vmm_image *image, struct vf_err *err);

	void (*devices_close)(struct vmm_devices *devices);

	/**
	 * @disk_probe: what is in an image that somebody gave? @format says
	 * what it is meant to be, and what it is.
	 */
	int (*disk_probe)(const char *path, enum vmm_format *format,
			  uint64_t *bytes, struct vf_err *err);

	/**
	 * @disk_create: make an empty layer, on an image or, where that is
	 * NULL, on the layer below; no VM is needed
	 */
	int (*disk_create)(int dir_fd, unsigned int disk, unsigned int layer,
			   const char *image, enum vmm_format format,
			   uint64_t bytes, struct vf_err *err);

	/** @disks_query: how many layers has each by now? */
	int (*disks_query)(struct vmm *vmm, struct vmm_disks *disks,
			   struct vf_err *err);

	/** @disks_add: get ready for one layer more, which is there */
	int (*disks_add)(struct vmm *vmm, const struct vmm_disks *disks,
			 struct vf_err *err);

	/** @disks_drop: undo it; nothing to undo is no error */
	void (*disks_drop)(struct vmm *vmm, const struct vmm_disks *disks);

	/**
	 * @disks_pivot: what a paused VM writes from here on goes to the layer
	 * that was added; the one below does not change any more
	 */
	int (*disks_pivot)(struct vmm *vmm, const struct vmm_disks *disks,
			   struct vf_err *err);

	/** @query: what the VM is doing. */
	int (*query)(struct vmm *vmm, enum vmm_state *state,
		     struct vf_err *err);
};

extern const struct vmm_ops qemu_ops;

/* Something that the kernel has, or has not. */
struct vmm_check {
	const char *name; /* a literal */
	bool ok;
	char detail[192]; /* what is lacking without it */
};

#define VMM_CHECKS_MAX 8

/**
 * vmm_check() - What the kernel here lacks of what branches need
 * @checks:	out: userfaultfd, live for booted VMs and for forks, PAGEMAP_SCAN,
 *		collapse
 * @room:	for so many
 *
 * Return: how many there are
 */
unsigned int vmm_check(struct vmm_check *checks, unsigned int room);

/**
 * vmm_find() - Find an engine
 * @name:	its name
 *
 * Return: its operations, or NULL
 */
const struct vmm_ops *vmm_find(const char *name);

/**
 * vmm_accel_name() - An accelerator's name on the command line and in records
 * @accel:	accelerator
 *
 * Return: a literal
 */
const char *vmm_accel_name(enum vmm_accel accel);

/**
 * vmm_accel_parse() - The reverse
 * @accel:	out
 * @name:	name
 *
 * Return: 0 or -EINVAL
 */
int vmm_accel_parse(enum vmm_accel *accel, const char *name);

/**
 * vmm_image_gpa() - Which guest-physical address stands at a file offset?
 * @image:	image
 * @offset:	in its memory file
 * @gpa:	out
 *
 * Return: 0, or -ENOENT if the offset belongs to no guest memory
 */
int vmm_image_gpa(const struct vmm_image *image, uint64_t offset,
		  uint64_t *gpa);

/**
 * vmm_revive() - Have a VM run, whatever became of a save of it
 * @vmm:	connected engine
 * @err:	error
 *
 * A failure inside a pause leaves it paused, and one that comes before may pause
 * it later, as long as the engine has not given up. If that cannot be known it is
 * resumed all the same. One that stands still for want of room stays so.
 *
 * Return: 0 or -errno
 */
int vmm_revive(struct vmm *vmm, struct vf_err *err);

#endif
