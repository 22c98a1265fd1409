/* SPDX-License-Identifier: MIT */
/* What the parts of the QEMU engine share; nobody else includes this. */
#ifndef VF_QEMU_H
#define VF_QEMU_H

#include "vmm/vmm.h"

#define QEMU_QMP_SOCKET	    "qmp.sock"
#define QEMU_RAM_BLOCK	    "ram" /* id of the memory backend */
#define QEMU_VERSION_NEEDED 10
#define QEMU_ARGS_MAX	    80

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
 * qemu_args_init() - Put a command line together
 * @args:	out: it; qemu_args_exit() it, also after a failure
 * @spec:	what to start
 * @qmp_fd:	listening socket of the control interface
 * @console_fd: listening socket of the console
 * @log_fd:	file that receives the console's output
 * @memory_fd:	memory file of the image, or -1
 *
 * Return: 0 or -ENOMEM
 */
int qemu_args_init(struct qemu_args *args, const struct vmm_spec *spec,
		   int qmp_fd, int console_fd, int log_fd, int memory_fd);

/**
 * qemu_args_exit() - Free it
 * @args:	command line
 */
void qemu_args_exit(struct qemu_args *args);

#endif
