#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Build the Debian packages: stage what git tracks, or would, with debian/ at its top, and
# have the distribution's own tools do the rest. They end up in BUILD/deb.
#
#	deb.sh VERSION
set -eu

BUILD=${BUILD:-build}
root=$(cd "$(dirname "$0")/../.." && pwd)
build=$(realpath "$BUILD")
version=$1
date=${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$root" -C "$root" log -1 --format=%ct)}
stage=$build/deb/vmfork-$version

rm -rf "$build/deb"
mkdir -p "$stage"
cd "$root"
git -c safe.directory="$root" ls-files -coz --exclude-standard | xargs -0 cp --parents -pt "$stage"
cp -a "$root/host/packaging/debian" "$stage/debian"
mkdir "$stage/debian/source"
echo "3.0 (native)" >"$stage/debian/source/format"
{
	echo "vmfork ($version) unstable; urgency=medium"
	printf '\n  * See the project.\n\n'
	echo " -- The vmfork authors <authors@vmfork.org>  $(date -Rud "@$date")"
} >"$stage/debian/changelog"
cd "$stage"
# The archive may have no static libmnl for this release: then it is ours.
GUEST_LIBMNL=$build/deps/libmnl/libmnl.a GUEST_LIBMNL_INCLUDE=$build/deps/libmnl/include \
	dpkg-buildpackage -us -uc -b
ls "$build/deb"/*.deb
