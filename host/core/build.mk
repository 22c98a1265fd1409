# SPDX-License-Identifier: MIT
core_srcs := \
	host/core/accel.c \
	host/core/ack.c \
	host/core/boot.c \
	host/core/fork.c \
	host/core/forkinfo.c \
	host/core/gc.c \
	host/core/guard.c \
	host/core/hold.c \
	host/core/letter.c \
	host/core/listen.c \
	host/core/mailbox.c \
	host/core/manifest.c \
	host/core/nets.c \
	host/core/nic.c \
	host/core/payload.c \
	host/core/prepare.c \
	host/core/reap.c \
	host/core/request.c \
	host/core/route.c \
	host/core/settle.c \
	host/core/snapshot.c \
	host/core/stage.c \
	host/core/state.c \
	host/core/tail.c \
	host/core/take.c \
	host/core/timeline.c \
	host/core/told.c \
	host/core/vm.c \
	host/core/worker.c
