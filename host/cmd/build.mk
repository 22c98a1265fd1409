# SPDX-License-Identifier: MIT
cmd_srcs := \
	host/cmd/bake.c \
	host/cmd/bench.c \
	host/cmd/bench_ack.c \
	host/cmd/bench_burst.c \
	host/cmd/bench_guest.c \
	host/cmd/bench_pause.c \
	host/cmd/chart.c \
	host/cmd/console.c \
	host/cmd/doctor.c \
	host/cmd/fork.c \
	host/cmd/gc.c \
	host/cmd/inspect.c \
	host/cmd/links.c \
	host/cmd/lists.c \
	host/cmd/net.c \
	host/cmd/options.c \
	host/cmd/pool.c \
	host/cmd/print.c \
	host/cmd/ps.c \
	host/cmd/rmi.c \
	host/cmd/run.c \
	host/cmd/session.c \
	host/cmd/snapshot.c \
	host/cmd/snapshots.c \
	host/cmd/start.c \
	host/cmd/stop.c \
	host/cmd/targets.c \
	host/cmd/told.c \
	host/cmd/version.c \
	host/cmd/vminfo.c
