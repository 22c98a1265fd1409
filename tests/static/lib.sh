# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# What the static checks share. They look at the files that git tracks or would
# track, so that what is not committed yet is checked as well.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
cd "$ROOT" || exit 2
BUILD=${BUILD:-build}
points=0

# tracked [PATTERN...]
tracked() {
	git -c safe.directory="$ROOT" ls-files -co --exclude-standard -- "$@" |
		while read -r path; do
			[ ! -f "$path" ] || echo "$path"
		done
}

# result NAME COMMAND...: it holds if the command succeeds
result() {
	name=$1
	shift
	points=$((points + 1))
	if "$@"; then
		echo "ok - $name"
	else
		echo "not ok - $name"
	fi
}

# nothing NAME COMMAND...: it holds if the command prints nothing
nothing() {
	name=$1
	shift
	points=$((points + 1))
	found=$("$@" 2>&1)
	if [ -z "$found" ]; then
		echo "ok - $name"
	else
		echo "$found"
		echo "not ok - $name"
	fi
}

skip() { # NAME WHY
	points=$((points + 1))
	echo "ok - $1 # SKIP $2"
}

done_testing() {
	echo "1..$points"
}
