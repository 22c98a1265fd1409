# SPDX-License-Identifier: MIT
vmm_srcs := \
	host/vmm/migration.c \
	host/vmm/qemu.c \
	host/vmm/qemu_args.c \
	host/vmm/qemu_memory.c \
	host/vmm/qemu_vmclock.c \
	host/vmm/qmp.c \
	host/vmm/vmm.c
