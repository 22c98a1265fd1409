#!/bin/bash
# SPDX-License-Identifier: MIT
# time: 480
#
# The agent is baked into images of all kinds and taken out again, and into the
# initramfs of a guest that has none: forks of that one acknowledge.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

FORKS=2
images=$notes/images
root=$notes/root

# --- what is baked into ------------------------------------------------------

# The guest without its agent, whose init leaves /etc/inittab as it is.
make_root() {
	mkdir -p "$root" "$images"
	(cd "$root" && gzip -dc "$VMFORK_INITRD" | cpio -id --quiet) || return
	rm "$root/sbin/vmfork-agent"
	sed -i '/^options=/,$d' "$root/init"
	echo 'exec /sbin/init' >>"$root/init"
	# what comes before the prompt looks whether the agent does, too
	printf '%s\n' '#!/bin/sh' 'pidof vmfork-agent >/first' >"$root/bin/first"
	chmod 755 "$root/bin/first"
	printf '%s\n%s\n%s' 'ttyS0::respawn:-/bin/sh' '::once:/bin/first' \
		'::ctrlaltdel:/sbin/reboot' >"$root/etc/inittab"
	ln -s etc "$root/config" # a link inside
	find "$root" -exec touch -h -d '2021-02-03 04:05:06.789' {} +
}

pack_cpio() {
	(cd "$root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0)
}

# With an uncompressed cpio in front, as microcode comes.
pack_early() {
	(cd "$root" && echo etc/profile | cpio -o -H newc --quiet)
}

make_images() {
	local tool

	pack_cpio >"$images/plain.cpio"
	for tool in 'gzip -n' 'xz --check=crc32' zstd 'lz4 -l'; do
		{
			pack_early
			$tool -c <"$images/plain.cpio"
		} >"$images/${tool%% *}.cpio"
	done
	tar -cf "$images/gnu.tar" -C "$root" .
	tar --format=pax -b 1 -cf "$images/pax.tar" -C "$root" etc bin sbin usr
	gzip -nkc "$images/gnu.tar" >"$images/gz.tar"
	zstd -qc "$images/gnu.tar" >"$images/zst.tar"
	mke2fs -q -t ext4 -d "$root" "$images/whole.ext4" 24M || return
	make_disk
	qemu-img convert -f raw -O qcow2 "$images/disk.ext4" \
		"$images/disk.qcow2"
}

# One partition, at 1 MiB, of type 0x83.
make_disk() {
	local disk=$images/disk.ext4

	truncate -s 25M "$disk"
	printf '\0\0\0\0\203\0\0\0\0\10\0\0\0\300\0\0' |
		dd of="$disk" bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
	dd if="$images/whole.ext4" of="$disk" bs=512 seek=2048 \
		conv=notrunc,sparse status=none
}

# --- what has to hold --------------------------------------------------------

is_state() { # STATE COMMAND...
	local said state=$1

	shift
	said=$(vmfork bake "$@" --json)
	holds "$said" ".state == \"$state\""
}

facts() { # FILE
	stat -c '%a %u:%g %s %y' "$1"
	md5sum <"$1"
}

# The file itself, or where that is compressed what is in it; of a file system,
# what it holds.
contents() { # FILE
	local disk=$1

	case $1 in
	*.cpio | *gnu.tar | *pax.tar) facts "$1" ;;
	*gz.tar) gzip -dc "$1" | md5sum ;;
	*zst.tar) zstd -dc "$1" | md5sum ;;
	*)
		[ "${1%.qcow2}" = "$1" ] || {
			disk=$notes/raw
			qemu-img convert -O raw "$1" "$disk"
		}
		file_system "$disk" "$(offset_of "$1")"
		;;
	esac
}

offset_of() { # FILE
	case $1 in *disk*) echo 1048576 ;; *) echo 0 ;; esac
}

