# SPDX-License-Identifier: MIT
base_srcs := \
	host/base/cache.c \
	host/base/cpu.c \
	host/base/err.c \
	host/base/extent.c \
	host/base/files.c \
	host/base/io.c \
	host/base/json.c \
	host/base/log.c \
	host/base/process.c \
	host/base/process_answer.c \
	host/base/unix.c \
	host/base/usage.c \
	host/base/word.c
