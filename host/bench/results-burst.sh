#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measure what bursts of forks take, and write what comes out into
# RESULTS-burst.md and RESULTS-burst.svg beside this script: `make results-burst`.
# Needs a machine with nothing else to do; see results.sh for what else.
#
#	ITERATIONS	samples of bursts (3); of single forks five times as many
#	NUMBERS		forks in a burst (1,10,25,100)
set -eu

# shellcheck source=host/bench/results.sh
. "$(dirname "$0")/results.sh"
ITERATIONS=${ITERATIONS:-3}
NUMBERS=${NUMBERS:-1,10,25,100}
single=$((ITERATIONS * 5))
results_begin

# --- measuring ---------------------------------------------------------------

"$vmfork" run src >/dev/null
"$vmfork" snapshot src ready >/dev/null
"$vmfork" stop src >/dev/null
measure single burst ready -n 1 --iterations "$single" --compare floor --pool
measure bursts burst ready -n "$NUMBERS" --iterations "$ITERATIONS" \
	--compare floor --at-once --pool --plot "$notes/plot.svg"

# What forks hold of the machine's memory, when they have answered and later.
density() { # MOMENT
	"$vmfork" ps --json | jq --arg moment "$1" '
		def mean: add / length;
		{ moment: $moment, private: map(.private_bytes) | mean,
			shared: map(.shared_bytes) | mean }' >>"$notes/density"
}

"$vmfork" fork ready -n 10 --name idle --wait network >/dev/null ||
	fail "no idle forks"
density "when all have answered"
sleep 20
density "20 s later"
results_end

# --- tables ------------------------------------------------------------------

distributions() { # NAME
	jq -r "$filters"'
		def p50: if . == null then null else .p50 end;
		table(["forks", "variant", "n", "wall", "resumed p50", "p90",
			"last", "acked p50", "p90", "last", "ideal"];
		[(.n | tostring), .variant, (.wall_us.n | tostring)]
		+ ([(.wall_us | p50), (.resumed_p50_us | p50),
			(.resumed_p90_us | p50), (.resumed_max_us | p50),
			(.acked_p50_us | p50), (.acked_p90_us | p50),
			(.acked_max_us | p50), .ideal_us] | map(ms)))
		' "$notes/$1.json"
}

costs() { # NAME
	jq -r "$filters"'
		def each: if . == null then null else .p50 end;
		table(["forks", "variant", "CPU until acked", "CPU of engines",
			"CPU of the command", "private", "shared", "faults",
			"major", "ended in"];
		(.n as $n | [(.n | tostring), .variant]
		+ ([(.cpu_acked_us | each), (.cpu_engines_us | each)]
			| map(if . == null then "" else . / $n | ms end))
		+ [(.cpu_command_us | each | ms), (.private_bytes | each | mib),
			(.shared_bytes | each | mib),
			(.faults_minor.p50 | tostring),
			(.faults_major.p50 | tostring),
			(.end_us | each | ms)]))' "$notes/$1.json"
}

# Single forks from the run that has more of them.
targets() {
	jq -rn "$filters"'
def round2: . * 100 | round / 100 | tostring;
(["what", "measured", "target", "met"] | row, "| --- | --- | --- | --- |"),
(([$single[0].targets[] | select(.name | startswith("1: "))]
	+ [$bursts[0].targets[] | select(.name | startswith("1: ") | not)])[]
	| [.name, (.value | round2) + .unit,
		(if .allowed == null then "stated"
			else "at most \(.allowed)\(.unit)" end),
		(if .met == null then "" elif .met then "yes" else "no" end)]
	| row)' --slurpfile single "$notes/single.json" \
		--slurpfile bursts "$notes/bursts.json"
}

memory() {
	jq -rs "$filters"'
		(["10 forks, idle", "private", "shared"] | row),
		"| --- | --- | --- |",
		(.[] | [.moment, (.private | mib), (.shared | mib)] | row)' \
		"$notes/density"
}

# --- the text ----------------------------------------------------------------

{
	cat <<'TEXT'
<!-- SPDX-License-Identifier: MIT -->
# What bursts of forks take

`make results-burst` wrote this file, by `results-burst.sh`: all figures are of one
run on one machine. Times are in ms, memory in MiB.

## Machine

TEXT
	machine "$ITERATIONS of bursts, $single of single forks"
	printf '\n## Targets\n\nThe number of forks stands before the colon.\n\n'
	targets
	cat <<'TEXT'

## Method

Each burst is the command itself, `vmfork fork`, in a process of its own, and its
forks are ended by `vmfork stop` before the next begins. In each iteration all
variants take their turn at each size; which one comes first changes with each
iteration. The first iteration, at the smallest size only, is left out. All figures
are medians over the bursts of a size.

- *floor*: the very command line of a fork's engine, in a bare loop: N processes
  started at once, told over QMP to load the same state, and once all have, to go
  on. It has TAPs, made before the clock starts, for without them the state does
  not load; no bridge, no identity, no rules, no mail, no record;
- *none*: `--wait none`: nobody waits for an answer;
- *fork*: `--wait network`: until each fork has answered from its new address. They
  are resumed in waves;
- *at-once*: the same, but all resumed together (`--waves all`);
- *pool-none*, *pool*: the same as *none* and *fork*, of engines that `vmfork pool
  fill` has started ahead, before the clock;
- *resumed*, *acked*: of the forks of one burst, their median, 90th percentile and
  last, from the request on: from the first line of the command's own code, or of
  the floor's loop;
- *wall*: from the start of the command's process to its end, dynamic linking and
  records included;
- *ideal*: N times the processor time of an engine that runs the only fork, until
  that is acked (*CPU until acked* of one *fork*), over the number of processors.
  What the command itself and the kernel's threads need is not in it;
- *CPU of engines*: until the command ended, of one fork; that of the command is of
  all its forks;
- *private*, *shared*, *faults*: the mean of a fork, when the command ended; later
  it has more;
- *ended in*: `vmfork stop` of all forks, from its process's start to its end.

The commands:

TEXT
	sed "s|$notes/plot|RESULTS-burst|; s/^/    /" "$notes/commands"
	printf '\n## Bursts\n\n![time against forks](RESULTS-burst.svg)\n\n'
	distributions bursts
	printf '\n### What they cost\n\n'
	costs bursts
	printf '\n## One fork\n\n'
	distributions single
	echo
	costs single
	printf '\n## Density\n\n'
	memory
	cat <<'TEXT'

## Caveats

- The guest runs by translation (TCG) where the table of the machine says that
  there is no KVM: until it answers, a fork translates all its code anew, and that
  is most of what is measured. With KVM the same burst is short, and the engine's
  start is most of it.
- A processor's speed depends on what the other ones do: the processor time of one
  fork alone is measured on a machine that has one processor left, that of a burst
  on one that has none.
- The guest is small (256 MiB) and idle, its image in memory. One that works, or
  whose image is on a disk, faults more.
- The median of a few bursts of a hundred is not exact: look at the raw rows of
  `vmfork bench burst --csv`.
TEXT
} >"$notes/text"
results_write burst
