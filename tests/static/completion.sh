#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Bash completes what the command takes there, and nothing else.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=host/packaging/bash-completion/vmfork
. host/packaging/bash-completion/vmfork

vmfork() {
	"$BUILD/vmfork" "$@"
}

# In place of what there is: of what kind its names would be.
_vmfork_names() {
	echo "a-name-of-$1"
}

# The last of the words is the one that is being typed.
offers() { # WORDS OFFERED [WORD...]
	local wanted=$1 got

	shift
	COMP_WORDS=(vmfork "$@")
	COMP_CWORD=$#
	_vmfork vmfork "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
	got=${COMPREPLY[*]}
	[ "$got" = "$wanted" ] || {
		echo "vmfork $*: '$got', not '$wanted'"
		return 1
	}
}

point() { # WORDS OFFERED [WORD...]
	result "after vmfork ${*:2}" offers "$@"
}

# Each option of each verb, once.
options_are_offered_once() {
	local verb

	for verb in $(_vmfork_next help); do
		offers "$(vmfork "$verb" --help | grep -oE -- '^ +(-., )?--[a-z0-9-]+' |
			grep -oE -- '--.*' | tr '\n' ' ' | sed 's/ $//')" "$verb" -- || return
	done
}

vms=a-name-of-ps snapshots=a-name-of-snapshots nets=a-name-of-net
result "each option once" options_are_offered_once
point 'ps pool' p
point "flatten $vms" snapshot ''
point "$snapshots" snapshot flatten ''
point '' snapshot source ''
point "$vms" stop --keep ''
point "$snapshots" fork ''
point "$snapshots" fork -n 2 --name web ''
point '' fork --name ''
point "$nets" fork ready --net ''
point 'none network settled' fork --wait ''
point 'create ls rm' net ''
point "$nets" net rm ''
point "$nets" net rm one ''
point '' net create ''
point 'bridge routed' net create lan --mode ''
point 'auto full diff live' snapshot source ready --mode ''
point 'fill ls drain' pool ''
point "$snapshots" pool drain ''
point 'hot' snapshots ''
point "$snapshots" snapshots hot ''
point "$vms" snapshots hot ready ''
point "--compare --cold --csv" bench ack --c
point "$snapshots" bench ack --cold --signal mailbox ''
point 'auto mailbox vmclock vmclock-spin vmgenid' bake --signal ''
point 'host/main.c' bake host/ma
point 'host/main.c' run --disk host/ma
point 'host/packaging' run --state host/p
point 'host/packaging' bake --hooks host/p
point 'run rmi' help r
done_testing
