# SPDX-License-Identifier: MIT
bake_srcs := \
	host/bake/bake.c \
	host/bake/baked.c \
	host/bake/dir.c \
	host/bake/dir_undo.c \
	host/bake/init.c \
	host/bake/journal.c \
	host/bake/plan.c \
	host/bake/recipe.c \
	host/bake/source.c \
	host/bake/view.c
