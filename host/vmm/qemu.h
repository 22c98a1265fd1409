/* SPDX-License-Identifier: MIT */
/* What the parts of the QEMU engine share; nobody else includes this. */
#ifndef VF_QEMU_H
#define VF_QEMU_H

#include "vmm/qmp.h"
#include "vmm/vmm.h"

#define QEMU_QMP_SOCKET	    "qmp.sock"
#define QEMU_RAM_BLOCK	    "ram" /* id of the memory backend */
#define QEMU_VERSION_NEEDED 10
#define QEMU_ARGS_MAX	    96

/* A connected QEMU: struct vmm.priv. */
struct qemu {
	struct qmp qmp;
	uint64_t page_gpa; /* the page of guest memory that was sought last */
	uint64_t page_hva; /* where it stands in QEMU; 0: none was found */
	struct vmm_memory memory; /* of 0 bytes: was not asked for yet */
};

/* A command line that is being put together. It owns its strings. */
struct qemu_args {
	char *argv[QEMU_ARGS_MAX + 1];
	unsigned int num;
	int fds[16]; /* that QEMU inherits; the caller's */
	unsigned int num_fds;
	bool failed; /* no memory, or no room */
};

/**
 * qemu_program() - Which QEMU to run
 *
 * Return: $VMFORK_QEMU, or the name to be looked up in PATH
 */
const char *qemu_program(void);

/**
 * qemu_layer_node() - A layer of a disk as QEMU is to open it
 * @dir:	path of its directory, which QEMU goes on to use
 * @disk:	disk
 * @layer:	layer
 * @is_durable:	see struct vmm_disks
 *
 * Return: an object, a new reference, or NULL
 */
json_t *qemu_layer_node(const char *dir, unsigned int disk, unsigned int layer,
			bool is_durable);

/**
 * qemu_args_init() - Put a command line together
 * @args:	out: it; qemu_args_exit() it, also after a failure
 * @spec:	what to start
 * @run_fd:	run directory, with the layers of its disks
 * @qmp_fd:	listening socket of the control interface
 * @console_fd: listening socket of the console
 * @memory_fd:	memory file of the image, or -1
 *
 * Return: 0 or -ENOMEM
 */
int qemu_args_init(struct qemu_args *args, const struct vmm_spec *spec,
		   int run_fd, int qmp_fd, int console_fd, int memory_fd);

/**
 * qemu_args_exit() - Free it
 * @args:	command line
 */
void qemu_args_exit(struct qemu_args *args);

/**
 * qemu_soon() - When a command that QEMU answers at once should be answered
 *
 * Return: a deadline on vf_now_us()'s clock
 */
int64_t qemu_soon(void);

/**
 * qemu_client() - The control connection of a VM
 * @vmm:	connected engine
 *
 * Return: it, with the present descriptor by which the user gives up
 */
struct qmp *qemu_client(struct vmm *vmm);

/**
 * qemu_capability() - The command that switches a capability of QEMU's migration
 * @name:	capability
 * @on:		to what
 *
 * Return: it, for qmp_execute_all()
 */
struct qmp_command qemu_capability(const char *name, bool on);

/**
 * qemu_set_capability() - Switch a capability of QEMU's migration
 * @qmp:	connection
 * @name:	capability
 * @on:		to what
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qemu_set_capability(struct qmp *qmp, const char *name, bool on,
			struct vf_err *err);

/**
 * qemu_path() - The path of a file as QEMU can open it
 * @dir_fd:	its directory
 * @name:	file
 * @path:	out
 * @size:	room in @path
 *
 * Return: 0 or -errno
 */
int qemu_path(int dir_fd, const char *name, char *path, size_t size);

/**
 * qemu_channel() - The argument that names a file as the channel of a migration
 * @dir_fd:	its directory
 * @name:	file
 *
 * Return: an object, a new reference, or NULL
 */
json_t *qemu_channel(int dir_fd, const char *name);

/**
 * qemu_migration_wait() - Wait for a migration's end, whichever direction it has
 * @qmp:	connection
 * @deadline_us: on vf_now_us()'s clock
 * @err:	error
 *
 * Return: 0 or -errno, -EIO if it failed (its reason in @err)
 */
int qemu_migration_wait(struct qmp *qmp, int64_t deadline_us,
			struct vf_err *err);

/**
 * qemu_save_open() - Make QEMU ready to save the VM
 * @vmm:	VM
 * @image_fd:	directory in which VMM_MEMORY_FILE is made
 * @live:	while the VM runs
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qemu_save_open(struct vmm *vmm, int image_fd, bool live,
		   struct vf_err *err);

/**
 * qemu_save_close() - Undo qemu_save_open(), whatever became of the save
 * @qmp:	connection
 * @unfinished:	it may not have ended, and shall
 */
void qemu_save_close(struct qmp *qmp, bool unfinished);

/* Operations of the engine: see struct vmm_ops. */
int qemu_save(struct vmm *vmm, int image_fd, int64_t deadline_us,
	      struct vf_err *err);
int qemu_cancel(struct vmm *vmm, struct vf_err *err);
int qemu_finish(int image_fd, const struct vmm_config *config,
		struct vmm_image *image, struct vf_err *err);
