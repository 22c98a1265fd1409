#!/bin/sh
# SPDX-License-Identifier: MIT
#
# journald writes under the machine id that it began with, and journalctl shows
# what is under the VM's own. Its files are moved there as they are, still open, and
# it is started again: what was logged before is kept, connections of services too.
set -eu

# Nothing, if it writes nothing, or there is none. A restart that goes on is waited for.
directory() {
	systemctl start systemd-journald || return 0
	pid=$(systemctl show -p MainPID --value systemd-journald)
	# shellcheck disable=SC2012 # it has no odd names
	ls -l "/proc/$pid/fd" |
		sed -n '\@.* -> \(/.*/log/journal/[0-9a-f]*\)/system\.journal$@{s//\1/p;q}'
}

look() {
	id=$(cat /etc/machine-id) || exit
	now=$(directory)
	own=${now%/*}/$id
	[ -n "$now" ] && [ "$now" != "$own" ]
}

# More than once, for the id may be another one by then.
for _ in 1 2 3 4; do
	look || exit 0
	[ -e "$own" ] || mv -T "$now" "$own"
	systemctl restart systemd-journald
done
look || exit 0
echo "journald writes to $now, and not to $own" >&2
exit 1
