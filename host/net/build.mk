# SPDX-License-Identifier: MIT
net_srcs := \
	host/net/bridge.c \
	host/net/census.c \
	host/net/check.c \
	host/net/claim.c \
	host/net/filter.c \
	host/net/gc.c \
	host/net/lease.c \
	host/net/mode.c \
	host/net/network.c \
	host/net/nft.c \
	host/net/pin.c \
	host/net/pool.c \
	host/net/port.c \
	host/net/ports.c \
	host/net/record.c \
	host/net/routed.c \
	host/net/rtnl.c \
	host/net/shape.c \
	host/net/subnet.c \
	host/net/sysctl.c \
	host/net/tap.c \
	host/net/tc.c \
	host/net/wish.c
