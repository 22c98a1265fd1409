#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print vmfork-mailbox(7). The prose that opens vmfork_mailbox.h is the ABI's
# specification; the page is that prose, and no second one.
#
#	shared/mailbox-man.sh HEADER
set -eu

cat <<'EOF'
.\" SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT
.TH VMFORK-MAILBOX 7 "" "vmfork 0.1" "Miscellaneous"
.SH NAME
vmfork\-mailbox \- how host and guest of a forked VM talk
.SH SYNOPSIS
.B #include <vmfork_mailbox.h>
.SH DESCRIPTION
EOF

# A paragraph that begins with a word in capitals and a full stop is a section;
# lines that are indented are a table.
expand "$1" | awk '
	/^\/\*$/ { inside = 1; next }
	/^ \*\/$/ { exit }
	!inside { next }
	{
		sub(/^ \*/, "")
		gsub(/\\/, "\\e")
		gsub(/-/, "\\-")
	}
	/^      / { if (!table) print ".PP\n.EX"; table = 1; print substr($0, 7); next }
	table && /^$/ { print ""; next }
	table { print ".EE"; table = 0 }
	/^$/ { print ".PP"; next }
	{ sub(/^ /, "") }
	match($0, /^[A-Z]+\. */) {
		word = substr($0, 1, RLENGTH)
		sub(/\. *$/, "", word)
		print ".SH " word
		$0 = substr($0, RLENGTH + 1)
	}
	{ print }
	END { if (table) print ".EE" }
'

cat <<'EOF'
.SH SEE ALSO
.BR vmfork (1),
.BR vmfork\-agent (8)
EOF
