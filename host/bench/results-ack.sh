#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Measure what the handoff of a fork takes, and write what comes out into
# RESULTS-ack.md and two plots beside this script: `make results-ack`. Needs a
# machine with nothing else to do, and a disk for cold forks; see results.sh for
# what else. The initramfs has to hold our kernel modules as well.
#
#	ITERATIONS	forks of each variant (20)
#	DISK		a directory on a disk (/var/tmp)
set -eu

# shellcheck source=host/bench/results.sh
. "$(dirname "$0")/results.sh"
ITERATIONS=${ITERATIONS:-20}
DISK=${DISK:-/var/tmp}
[[ $(findmnt -nro FSTYPE -T "$DISK") != tmpfs ]] || fail "$DISK: lies in memory"
some=$(((ITERATIONS + 1) / 2))
results_begin

# --- measuring ---------------------------------------------------------------

measure all ack --arm off,on -n "$ITERATIONS" --plot "$notes/plot.svg" \
	--compare floor-code,floor-request,floor-vmgenid,ip,dhcp,shell
"$vmfork" run src >/dev/null
"$vmfork" snapshot src ready >/dev/null
"$vmfork" stop src >/dev/null
measure apply apply ready -n "$ITERATIONS"
measure arm arm ready -n "$some"

# Cold forks need files that a page cache can forget. One state directory has the
# link of a network, so the other one gives it up.
"$vmfork" rmi ready >/dev/null
"$vmfork" net rm default >/dev/null
disk=$(mktemp -d "$DISK/vmfork-results.XXXXXX")
clean_disk() {
	VMFORK_STATE=$disk "$vmfork" stop --all >/dev/null 2>&1 || :
	VMFORK_STATE=$notes/state # where it failed it may be the other one
	results_clean
	rm -rf "$disk"
}
trap clean_disk EXIT
VMFORK_STATE=$disk measure cold ack --signal auto --arm on --cold -n "$ITERATIONS" \
	--prefetch off,64M,1G,list --plot "$notes/cold.svg"
results_end

# --- tables ------------------------------------------------------------------

distributions() { # NAME METRIC...
	local name=$1 metric

	shift
	for metric; do
		printf '\n### %s\n\n' "$(title "$metric")"
		jq -r --arg metric "${metric}_us" "$filters"'
			table(["variant", "n", "mean", "min", "p50", "p90", "p99",
				"max", "first"];
			. as $v | .[$metric] as $m | select($m)
			| [$v.name, ($m.n | tostring)]
			+ ([$m | .mean, .min, .p50, .p90, .p99, .max] | map(ms))
			+ [$v.first[$metric] | ms])' "$notes/$name.json"
	done
}

title() { # METRIC
	case $1 in
	total) echo "Fork total: request to acknowledgement" ;;
	reconfigure) echo "Reconfigure: resumed to acknowledged" ;;
	signal) echo "Signal: resumed to signal" ;;
	mail) echo "Mail: resumed to mail" ;;
	apply) echo "Apply: mail to applied" ;;
	ack) echo "Ack: applied to acknowledged" ;;
	seen) echo "Seen: resumed to what the host sees in the fork's memory" ;;
	esac
}

