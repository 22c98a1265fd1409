# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the scripts share that write results: results-NAME.sh sources this one with
# its own arguments. Needs root, jq and gnuplot.
#
#	VMFORK		the command
#	VMFORK_KERNEL	the guest's kernel
#	VMFORK_INITRD	its initramfs, with the agent and the program pulse
#	OUT		directory of the results (that of this script)
#
# $notes is a directory for notes, with the commands that were run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vmfork=$(realpath "${VMFORK:-build/vmfork}")
OUT=${OUT:-$here}

fail() { # WHY
	echo "$(basename "$0" .sh): $*" >&2
	exit 1
}

# A network, processes' mounts and a state directory of its own: nothing that
# happens here is seen elsewhere, and what is left goes with them.
results_begin() {
	local tool

	for tool in jq gnuplot; do
		command -v $tool >/dev/null || fail "$tool is needed"
	done
	[ -x "$vmfork" ] || fail "$vmfork: no such program"
	[ "${RESULTS_INSIDE:-}" ] ||
		exec env RESULTS_INSIDE=1 unshare --net --mount bash "$0"
	notes=$(mktemp -d)
	trap results_clean EXIT
	mkdir "$notes/state"
	mount -t tmpfs -o mode=700,size=90% results "$notes/state"
	export VMFORK_STATE=$notes/state
	ip link set lo up
	began=$(date +%s)
	load_before=$(cut -d ' ' -f 1-3 /proc/loadavg)
}

results_clean() {
	"$vmfork" stop --all >/dev/null 2>&1 || :
	umount "$notes/state" 2>/dev/null || :
	rm -rf "$notes"
}

results_end() {
	took=$(($(date +%s) - began))
	load_after=$(cut -d ' ' -f 1-3 /proc/loadavg)
}

# One benchmark: its raw rows and its report, NAME.csv and NAME.json. Status 3
# says that a target is not met, which the report says, too.
measure() { # NAME KIND OPTION...
	local name=$1 rc=0

	shift
	echo "bench $*" >&2
	echo "vmfork bench $*" >>"$notes/commands"
	"$vmfork" bench "$@" --csv "$notes/$name.csv" --json \
		>"$notes/$name.json" || rc=$?
	[ $rc = 0 ] || [ $rc = 3 ] || fail "bench $*: failed"
}

machine() { # SAMPLES
	echo "| | |"
	echo "| --- | --- |"
	echo "| processors | $(nproc) × $(sed -n 's/^model name.*: //p' \
		/proc/cpuinfo | sed -n 1p) |"
	echo "| memory | $(awk '/^MemTotal/ { print int($2 / 1024) }' \
		/proc/meminfo) MiB |"
	echo "| kernel | $(uname -r) |"
	echo "| engine | $("$vmfork" doctor --json |
		jq -r '.[] | select(.name == "qemu") | .detail') |"
	echo "| KVM | $("$vmfork" doctor --json |
		jq -r '.[] | select(.name == "kvm") | .detail') |"
	echo "| state directory | tmpfs |"
	echo "| load before, after | $load_before; $load_after |"
	echo "| samples | $1 |"
	echo "| duration | $took s |"
}

install_plot() { # FROM TO
	sed '1a <!-- SPDX-License-Identifier: MIT -->
s/[[:blank:]]*$//' "$1" >"$2"
}

# What stands in $notes/text and $notes/plot.svg.
results_write() { # NAME
	install -m 644 "$notes/text" "$OUT/RESULTS-$1.md"
	install_plot "$notes/plot.svg" "$OUT/RESULTS-$1.svg"
	echo "results: $took s; see $OUT/RESULTS-$1.md" >&2
}

# shellcheck disable=SC2016,SC2034 # jq's variables; for who sources this
filters='
def ms: if . == null then "" else (. / 1000 * 10 | round) / 10 | tostring end;
def mib: if . == null then "" else . / 1048576 | round | tostring end;
def row: "| " + join(" | ") + " |";
def table(head; cells): (head | row), (head | map("---") | row),
	(.variants[] | cells | row);'
