# SPDX-License-Identifier: MIT
vmm_srcs := \
	host/vmm/check.c \
	host/vmm/copy.c \
	host/vmm/memory.c \
	host/vmm/migration.c \
	host/vmm/pagemap.c \
	host/vmm/qcow2.c \
	host/vmm/qemu.c \
	host/vmm/qemu_args.c \
	host/vmm/qemu_devices.c \
	host/vmm/qemu_disks.c \
	host/vmm/qemu_live.c \
	host/vmm/qemu_memory.c \
	host/vmm/qemu_migrate.c \
	host/vmm/qemu_sweep.c \
	host/vmm/qemu_vmclock.c \
	host/vmm/qmp.c \
	host/vmm/vmm.c
