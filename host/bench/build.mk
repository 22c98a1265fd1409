# SPDX-License-Identifier: MIT
bench_srcs := \
	host/bench/apply.c \
	host/bench/bench.c \
	host/bench/shell.c \
	host/bench/start.c
