# SPDX-License-Identifier: MIT
bench_srcs := \
	host/bench/ack.c \
	host/bench/ack_base.c \
	host/bench/ack_dhcp.c \
	host/bench/ack_judge.c \
	host/bench/ack_kind.c \
	host/bench/ack_plot.c \
	host/bench/ack_report.c \
	host/bench/ack_source.c \
	host/bench/ack_take.c \
	host/bench/ack_variants.c \
	host/bench/ack_watch.c \
	host/bench/apply.c \
	host/bench/arm.c \
	host/bench/bench.c \
	host/bench/burst.c \
	host/bench/burst_judge.c \
	host/bench/burst_plot.c \
	host/bench/burst_report.c \
	host/bench/burst_take.c \
	host/bench/cold.c \
	host/bench/floor.c \
	host/bench/floor_model.c \
	host/bench/pause.c \
	host/bench/pause_plot.c \
	host/bench/pause_report.c \
	host/bench/pause_take.c \
	host/bench/plot.c \
	host/bench/rows.c \
	host/bench/shell.c \
	host/bench/start.c \
	host/bench/stats.c \
	host/bench/target.c \
	host/bench/watch.c

# Minutes, on a machine that does nothing else.
results-burst results-pause: vmfork initramfs
	$(Q)VMFORK=$(BUILD)/vmfork \
		VMFORK_KERNEL=$(abspath $(BUILD)/kernels/$(KERNEL)/vmlinuz) \
		VMFORK_INITRD=$(abspath $(BUILD)/guest-$(KERNEL).cpio.gz) \
		host/bench/$@.sh

results-ack: vmfork $(BUILD)/guest-modules-$(KERNEL).cpio.gz
	$(Q)VMFORK=$(BUILD)/vmfork \
		VMFORK_KERNEL=$(abspath $(BUILD)/kernels/$(KERNEL)/vmlinuz) \
		VMFORK_INITRD=$(abspath $(BUILD)/guest-modules-$(KERNEL).cpio.gz) \
		host/bench/$@.sh

.PHONY: results-ack results-burst results-pause
