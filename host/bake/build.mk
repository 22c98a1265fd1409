# SPDX-License-Identifier: MIT
bake_srcs := \
	host/bake/bake.c \
	host/bake/baked.c \
	host/bake/copy.c \
	host/bake/dir.c \
	host/bake/dir_replace.c \
	host/bake/dir_swap.c \
	host/bake/dir_undo.c \
	host/bake/ext4.c \
	host/bake/ext4_list.c \
	host/bake/ext4_write.c \
	host/bake/filter.c \
	host/bake/image.c \
	host/bake/index.c \
	host/bake/init.c \
	host/bake/journal.c \
	host/bake/lib.c \
	host/bake/lock.c \
	host/bake/pack.c \
	host/bake/pack_read.c \
	host/bake/pack_tail.c \
	host/bake/partition.c \
	host/bake/plan.c \
	host/bake/recipe.c \
	host/bake/source.c \
	host/bake/stream.c \
	host/bake/view.c
