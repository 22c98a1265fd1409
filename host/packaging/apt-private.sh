#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Use a Debian suite that the machine itself does not use. All of apt's state
# (sources, lists, caches) is kept in BUILD/apt; the system's sources are read,
# for the address of the mirror, and never edited.
#
#	apt-private.sh show SUITE PACKAGE...		print their control records
#	apt-private.sh names SUITE			print all package names
#	apt-private.sh needs SUITE PACKAGE...		print them and all that they need
#	apt-private.sh unpack SUITE DIR PACKAGE...	unpack into DIR, not install
#	apt-private.sh install SUITE PACKAGE...		install, needs root
#
# install runs $SUDO for what needs root. Packages are kept in BUILD/downloads.
set -eu

BUILD=${BUILD:-build}
mkdir -p "$BUILD/apt" "$BUILD/downloads"
BUILD=$(cd "$BUILD" && pwd)
LISTS_MAX_AGE_MIN=1440

die() {
	echo "apt-private: $*" >&2
	exit 1
}

# shellcheck source=/dev/null
os_codename() (. /etc/os-release && echo "${VERSION_CODENAME:-}")

# apt_with NAME COMMAND...: apt with lists and caches of our own. As root, apt
# would read the lists as its own user, who may not enter a private directory.
apt_with() {
	dir=$BUILD/apt/$1
	command=$2
	shift 2
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	${apt_sudo:-} "$command" -qq \
		-o "Dir::State::lists=$dir/lists" \
		-o "Dir::Cache=$dir/cache" \
		-o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=" \
		-o "APT::Sandbox::User=root" \
		-o "APT::Get::List-Cleanup=true" \
		-o "APT::Update::Error-Mode=any" \
		-o "Acquire::Languages=none" -o "Acquire::Retries=3" "$@"
}

# apt_suite SUITE COMMAND...: the same with the suite's sources only.
apt_suite() {
	suite=$1
	command=$2
	shift 2
	apt_with "$suite" "$command" \
		-o "Dir::Etc::sourcelist=$BUILD/apt/$suite/sources.list" \
		-o "Dir::Etc::sourceparts=/dev/null" \
		-o "Dir::Etc::preferences=/dev/null" \
		-o "Dir::Etc::preferencesparts=/dev/null" "$@"
}

# Only what Debian itself publishes under that very code name counts: neither
# its -security and -updates nor a third party's suite of the same name.
mirror_among_targets() {
	# shellcheck disable=SC2016 # apt expands these, not the shell
	"$@" indextargets --format \
		'$(CREATED_BY)|$(ORIGIN)|$(CODENAME)|$(REPO_URI)' |
		awk -F '|' -v codename="$(os_codename)" '$1 == "Packages" &&
			$2 == "Debian" && $3 == codename { print $4; exit }'
}

mirror() {
	uri=$(mirror_among_targets apt-get)
	if [ -z "$uri" ]; then
		# No lists, as in a container's image: fetch them for ourselves.
		apt_with system apt-get update >&2
		uri=$(mirror_among_targets apt_with system apt-get)
	fi
	[ -n "$uri" ] || die "no mirror of Debian $(os_codename) is configured"
	echo "$uri"
}

keyring() {
	for ext in gpg pgp; do
		file=/usr/share/keyrings/debian-archive-keyring.$ext
		[ -e "$file" ] && echo "$file" && return
	done
	die "no keyring: install debian-archive-keyring"
}

# A -backports suite is of use only beside the suite that it extends.
suite_setup() {
	suite=$1
	dir=$BUILD/apt/$suite
	stamp=$dir/updated
	if [ -z "${2:-}" ] && [ -e "$stamp" ] &&
		[ -n "$(find "$stamp" -mmin "-$LISTS_MAX_AGE_MIN")" ]; then
		return
	fi
	mkdir -p "$dir"
	uri=$(mirror)
	keys=$(keyring)
	for name in "${suite%-backports}" "$suite"; do
		echo "deb [signed-by=$keys] $uri $name main"
	done | sort -u >"$dir/sources.list"
	echo "reading the package lists of $suite" >&2
	apt_suite "$suite" apt-get update >"$dir/update.log" 2>&1 ||
		die "$(cat "$dir/update.log")"
	touch "$stamp"
}

# What is installed here plays no part in which version a suite offers.
apt_candidate() {
	suite=$1
	shift
	: >"$BUILD/apt/$suite/status"
	apt_suite "$suite" "$@" -t "$suite" \
		-o "Dir::State::status=$BUILD/apt/$suite/status"
}

# unpack_one FILE SIZE HASH PACKAGE
unpack_one() {
	deb=$BUILD/downloads/$1
	hash=${3#SHA256:}
	if ! echo "$hash  $deb" | sha256sum --status -c 2>/dev/null; then
		echo "downloading $4 ($(($2 / 1024)) KiB)" >&2
		(cd "$BUILD/downloads" &&
			apt_candidate "$suite" apt-get download "$4" >&2) || return 1
		echo "$hash  $deb" | sha256sum --status -c ||
			die "$4: not the file that the package list names"
	fi
	dpkg-deb -x "$deb" "$target"
}

unpack_all() {
	for package; do
		line=$(apt_candidate "$suite" apt-get --print-uris download \
			"$package") || return 1
		# shellcheck disable=SC2086 # three words without spaces
		set -- ${line#* }
		unpack_one "$1" "$2" "$3" "$package" || return 1
	done
}

cmd_show() {
	suite_setup "$1"
	apt_candidate "$1" apt-cache show --no-all-versions "$2"
}

cmd_names() {
	suite_setup "$1"
	apt_candidate "$1" apt-cache pkgnames
}

# On a system that has nothing: what is essential is among them.
cmd_needs() {
	suite=$1
	shift
	suite_setup "$suite"
	apt_candidate "$suite" apt-get install -s -y --no-install-recommends \
		"$@" | sed -n 's/^Inst \([^ ]*\).*/\1/p'
}

cmd_unpack() {
	suite=$1
	mkdir -p "$2"
	target=$(cd "$2" && pwd)
	shift 2
	suite_setup "$suite"
	unpack_all "$@" && return
	# The mirror may have dropped what yesterday's list still names.
	suite_setup "$suite" again
	unpack_all "$@" || die "cannot download: $*"
}

cmd_install() {
	suite=$1
	shift
	suite_setup "$suite" again
	apt_sudo=${SUDO:-} apt_suite "$suite" apt-get \
		-q=1 -y --no-install-recommends -t "$suite" install "$@"
}

[ $# -ge 2 ] || die "usage: apt-private.sh COMMAND SUITE [ARGUMENT...]"
command=$1
shift
# Two builds in one tree take turns.
exec 9>"$BUILD/apt/lock"
flock -w 600 9 || die "another apt-private.sh keeps $BUILD/apt/lock"
case $command in
show | names | needs | unpack | install) "cmd_$command" "$@" ;;
*) die "no such command: $command" ;;
esac
