#!/bin/bash
# SPDX-License-Identifier: MIT
# kernels: 6.12 (7.2)
# time: 240
#
# A snapshot that is 75 hours old: its forks know what time it is, and with it
# trust a certificate that was made after the snapshot. The certificate comes
# with the fork, as its payload.
#
#	src: its clock set back, so that it is 75 hours behind
#	web-1: its fork; the host's end of the network serves TLS
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

AGE_S=$((75 * 3600))
PORT=4433

# openssl and the libraries that it is linked with, as arguments of build.sh.
openssl_files() {
	local path

	echo "--add /bin/openssl=$(command -v openssl)"
	ldd "$(command -v openssl)" | grep -o '/[^ ]*' | while read -r path; do
		echo "--add $path=$(readlink -f "$path")"
	done
}

serve() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-subj /CN=host -days 1 -keyout "$STATE/key" -out "$STATE/cert" \
		2>/dev/null || return
	openssl s_server -accept "$PORT" -cert "$STATE/cert" -key "$STATE/key" \
		-www -quiet >"$STATE/server" 2>&1 </dev/null &
	server=$!
	retry_until 10 listens
}

listens() {
	ss -Hltn "sport = :$PORT" | grep -q .
}

# Does the guest get through a handshake in which it trusts only that file?
trusts() { # VM FILE
	guest "$1" "openssl s_client -connect $gateway:$PORT -CAfile $2 \
		-verify_return_error -brief </dev/null"
}

not_yet_valid() { # VM FILE
	local said

	said=$(trusts "$1" "$2") && return 1
	grep -q 'not yet valid' <<<"$said"
}

# A guest's wall clock minus the host's, within some seconds of a number.
is_behind() { # VM SECONDS
	local behind

	behind=$(($(date +%s) - $(guest "$1" 'date +%s')))
	echo "$1 is $behind s behind"
	[ "$behind" -ge $(($2 - 5)) ] && [ "$behind" -le $(($2 + 30)) ]
}

# shellcheck disable=SC2046 # one word for each option
"$ROOT/initramfs/build.sh" --kernel "$BUILD/kernels/$KERNEL" \
	--agent "$BUILD/vmfork-agent" $(openssl_files) \
	--out "$STATE/initrd" || bail "no guest with openssl"
VMFORK_INITRD=$STATE/initrd boot src || bail "no source"
guest src "date -s @$(($(date +%s) - AGE_S))" || bail "no clock"
vmfork snapshot src ready || bail "no snapshot"
gateway=$(vmfork net ls --json | jq -r '.[].ipv4 | sub("/.*"; "")')
check "TLS is served, with a certificate of this moment" serve

forked=$(vmfork fork ready --name web --payload "$STATE/cert" --wait settled \
	--json)
check "fork: settled" holds "$forked" '.forks[0].reached == "settled"'
check "fork: it had 75 hours to make up for, and did" holds "$forked" \
	".forks[0].settle | .tasks.clock == \"done\" and .clock == \"mail\"
	and .skew_before_us < -$AGE_S * 1000000 + 5000000
	and (.skew_after_us | fabs) < 1000000"
check "the fork's clock is the host's" is_behind web-1 0
check "the fork trusts the certificate" trusts web-1 /run/vmfork/payload
check "the source's clock is as it was" is_behind src $AGE_S
guest src "cat >/tmp/cert <<'END'
$(cat "$STATE/cert")
END" || bail "no certificate in the source"
check "the source does not: it is not yet valid there" not_yet_valid src \
	/tmp/cert
kill "$server"
wait "$server"
done_testing