file_system() { # FILE OFFSET
	local name="$1?offset=$2"

	e2fsck -fn "$name" >"$notes/fsck" 2>&1 || cat "$notes/fsck"
	rm -rf "$notes/dump"
	mkdir "$notes/dump"
	debugfs -R "rdump / $notes/dump" "$name" >/dev/null 2>&1
	(cd "$notes/dump" && find . -type f -printf '%P %m %s %T@\n' -exec \
		md5sum {} + && find . ! -type f -printf '%P %m %l\n') |
		LC_ALL=C sort
}

comes_and_goes() { # FILE
	local before baked

	touch -d '2020-01-01 01:02:03.4567' "$1"
	before=$(contents "$1")
	is_state none "$1" --check
	is_state baked "$1" --modules "$KERNEL" || return
	baked=$(facts "$1")
	is_state unchanged "$1" --modules "$KERNEL" || return
	same "$baked" "$(facts "$1")" || return
	is_state baked "$1" --check || return
	is_state baked "$1" --signal vmgenid || return
	is_state removed "$1" --remove || return
	same "$before" "$(contents "$1")"
}

# Nothing is left of a bake that is refused.
refused() { # PATTERN FILE [OPTION]...
	local before pattern=$1 file=$2

	shift
	before=$(facts "$file") || return
	says 1 "$pattern" "$VMFORK" bake "$@" &&
		same "$before" "$(facts "$file")" &&
		[ ! -e "$images/.${file##*/}.vmfork-bake" ]
}

# --- the tests ---------------------------------------------------------------

archives_of_others() {
	local evil=$notes/evil

	mkdir -p "$evil/etc" "$evil/usr/lib/systemd"
	: >"$evil/usr/lib/systemd/systemd"
	ln -s / "$evil/etc/systemd"
	ln -s ../../../../../outside "$evil/etc/vmfork"
	mknod "$evil/null" c 1 3
	tar -cf "$images/evil.tar" -C "$evil" etc usr null
	# an absolute name, and one that leads out
	tar -rPf "$images/evil.tar" --transform 's|.*|/etc/name|' \
		"$evil/usr/lib/systemd/systemd"
	tar -rPf "$images/evil.tar" --transform 's|.*|../../outside/x|' \
		"$evil/usr/lib/systemd/systemd"
	check "a tar with links that lead out" comes_and_goes "$images/evil.tar"
	check "is baked" is_state baked "$images/evil.tar"
	check "in names that stay inside" holds "$(vmfork bake \
		"$images/evil.tar" --check --json)" '.paths |
		index("/outside/post-restore.d") and
		index("/system/multi-user.target.wants/vmfork-agent.service") and
		(any(test("/\\.\\.(/|$)")) | not)'
	check "without a name that leads out" names_stay_inside
}

names_stay_inside() {
	! tar -tPf "$images/evil.tar" | grep -v '/outside/x$' |
		grep -E '(^|/)\.\.(/|$)'
}

# The name that /etc/inittab has meanwhile was removed by somebody.
kept_is_gone() {
	local file=$images/x

	cp "$images/whole.ext4" "$file"
	is_state baked "$file" --init busybox || return
	debugfs -w -R 'rm /usr/lib/vmfork/kept-inittab' "$file" 2>/dev/null
	is_state damaged "$file" --check || return
	is_state removed "$file" --remove || return
	debugfs -R 'cat /etc/inittab' "$file" 2>/dev/null |
		cmp - "$root/etc/inittab" && e2fsck -fn "$file"
}

# A name that ends as a field of a listing does, and says another size.
name_of_no_system() {
	local file=$images/x

	cp "$images/whole.ext4" "$file"
	debugfs -w -R 'ln /etc/inittab /etc/inittabX10' "$file" 2>/dev/null
	LC_ALL=C sed -i 's|inittabX10|inittab/10|' "$file"
	refused 'no init that is known' "$file"
}

# Clusters, version and compression of an image are as they were.
qcow2_is_alike() {
	local file=$images/x before

	qemu-img convert -c -O qcow2 -o cluster_size=4096,compat=0.10 \
		"$images/whole.ext4" "$file"
	before=$(qcow2_facts "$file")
	is_state baked "$file" --init busybox || return
	same "$before" "$(qcow2_facts "$file")"
}