int qemu_live_check(struct vmm *vmm, struct vf_err *err);
int qemu_live_open(struct vmm *vmm, int image_fd, struct vf_err *err);
int qemu_live_begin(struct vmm *vmm, int image_fd,
		    const struct vmm_disks *disks,
		    const struct vmm_begun *begun, struct vmm_pause *pause,
		    int64_t deadline_us, struct vf_err *err);
int qemu_live_end(struct vmm *vmm, int image_fd, int64_t deadline_us,
		  struct vf_err *err);

/**
 * qemu_sweep() - Copy memory that QEMU saves live, faster than it does
 * @vmm:	VM
 * @image_fd:	directory of the image
 * @deadline_us: on vf_now_us()'s clock
 * @ours:	out: pages that stand in VMM_SWEPT_FILE, as they have to stand in
 *		VMM_MEMORY_FILE; extents_exit() it, also after a failure
 * @err:	error
 *
 * Where it cannot be done there are none, or not all, and no error: then QEMU
 * does the rest.
 *
 * Return: 0 or -errno: the image is of no use
 */
int qemu_sweep(struct vmm *vmm, int image_fd, int64_t deadline_us,
	       struct extents *ours, struct vf_err *err);

/**
 * qemu_sweep_merge() - Make one file of what we have and what QEMU has written
 * @image_fd:	directory of the image, whose VMM_SWEPT_FILE then has gone
 * @ours:	from qemu_sweep()
 * @cancel_fd:	readable when the user gives up; or -1
 * @err:	error
 *
 * Return: 0 or -errno
 */
int qemu_sweep_merge(int image_fd, const struct extents *ours, int cancel_fd,
		     struct vf_err *err);
int qemu_memory(struct vmm *vmm, struct vmm_memory *memory, struct vf_err *err);
int qemu_devices_open(struct vmm *vmm, struct vmm_devices **devices,
		      struct vf_err *err);
int qemu_devices_begin(struct vmm *vmm, struct vmm_devices *devices,
		       int image_fd, struct vf_err *err);
int qemu_devices_end(struct vmm *vmm, struct vmm_devices *devices,
		     struct vf_err *err);
int qemu_devices_finish(struct vmm_devices *devices, int image_fd,
			const struct vmm_config *config,
			struct vmm_image *image, struct vf_err *err);
void qemu_devices_close(struct vmm_devices *devices);
int qemu_disk_probe(const char *path, enum vmm_format *format, uint64_t *bytes,
		    struct vf_err *err);
int qemu_disk_create(int dir_fd, unsigned int disk, unsigned int layer,
		     const char *image, enum vmm_format format, uint64_t bytes,
		     struct vf_err *err);
int qemu_disks_query(struct vmm *vmm, struct vmm_disks *disks,
		     struct vf_err *err);
int qemu_disks_add(struct vmm *vmm, const struct vmm_disks *disks,
		   struct vf_err *err);
void qemu_disks_drop(struct vmm *vmm, const struct vmm_disks *disks);
int qemu_disks_pivot(struct vmm *vmm, const struct vmm_disks *disks,
		     struct vf_err *err);
int qemu_pause(struct vmm *vmm, int64_t *at_us, struct vf_err *err);
int qemu_resume(struct vmm *vmm, int64_t *at_us, struct vf_err *err);

/**
 * qemu_memory_find() - Where does guest memory stand in QEMU's address space?
 * @qmp:	connection
 * @block:	the memory block that it has to belong to
 * @gpa:	guest-physical address
 * @hva:	out: QEMU's address, good to the end of the guest's page
 * @err:	error
 *
 * Return: 0 or -errno, -EFAULT if there is no such memory
 */
int qemu_memory_find(struct qmp *qmp, const char *block, uint64_t gpa,
		     uint64_t *hva, struct vf_err *err);

/**
 * qemu_peek() - See struct vmm_ops
 */
int qemu_peek(struct vmm *vmm, uint64_t gpa, void *buf, size_t len,
	      struct vf_err *err);

/**
 * qemu_poke() - See struct vmm_ops
 */
int qemu_poke(struct vmm *vmm, uint64_t gpa, const void *buf, size_t len,
	      struct vf_err *err);

/**
 * qemu_locate() - See struct vmm_ops
 */
int qemu_locate(struct vmm *vmm, uint64_t gpa, uint64_t *hva,
		struct vf_err *err);

/**
 * qemu_recall() - See struct vmm_ops
 */
void qemu_recall(struct vmm *vmm, uint64_t gpa, uint64_t hva);

/**
 * qemu_layout() - Where guest memory stands in a file that holds it as one piece
 * @offset:	where that piece begins in the file, bytes
 * @bytes:	its size
 * @image:	out: regions
 */
void qemu_layout(uint64_t offset, uint64_t bytes, struct vmm_image *image);

/**
 * qemu_vmclock_enable() - Give the VMClock a generation counter
 * @vmm:	VM that has not run yet
 * @err:	error
 *
 * Return: 0, also where there is no VMClock, or -errno
 */
int qemu_vmclock_enable(struct vmm *vmm, struct vf_err *err);

/**
 * qemu_vmclock_raise() - Raise that counter: the VM was restored
 * @vmm:	VM that was loaded and has not run yet
 * @err:	error
 *
 * Return: 0, also where there is no VMClock or it has no counter, or -errno
 */
int qemu_vmclock_raise(struct vmm *vmm, struct vf_err *err);

#endif
