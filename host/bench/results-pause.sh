#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measure what branches cost their source, and write what comes out into
# RESULTS-pause.md and RESULTS-pause.svg beside this script: `make results-pause`.
# Needs a machine with nothing else to do; see results.sh for what else.
#
#	ITERATIONS	samples of what counts most (20)
set -eu

# shellcheck source=host/bench/results.sh
. "$(dirname "$0")/results.sh"
ITERATIONS=${ITERATIONS:-20}
some=$(((ITERATIONS + 4) / 5))
results_begin

# --- measuring ---------------------------------------------------------------

measure booted pause --memory 1536 --source booted -n "$ITERATIONS" \
	--mode full,diff,live-sync,live-async,auto
measure forks pause --memory 1536 --source fork -n "$ITERATIONS" \
	--dirty 10,18,48,100,300 --mode diff,auto
measure sizes pause --memory 256,3072 --source booted -n "$ITERATIONS" --mode live-sync
measure sweep pause --memory 1536 --source booted,fork -n "$some" --fork \
	--dirty 10,100,1000 --mode full,diff,live-sync,auto --plot "$notes/plot.svg"
measure works pause --memory 256 --source booted,fork -n "$some" --dirty 10 \
	--workload idle,steady,burst --mode diff,live-sync,auto
results_end

# --- tables ------------------------------------------------------------------

# shellcheck disable=SC2016 # jq's variables
filters=$filters'
def of(s; m): [.variants[] | select(.source == s and .mode == m)];'

distributions() { # NAME
	jq -r "$filters"'
		table(["source", "memory", "changed", "workload", "mode", "taken",
			"n", "mean", "min", "p50", "p90", "p99", "max"];
		[.source, (.memory_mib | tostring), (.private_bytes.p50 | mib),
			.workload, .mode, .taken, (.pause_us.n | tostring)]
		+ ([.pause_us | .mean, .min, .p50, .p90, .p99, .max] | map(ms)))
		' "$notes/$1.json"
}

feelings() { # NAME
	jq -r "$filters"'
		table(["source", "changed", "workload", "mode", "pause p50",
			"gap p50", "gap p90", "gap max", "calm p50", "calm max",
			"blind max", "round trip p50", "ready p50",
			"written p50", "fork p50"];
		[.source, (.private_bytes.p50 | mib), .workload, .mode]
		+ ([.pause_us.p50, .gap_us.p50, .gap_us.p90, .gap_us.max,
			.calm_us.p50, .calm_us.max, .blind_us.max,
			.round_trip_us.p50, .ready_us.p50] | map(ms))
		+ [(.bytes_written.p50 | mib), (.fork_us.p50 | ms)])
		' "$notes/$1.json"
}

# What the call took longer than the pause, ms: the largest of all. The first of
# each variant is left out, as in all else.
async_excess() {
	awk -F, '
	NR == 1 {
		for (i = 1; i <= NF; i++)
			at[$i] = i
		next
	}
	$at["mode"] == "live-async" && $at["iteration"] > 0 {
		over = ($at["round_trip_us"] - $at["pause_us"]) / 1000
		if (!num++ || over > max)
			max = over
	}
	END {
		if (!num)
			exit 1
		printf "%.1f", max
	}' "$notes/booted.csv" || {
		echo "booted.csv: no sample of live-async" >&2
		return 1
	}
}

# Each line: what, measured, target, whether it is met.
targets() {
	local excess

	excess=$(async_excess) || return
	jq -rn "$filters"'
def line(what; value; unit; most):
	[what, (value * 100 | round / 100 | tostring) + unit,
		"at most \(most)\(unit)", (if value <= most then "yes" else "no" end)] | row;
def least(what; value; unit; atleast):
	[what, (value * 10 | round / 10 | tostring) + unit,
		"at least \(atleast)\(unit)", (if value >= atleast then "yes" else "no" end)] | row;
$booted[0] as $b | $forks[0] as $f | $sizes[0] as $s | $sweep[0] as $w
| ($b | of("booted"; "live-sync")[0].pause_us) as $live
| ($f | of("fork"; "diff")) as $diffs
| ($diffs | map(select(.dirty_mib == 10))[0].pause_us.p50) as $d10
| ($diffs | map(select(.dirty_mib == 300))[0].pause_us.p50) as $d300
| ([$live.p50] + ($s | of("booted"; "live-sync") | map(.pause_us.p50))) as $by_size
| (["what", "measured", "target", "met"] | row, "| --- | --- | --- | --- |"),
line("1. live, booted, p50"; $live.p50 / 1000; " ms"; 2.5),
line("1. live, booted, p90"; $live.p90 / 1000; " ms"; 5),
($f | of("fork"; "auto")[]
	| (.private_bytes.max / 1048576) as $mib
	| line("1. auto, fork with \($mib | round) MiB of its own, p50";
		.pause_us.p50 / 1000; " ms";
		(if $mib <= 20 then 10 elif $mib <= 50 then 20 else 30 end))),
line("1. live p50, longest over shortest, of 256, 1536 and 3072 MiB";
	($by_size | max) / ($by_size | min); ""; 3),
line("2. diff, fork that wrote 10 MiB, p50"; $d10 / 1000; " ms"; 8),
(["2. diff, growth for each MiB written, p50",
	"\(($d300 - $d10) / 290 / 1000 * 1000 | round / 1000) ms", "stated", ""] | row),
least("3. full over live, booted, p50";
	($b | of("booted"; "full")[0].pause_us.p50) / $live.p50; ""; 100),
least("3. diff of 300 MiB over live, booted, p50"; $d300 / $live.p50; ""; 10),
line("4. live --no-wait, longest time above the pause"; $excess; " ms"; 50),
(("booted", "fork") as $source
	| ($w | of($source; "full")[0].fork_us.p50) as $full
	| $w.variants[] | select(.source == $source and .mode != "full")
	| (if $source == "fork" then "a fork" else "a booted VM" end) as $vm
	| line("5. fork of a \(.mode) (\(.taken)) of \($vm) with "
			+ "\(.private_bytes.p50 | mib) MiB of its own, over one of a full";
		.fork_us.p50 / $full; ""; 1.2))' \
		--slurpfile booted "$notes/booted.json" \
		--slurpfile forks "$notes/forks.json" \
		--slurpfile sizes "$notes/sizes.json" \
		--slurpfile sweep "$notes/sweep.json" \
		--argjson excess "$excess"
}