qcow2_facts() { # FILE
	qemu-img info "$1" | grep -E 'cluster_size|compat'
	qemu-img check --output=json "$1" |
		jq '."compressed-clusters" > 0'
}

refusals() {
	local file=$images/x

	echo 'nothing of the kind' >"$file"
	check "what is no archive" refused 'neither tar nor cpio' "$file"
	tar -cf "$file" -C "$root" bin
	check "a tar without /etc" refused 'no directory /etc' "$file"
	qemu-img create -q -f qcow2 -b "$images/disk.qcow2" -F qcow2 "$file"
	check "a qcow2 on another file" refused 'another file below' "$file"
	cp "$images/whole.ext4" "$file"
	debugfs -w -R 'ssv feature_incompat 0x2c6' "$file" >/dev/null 2>&1
	check "a file system in use" refused 'was not unmounted' "$file"
	head -c 880K /dev/zero | tr '\0' x >"$notes/evil/usr/fill"
	mke2fs -q -F -t ext4 -O ^has_journal -d "$notes/evil" "$file" 1M
	check "a file system without room" refused 'could not be written' "$file"
	cp "$images/gnu.tar" "$file"
	vmfork bake "$file"
	tar -rf "$file" -C "$root" etc/profile
	check "a tar that somebody added to" refused 'was added to it' "$file" \
		--remove
	cp "$images/plain.cpio" "$file"
	vmfork bake "$file"
	pack_early >>"$file"
	check "a cpio that somebody added to" refused 'was added to it' \
		"$file" --remove
	dd if="$images/gzip.cpio" of="$file" bs=1k count=100 status=none
	check "a cpio that ends too early" refused 'damaged' "$file"
	head -c 100000 "$images/zst.tar" >"$file"
	check "a tar that ends too early" refused 'damaged' "$file"
	rm "$file"
}

# Wherever it is killed, the image is the old one or the new one, and the next
# command takes it, even while a program that was just being started still has open
# what was.
killed() { # FILE STEP
	local before call rc

	before=$(contents "$1")
	for ((call = 1; ; call += $2)); do
		struck "$call" bake "$1"
		rc=$?
		"$VMFORK" bake "$1" --remove || return
		same "$before" "$(contents "$1")" &&
			[ ! -e "$images/.${1##*/}.vmfork-bake" ] || return
		[ "$rc" != 0 ] || break
		[ "$rc" = 137 ] || return
	done
	echo "killed up to call $((call - $2))"
	[ "$call" -gt 8 ]
}

# So is one that is baked otherwise, and one that it is taken out of.
killed_anew() { # FILE STEP
	local before call again out

	before=$(contents "$1")
	for ((call = 1; ; call += $2)); do
		is_state baked "$1" || return
		struck "$call" bake "$1" --signal vmgenid
		again=$?
		is_state baked "$1" --check || return
		struck "$call" bake "$1" --remove
		out=$?
		"$VMFORK" bake "$1" --remove || return
		same "$before" "$(contents "$1")" &&
			[ ! -e "$images/.${1##*/}.vmfork-bake" ] || return
		case $again:$out in
		0:0) break ;;
		0:137 | 137:0 | 137:137) ;;
		*) return 1 ;;
		esac
	done
	echo "killed up to call $((call - $2))"
	[ "$call" -gt 8 ]
}

# Something happens before a tool begins: e2fsck looks at the copy, the last before
# that is renamed.
meanwhile() { # TOOL COMMANDS
	rm -rf "$notes/shim"
	mkdir "$notes/shim"
	printf '#!/bin/sh\n%s\nexec %s "$@"\n' "$2" "$(command -v "$1")" \
		>"$notes/shim/$1"
	chmod 755 "$notes/shim/$1"
}

interrupted() {
	# shellcheck disable=SC2016 # that one expands
	meanwhile e2fsck 'kill -INT $PPID; exec sleep 1000'
	PATH=$notes/shim:$PATH refused 'interrupted' \
		"$images/whole.ext4"
}

