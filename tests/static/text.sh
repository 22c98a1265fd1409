#!/bin/sh
# SPDX-License-Identifier: MIT
# What any file has to look like: its licence, its format, what it may not name.
# shellcheck source=tests/static/lib.sh
. "$(dirname "$0")/lib.sh"

CLANG_FORMAT=14

without_licence() {
	tracked | while read -r path; do
		head -n 3 "$path" | grep -q 'SPDX-License-Identifier: ' ||
			echo "$path: no SPDX line among the first three"
	done
}

badly_formatted() {
	tracked '*.c' '*.h' | xargs clang-format --dry-run 2>&1 |
		grep -E 'warning|error' | sort -u
}

# One for each line; spelled so that this file is not found itself.
forbidden() {
	cat <<-'WORDS'
		T[O]DO
		F[I]XME
		(^|[^X])X[X]X([^X]|$)
		(^|[^A-Za-z_])st[u]bs?([^A-Za-z_]|$)
		\.\./sh[a]red
		(^|[^a-z.])/wo[r]k/
		/t[m]p/w/
		DESI[G]N\.md
		(deb|security|snapshot)\.debi[a]n\.org
	WORDS
}

forbidden_words() {
	tracked | xargs grep -nIE "$(forbidden)"
}

long_lines() {
	# shellcheck disable=SC2016 # awk's dollars
	tracked '*.c' '*.h' '*.sh' '*.mk' | xargs awk '
		{ line = $0; gsub(/\t/, "        ", line) }
		length(line) > 100 { print FILENAME ":" FNR ": " length(line) " columns" }'
}

# A longer one hides a second noun.
long_files() {
	tracked '*.c' '*.h' | while read -r path; do
		lines=$(wc -l <"$path")
		[ "$lines" -le 500 ] || echo "$path: $lines lines"
	done
}

trailing_blanks() {
	tracked | xargs grep -nIE '[[:blank:]]+$'
}

nothing "each file names its licence" without_licence
nothing "no word and no path that does not belong here" forbidden_words
nothing "no line above 100 columns" long_lines
nothing "no source above 500 lines" long_files
nothing "no blanks at the end of a line" trailing_blanks
# Each version of clang-format has its own idea of the same configuration.
if clang-format --version | grep -q "version $CLANG_FORMAT\."; then
	nothing "clang-format changes nothing" badly_formatted
else
	skip "clang-format changes nothing" \
		"not version $CLANG_FORMAT: $(clang-format --version)"
fi
done_testing
