# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Completion of vmfork in bash. Verbs and options are those that the command
# itself tells; so are the names of what there is.

_vmfork_words() { # from what a verb's help says
	vmfork "$@" --help 2>/dev/null | grep -oE -- '(^| |, )--[a-z0-9-]+' | tr -d ' ,'
}

_vmfork_names() { # ps|snapshots|net ls: the first column, without its head
	vmfork "$@" 2>/dev/null | awk 'NR > 1 { print $1 }'
}

_vmfork() {
	local cur=$2 prev=$3 verb=${COMP_WORDS[1]:-} words=

	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		words=$(vmfork --help 2>/dev/null | awk '/^  [a-z]/ { print $1 }')
	elif [[ $cur == -* ]]; then
		words=$(_vmfork_words "$verb")
	else
		case $prev in
		--kernel | --initrd | --disk | --csv | --plot | --trace | --payload | --payload-dir | --state | -[kid])
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		--mode) words='auto full diff live bridge routed' ;;
		--init) words='auto systemd openrc busybox none' ;;
		--accel) words='auto kvm tcg' ;;
		--wait) words='none network settled' ;;
		--hooks)
			if [ "$verb" = bake ]; then
				mapfile -t COMPREPLY < <(compgen -d -- "$cur")
				return
			fi
			words='ignore fail'
			;;
		--prefetch) words='auto off list' ;;
		--net) words=$(_vmfork_names net ls) ;;
		*)
			case $verb in
			inspect | console | stop | snapshot) words=$(_vmfork_names ps) ;;
			bake)
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
				return
				;;
			fork | rmi) words=$(_vmfork_names snapshots) ;;
			pool) words="fill ls drain $(_vmfork_names snapshots)" ;;
			snapshots) words="hot $(_vmfork_names snapshots) $(_vmfork_names ps)" ;;
			net) words="create ls rm $(_vmfork_names net ls)" ;;
			bench) words="start apply ack burst pause $(_vmfork_names snapshots)" ;;
			esac
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _vmfork vmfork