# What was told, how exact it is, and what it cost.
circumstances() { # NAME
	jq -r "$filters"'
		def p50: if . == null then null else .p50 end;
		def max: if . == null then null else .max end;
		table(["variant", "told by", "failed", "clock off by", "blind",
			"CPU of the engine", "faults", "major", "read ahead MiB",
			"in"];
		[.name, (.told | to_entries | map("\(.key) \(.value)")
			| join(", ")), (.failed | tostring),
			(.clock_error_us | max | ms), (.blind_us | max | ms),
			(.cpu_acked_us | p50 | ms),
			(.faults_minor | p50 // "" | tostring),
			(.faults_major | p50 // "" | tostring),
			(.prefetch_bytes | p50 | mib),
			(.prefetch_us | p50 | ms)])' "$notes/$1.json"
}

missing() { # NAME
	jq -r '.missing[] | "- *\(.name)* is not here: \(.why)."' "$notes/$1.json"
}

# Where the time of each variant goes: medians of parts, which hardly add up.
parts() { # NAME
	jq -r "$filters"'
		def p50: if . == null then null else .p50 end;
		def less(a; b): if a and b then a - b else null end;
		table(["variant", "until the signal", "mail taken, reseeded",
			"applied", "acknowledged", "all", "seen by the host"];
		[.name] + ([(.signal_us | p50),
			less(.mail_us | p50; .signal_us | p50),
			(.apply_us | p50), (.ack_us | p50),
			(.reconfigure_us | p50), (.seen_us | p50)] | map(ms)))
		' "$notes/$1.json"
}

# What the quickest is beyond the floor, part by part: means, which add up.
beyond_floor() {
	jq -r "$filters"'
def parts: [.signal_us.mean, .mail_us.mean - .signal_us.mean, .apply_us.mean,
	.ack_us.mean];
def cells(name): [name] + (map(ms)) | row;
([.variants[] | select(.failed == 0 and .told != {} and .signal_us
	and (.kind | IN("mailbox", "vmclock", "vmclock-spin", "vmgenid", "auto")))]
	| sort_by(.reconfigure_us.p50)[0]) as $best
| ([.variants[] | select(.kind == "floor-request" and .failed == 0
	and .signal_us)][0]) as $floor
| if $best and $floor then
	(["", "until the signal", "mail taken, reseeded", "applied", "acknowledged",
		"sum", "all, as measured", "clock off by"] | row),
	([range(8) | "---"] | row),
	($best, $floor | . as $v | parts
		| . + [add, $v.reconfigure_us.mean, $v.clock_error_us.mean]
		| cells($v.name)),
	([$best, $floor | parts] | transpose | map(.[0] - .[1])
		| . + [add, $best.reconfigure_us.mean - $floor.reconfigure_us.mean,
			$best.clock_error_us.mean + $floor.clock_error_us.mean]
		| cells("difference"))
else "Not both of them were measured without a failure." end' "$notes/all.json"
}

# The largest part of the quickest variant of a signal, and of ip commands.
dominates() {
	jq -r "$filters"'
def parts: [{ what: "waking up", us: .signal_us.p50 },
	{ what: "taking the mail and reseeding", us: (.mail_us.p50 - .signal_us.p50) },
	{ what: "applying it", us: .apply_us.p50 },
	{ what: "being heard", us: .ack_us.p50 }];
([.variants[] | select(.failed == 0 and .told != {} and .signal_us
	and (.kind | IN("mailbox", "vmclock", "vmclock-spin", "vmgenid", "auto")))]
	| sort_by(.reconfigure_us.p50)[0]) as $best
| if $best == null then "None of a signal was measured without a failure." else
($best | parts | max_by(.us)) as $most
| "The quickest is *\($best.name)*. Of its \($best.reconfigure_us.p50 | ms) ms"
+ " \($most.us | ms) go into \($most.what): that dominates." end' "$notes/all.json"
}

agents() {
	jq -r "$filters"'table(["agent", "n", "mean", "p50", "p90", "max"];
		select(.name | startswith("agent"))
		| [.name, (.n | tostring)] + ([.mean_us, .p50_us, .p90_us,
			.max_us] | map(ms)))' "$notes/arm.json"
}

# Each line: what, measured, target, whether it is met.
targets() {
	jq -rn "$filters"'
def round3: if . == null then "" else . * 1000 | round / 1000 | tostring end;
def line: [.name, (.value | round3) + .unit,
	(if .allowed == null then "stated"
		else "at most \(.allowed | round3)\(.unit)" end),
	(if .why then "not judged: \(.why)" elif .met == null then ""
		elif .met then "yes" else "no" end)] | row;
(["what", "measured", "target", "met"] | row), "| --- | --- | --- | --- |",
def ratios(n): .ratios[] | { name: "\(n). \(.name)", value: .p50, unit: "", allowed,
	met: (.p50 <= .allowed) };
([$all[0].targets[], $cold[0].targets[], ($apply[0] | ratios(3)),
	$arm[0].targets[]] | sort_by(.name)[] | line)' \
		--slurpfile all "$notes/all.json" \
		--slurpfile cold "$notes/cold.json" \
		--slurpfile apply "$notes/apply.json" \
		--slurpfile arm "$notes/arm.json"
}

# --- the text ----------------------------------------------------------------

{
	cat <<'TEXT'
<!-- SPDX-License-Identifier: MIT -->
# What the handoff of a fork takes

`make results-ack` wrote this file, by `results-ack.sh`: all figures are of one run
on one machine. Times are in ms.

## Machine

TEXT
	machine "$ITERATIONS of each variant, $some of what arming costs"
	echo "| state directory of cold forks | $(findmnt -nro FSTYPE -T "$DISK") |"
	printf '\n## Targets\n\nThe number of what had to be shown stands first.\n\n'
	targets
	cat <<'TEXT'

A ratio to a floor that is below one is not judged: there is no floor then. Armed is no
slower if its median is not above the third quartile of forks whose source was not
armed.

## Where it goes

Medians of each part; of the forks of one variant.

![stages of each variant](RESULTS-ack.svg)

TEXT
	parts all
	missing all
	printf '\n%s\n' "$(dominates)"
	cat <<'TEXT'

The quickest against *floor-request*: means of each part, which add up. The clock's
offset moves time between the parts *until the signal* and *acknowledged*, not in or
out of the sum.

TEXT
	beyond_floor
	cat <<'TEXT'

What arming costs the source, by its agent's own account, and what the agent uses
while it waits:

TEXT
	agents
	jq -r '"\nSnapshots that were taken again, for they were not armed: \(.retaken)."' \
		"$notes/arm.json"
	cat <<'TEXT'

## Method

Forks are made and ended one by one. In each iteration all variants take their
turn; which one comes first changes with each iteration. The first fork of each is
shown apart and is in no figure. Each signal has a guest of its own, which is booted,
snapshotted and ended before anything is measured; *armed* and not are two snapshots
of one boot, so nothing else differs. Such a snapshot is taken again if its agent did
not spin in that moment, or if a fork of it was woken by something else than its
signal, as by a look for mail that was due.

On the host's clock:

- *request*, *resumed*, *acknowledged*: the fork is asked for, inside the process
  that measures, the engine's resume event, the arrival of the datagram. A command
  of its own would add its start, its options and the state directory's opening to
  the total;
- *seen*: a thread reads the status words in the fork's memory twenty thousand times
  a second, from before it runs; too late by *blind* at most.

On the guest's monotonic clock:

- *signal*: it was woken; *mail*: its mail is taken and verified, and the kernel's
  random numbers are reseeded; *applied*: the network is the new one. Each is one
  reading of that clock; *apply* is the difference of two, and exact.

The guest's clock is brought to the host's by one offset for each fork, in the middle of
what is possible: a datagram arrives after it was sent, both ways, and in the snapshot
the guest's clock stood at a known moment. *Clock off by* is half of the bounds'
distance; it is large where the source had not answered a request right before its
snapshot, as most of what has no agent. As the parts are between moments on one clock,
they add up to the whole for each fork, with nothing left between; medians do not add
up.

- *floor-code*: until a program that counts is seen to count;
- *floor-request*: a program that watches for its mail without a pause, makes one
  request over netlink, and sends one datagram; *floor-vmgenid*: the same, woken by
  VMGenID;
- *ip*: woken by VMGenID, what the mail asks for by busybox's ip commands, in one
  shell; *shell*: the same, sent to a shell on the console as the fork is resumed;
- *dhcp*: woken by VMGenID, busybox's udhcpc, and its udhcpd on the host.

All of them get real mail and end with the same datagram.

The commands:

TEXT
	sed "s|$notes/plot|RESULTS-ack|; s|$notes/cold|RESULTS-ack-cold|; s/^/    /" \
		"$notes/commands"
	printf '\n## All variants\n'
	distributions all reconfigure total signal mail apply ack seen
	printf '\n### What told, how exact, what it cost\n\n'
	circumstances all
	cat <<'TEXT'

## Cold

The snapshot lies on a disk, and all of its files are dropped from the page cache
before each fork, which is checked; the engine's program stays. *64M* and *1G* are
read ahead around the mailbox; *1G* is the whole image, for this guest has less.
*list* is what an earlier fork used until it was acknowledged. What is read ahead of
a warm image is nothing, so there is one warm variant. Faults are those of the engine
until the fork was heard.

![stages of cold forks](RESULTS-ack-cold.svg)

TEXT
	parts cold
	missing cold
	distributions cold reconfigure total
	printf '\n### What told, how exact, what it cost\n\n'
	circumstances cold
	cat <<'TEXT'

## Caveats

- The guest runs by translation (TCG) where the table of the machine says that there
  is no KVM. Then a fork translates all its code anew, and what counts is how much
  different code runs until the datagram is sent. With KVM none of that is there, and
  page faults and wake-ups are most of it.
- All forks of a variant are of one snapshot: how the guest stood in that moment, its
  next timer for instance, is the same for all of them, and differs between variants.
- VMClock of this engine cannot notify: with *vmclock* the agent samples it each
  millisecond, which is a timer that the fork finds pending.
- Who watches the fork's memory takes a part of a processor. So does a stand-in that
  spins until its mail comes, and *vmclock-spin* the whole time: with one processor
  in the guest that is its own.
- The mailbox module, and a VMClock driver for a kernel that has none, are loaded in
  all guests of a signal, in none of what they are held against.
- For how long a source spun before it was paused is by its own clock: a processor that
  the host withheld is in it.
- The guest is small and idle, with one interface.
TEXT
} >"$notes/text"
install_plot "$notes/cold.svg" "$OUT/RESULTS-ack-cold.svg"
results_write ack