# Whether it is compressed is not known then.
check_fails() {
	# shellcheck disable=SC2016 # that one expands
	meanwhile qemu-img '[ "$1" != check ] || exit 2'
	PATH=$notes/shim:$PATH refused 'qemu-img check exits with 2' \
		"$images/disk.qcow2"
}

# It would write into a file that is about to have no name.
no_vm_meanwhile() {
	local file=$images/whole.ext4

	meanwhile e2fsck "qemu-io -f raw -c 'write 0 512' $file >$notes/said 2>&1 &&
		exit 9"
	PATH=$notes/shim:$PATH is_state baked "$file" &&
		grep 'lock' "$notes/said" && is_state removed "$file" --remove
}

struck() { # CALL ARGUMENT...
	STRIKE_CALL=$1 STRIKE_LATE_MS=300 LD_PRELOAD=$BUILD/tests/vm/strike.so \
		"$VMFORK" "${@:2}" </dev/null
}

no_room() {
	local rc

	mkdir "$notes/small"
	mount -t tmpfs -o size=26m tmpfs "$notes/small"
	cp "$images/plain.cpio" "$notes/small/a"
	head -c 30M /dev/zero >"$notes/small/fill" 2>/dev/null
	says 1 'No space' "$VMFORK" bake "$notes/small/a" &&
		cmp "$images/plain.cpio" "$notes/small/a" &&
		[ "$(ls -A "$notes/small")" = "a"$'\n'"fill" ]
	rc=$?
	umount "$notes/small"
	return "$rc"
}

forks_of_it() {
	local said

	export VMFORK_INITRD=$images/zstd.cpio
	check "its guest has no agent" fails_to_arm
	check "it is baked, with modules" is_state baked "$VMFORK_INITRD" \
		--modules "$KERNEL" --signal mailbox
	boot src || bail "no source"
	check "its agent is the one that was baked" guest src \
		'[ -x /usr/sbin/vmfork-agent ] && [ -c /dev/vmfork ]'
	# shellcheck disable=SC2016 # the guest expands
	check "its agent is there before the login prompt" guest src \
		'[ "$(cat /first)" = "$(pidof vmfork-agent)" ]'
	# shellcheck disable=SC2016 # the guest expands
	check "one that is killed is started again" guest src \
		'kill -9 $(cat /first); until vmfork-agent status | grep \
		-q "\"running\":true" && ! pidof vmfork-agent | grep -qx \
		"$(cat /first)"; do sleep 1; done'
	check "a snapshot" vmfork snapshot src ready
	said=$(vmfork fork ready -n $FORKS --name web --json)
	check "its forks acknowledge" holds "$said" ".acked == $FORKS and
		all(.forks[]; .verified)"
	check "a fork has its own network" has_own_network web-1
}

fails_to_arm() {
	! vmfork run mute --timeout 8 && vmfork stop mute
	! vmfork ps --json | grep -q mute
}

for tool in mke2fs debugfs e2fsck qemu-img zstd lz4 xz cpio; do
	command -v $tool >/dev/null || bail "there is no $tool"
done
needs tests/vm/strike.so
[ -e "$BUILD/modules/$KERNEL/vmfork_mailbox.ko" ] ||
	bail "there are no modules: make modules KERNEL=$KERNEL"
{ make_root && make_images; } || bail "no images"
for image in "$images"/*; do
	check "${image##*/}" comes_and_goes "$image"
done
archives_of_others
refusals
check "what was kept is gone" kept_is_gone
check "a name that no system makes" name_of_no_system
check "a qcow2 of another kind" qcow2_is_alike
check "killed, a file system" killed "$images/disk.ext4" 1
check "killed, an archive" killed "$images/xz.cpio" 1
check "killed, a qcow2" killed "$images/disk.qcow2" 5
check "killed, a file system that is baked" killed_anew "$images/whole.ext4" 7
check "killed, an archive that is baked" killed_anew "$images/gz.tar" 4
check "interrupted" interrupted
check "a qcow2 that cannot be checked" check_fails
check "no VM starts meanwhile" no_vm_meanwhile
check "no room for a copy" no_room
forks_of_it
done_testing
