# SPDX-License-Identifier: MIT
core_srcs := \
	host/core/accel.c \
	host/core/ack.c \
	host/core/boot.c \
	host/core/chain.c \
	host/core/choose.c \
	host/core/detach.c \
	host/core/fork.c \
	host/core/forkinfo.c \
	host/core/gc.c \
	host/core/guard.c \
	host/core/layer.c \
	host/core/letter.c \
	host/core/lineage.c \
	host/core/mailbox.c \
	host/core/manifest.c \
	host/core/prepare.c \
	host/core/reap.c \
	host/core/snapshot.c \
	host/core/stage.c \
	host/core/state.c \
	host/core/tail.c \
	host/core/take.c \
	host/core/take_diff.c \
	host/core/take_live.c \
	host/core/timeline.c \
	host/core/vm.c \
	host/core/worker.c
