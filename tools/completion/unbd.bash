# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Completion of unbd(8) for bash.

_unbd_disks()
{
	local disk
	for disk in /sys/devices/virtual/unbd-client/ctl/devices/*; do
		[[ ! -e $disk ]] || echo "${disk##*/}"
	done
}

_unbd_names()
{
	local name
	for name in "$1"/*; do
		[[ ! -e $name ]] || echo "${name##*/}"
	done
}

_unbd_sessions()
{
	_unbd_names /sys/devices/virtual/unbd-client/ctl/sessions
}

_unbd_exports()
{
	_unbd_names /sys/devices/virtual/unbd-server/ctl/exports
}

# _unbd_words COMMAND PLACE - what may stand there, one a line
_unbd_words()
{
	case $1 in
	help)	echo map unmap resize path export unexport listen unlisten \
			list show stats top doctor save restore ;;
	map)	echo nbd:// nbd+unix:/// nbd+vsock:// sessname= path= \
			device_path= access_mode= nr_queues= nr_poll_queues= \
			queue_depth= policy= io_timeout= fail_timeout= \
			keepalive= replay= ;;
	unmap)	_unbd_disks; _unbd_sessions ;;
	resize)	[[ $2 != 1 ]] || _unbd_disks ;;
	path)	case $2 in
		1)	echo add remove disconnect reconnect ;;
		2)	_unbd_sessions ;;
		esac ;;
	export)	echo name= device_path= access_mode= clients= ;;
	unexport)
		_unbd_exports ;;
	listen)	echo tcp: unix: vsock: rdma: ;;
	list)	[[ $2 != 1 ]] || echo tcp: unix: vsock: ;;
	doctor)	echo tcp: unix: vsock: rdma: ip: shm: nbd:// ;;
	unlisten)
		cat /sys/devices/virtual/unbd-server/ctl/listeners ;;
	show | stats)
		[[ $2 != 1 ]] || { _unbd_disks; _unbd_sessions; _unbd_exports; } ;;
	esac 2> /dev/null
}

_unbd_options()
{
	case $1 in
	map)	echo --session --path --export --access --ro --queues \
			--poll-queues --depth --policy --io-timeout \
			--fail-timeout --keepalive --replay --json ;;
	unmap | unexport)
		echo --force ;;
	export)	echo --clients --ro --access ;;
	list | show | stats | doctor)
		echo --json ;;
	top)	echo --once --count --interval --json ;;
	restore)
		echo --boot ;;
	esac
	echo --help
}

_unbd()
{
	local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
	local place=$(( COMP_CWORD - 1 )) last=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	if (( COMP_CWORD == 1 )); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_unbd_words help) help" -- "$word")
		return
	fi
	case $command:$last in
	map:--policy)
		mapfile -t COMPREPLY < <(compgen -W \
			"min-inflight round-robin min-latency prefer" -- \
			"$word")
		return ;;
	*:--access)
		mapfile -t COMPREPLY < <(compgen -W "rw ro migration" -- \
			"$word")
		return ;;
	esac
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(_unbd_options "$command")" -- "$word")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W \
		"$(_unbd_words "$command" "$place")" -- "$word")
	case $command in
	save | restore | export | unmap | resize)
		mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < \
			<(compgen -f -- "$word") ;;
	esac
	[[ ${COMPREPLY[0]-} != *[=:/] ]] || compopt -o nospace
}

complete -F _unbd unbd
