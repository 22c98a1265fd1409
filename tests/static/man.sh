#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The man pages tell what the commands take: each option of each verb, and no verb
# less; and they are well formed. What is installed is enough to build the example with,
# and can be uninstalled.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

pages="host/vmfork.1 guest-agent/vmfork-agent.8"
root=$BUILD/tests/man
mailbox=$root/vmfork-mailbox.7

verbs() {
	"$BUILD/vmfork" --help | awk '/^  [a-z]/ { print $1 }'
}

# What a page has, as plain text.
text() { # PAGE
	sed 's/\\-/-/g; s/\\f[A-Z]//g; s/^\.[A-Z]* *//; s/"//g' "$1"
}

untold() { # PAGE COMMAND...
	page=$1
	shift
	"$@" --help | grep -oE -- '--[a-z0-9]+(-[a-z0-9]+)*' | sort -u | while read -r option; do
		text "$page" | grep -qE -- "(^|[^a-z-])$option([^a-z-]|$)" ||
			echo "$page: says nothing of $option ($*)"
	done
}

untold_of_verbs() {
	for verb in $(verbs); do
		grep -qE "^\.SS vmfork $verb( |,|$)" host/vmfork.1 ||
			echo "host/vmfork.1: says nothing of $verb"
		untold host/vmfork.1 "$BUILD/vmfork" "$verb"
	done
}

malformed() {
	# shellcheck disable=SC2086 # several
	groff -man -ww -z $pages "$mailbox" 2>&1
}

left_behind() {
	# what it has to say about the jobs of the make that runs this is no finding
	env -u MAKEFLAGS make -s BUILD="$BUILD" DESTDIR="$root/dest" install >/dev/null 2>&1 ||
		echo "install fails"
	[ -x "$root/dest/usr/local/bin/vmfork" ] || echo "installs nothing"
	# shellcheck disable=SC2046 # one word for each flag
	cc -D_GNU_SOURCE -o "$root/post" shared/example/post.c $(PKG_CONFIG_SYSROOT_DIR=$root/dest \
		PKG_CONFIG_PATH=$root/dest/usr/local/lib/pkgconfig \
		pkg-config --cflags --libs vmfork) || echo "the example does not compile"
	# once more there is nothing to take away, and nothing to say
	for _ in 1 2; do
		env -u MAKEFLAGS make -s BUILD="$BUILD" DESTDIR="$root/dest" \
			uninstall 2>&1
	done
	find "$root/dest" ! -type d -o -name '*vmfork*'
}

rm -rf "$root"
mkdir -p "$root"
shared/mailbox-man.sh shared/vmfork_mailbox.h >"$mailbox"
nothing "vmfork(1) tells of each verb and each option" untold_of_verbs
nothing "vmfork-agent(8) tells of each option" untold guest-agent/vmfork-agent.8 \
	"$BUILD/vmfork-agent"
nothing "vmfork-mailbox(7) is the specification" sh -c "
	grep -q '^.SH ACKNOWLEDGEMENT' '$mailbox' || echo ends early"
nothing "the pages are well formed" malformed
nothing "what install puts somewhere builds the example; uninstall takes it away" left_behind
done_testing