# --- the text ----------------------------------------------------------------

{
	cat <<'TEXT'
<!-- SPDX-License-Identifier: MIT -->
# What a branch costs its source

`make results-pause` wrote this file, by `results-pause.sh`: all figures are of one
run on one machine. Times are in ms, memory in MiB.

## Machine

TEXT
	machine "$ITERATIONS of what counts most, $some of the rest"
	printf '\n## Targets\n\n'
	targets
	cat <<'TEXT'

A fork of a small layer takes longer because the layer's pages are written into
its memory before it runs. What would be a large layer is merged into a whole image
when it is taken, after the pause: then *ready* is longer, and its forks map it
like a full or a live snapshot.

## Method

A VM is booted, its console's shell starts the program `pulse`, which fills memory
and then counts, without end, in a word of guest memory. Then, in each iteration,
each mode takes one snapshot, which is removed again; which mode comes first
changes with each iteration. The first sample of each variant is left out. Forks
are of a full snapshot of that VM, which has ended by then; each is as large as it,
wrote what the table says, and then stays for all iterations.

- *changed*: the pages that the VM made its own (since it booted, or was forked);
- *pause*: from the engine's STOP event to its RESUME event;
- *gap*: the longest time in which the program's count did not move, from the
  command's start until the snapshot was ready. The guest's own clock stands still
  in a pause, so this is seen from outside: a process of the host reads the word
  ten thousand times a second. A gap is the time between the first and the last
  look that found the same count;
- *calm*: the same in the tenth of a second before the command, without any
  snapshot: what the machine does to a guest anyhow;
- *blind*: the longest time between two looks. A gap may be too short by that;
- *round trip*: until the call that takes the snapshot came back (with
  `live-async`, which is `--no-wait`, when the VM ran again); the start of the
  command's process is not in it;
- *ready*: until the snapshot was ready; *written*: how much it holds;
- *fork*: from a fork's beginning to its resumption, with one fork of each
  snapshot.

Workloads: *idle* only counts, *steady* writes pages at a constant rate, *burst*
writes all its pages twice a second as fast as it can; both within what the table
says that the VM changed. They give way to all else in the guest.

The commands:

TEXT
	sed "s|$notes/plot|RESULTS-pause|; s/^/    /" "$notes/commands"
	printf '\n## Booted VM, 1536 MiB\n\n### Pause\n\n'
	distributions booted
	printf '\n### What the guest and the user saw\n\n'
	feelings booted
	printf '\n## Forks, 1536 MiB\n\n### Pause\n\n'
	distributions forks
	printf '\n### What the guest and the user saw\n\n'
	feelings forks
	printf '\n## Other sizes of memory\n\n'
	distributions sizes
	cat <<'TEXT'

## All modes, up to where diff loses

![pause against changed memory](RESULTS-pause.svg)

TEXT
	distributions sweep
	echo
	feelings sweep
	printf '\n## Workloads\n\n'
	distributions works
	echo
	feelings works
	cat <<'TEXT'

## Caveats

- The guest runs by translation (TCG) where the table of the machine says that
  there is no KVM: a vCPU is a thread that is busy all the time, and one processor
  fewer is left for those who copy. The host's share of a pause is the same.
- A pause is short against the time slice of a host's scheduler. On a machine
  that does something else, the higher percentiles are those of the other work:
  see the load, and *calm*.
- The memory of the guest is filled with pages that differ, but of which only the
  first word is not zero. Nothing here compresses or hashes.
- *gap* is longer than *pause* where the guest has to wait for the engine outside
  the pause: in a live snapshot the first write to each page, until that is copied,
  is a fault that the engine handles; after it, huge pages are made anew, which
  holds up the guest where it touches them.
- Memory that nobody has used for a while is slow to get where the machine is itself
  a virtual one whose free pages are reported to its host: some 17 us a page here,
  in *ready* and in the filling of guests. Inside a pause none is asked for.
- A state directory on a disk makes *ready* longer, not *pause*: but the memory of
  a fork of a snapshot on a disk cannot be write-protected, so no live branch of
  it can be taken.
TEXT
} >"$notes/text"
results_write pause
