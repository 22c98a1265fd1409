#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 180
#
# A guest that is busybox alone, its init with an /etc/inittab, in an initramfs into
# which the agent was baked.
# shellcheck source=/dev/null # it ends with exit: all would be unreachable
. "$(dirname "$0")/../vm/lib.sh"
# shellcheck source=tests/guests/lib-guest.sh
. "$(dirname "$0")/lib-guest.sh"

FORKS=2
tree=$STATE/root
initrd=$STATE/initrd

# Busybox is what its name is: /init too.
make_image() {
	make_root "$tree" && cp -R "$ROOT/tests/guests/common/." "$tree/" &&
		cp "$ROOT/tests/guests/inittab" "$tree/etc/" &&
		ln -s /bin/busybox "$tree/init" || return
	(cd "$tree" && find . -mindepth 1 | LC_ALL=C sort |
		cpio -o -H newc --quiet -R 0:0 | gzip) >"$initrd"
}

check "an initramfs" make_image || bail "no initramfs"
check "busybox is found" holds \
	"$(vmfork bake "$initrd" --modules "$KERNEL" --json)" \
	'.state == "baked" and .init == "busybox"'
check "it boots" boot src --initrd "$initrd" || bail "no source"
check "armed, before anybody could log in" armed_before_login src
check "the module is there" guest src '[ -c /dev/vmfork ]'
check_served src
check_acked src $FORKS
for ((i = 1; i <= FORKS; i++)); do
	check_served "src-$i"
done
done_testing
