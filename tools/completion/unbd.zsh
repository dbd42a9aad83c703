#compdef unbd
# SPDX-License-Identifier: GPL-2.0
# Completion of unbd(8) for zsh.

local client=/sys/devices/virtual/unbd-client/ctl
local server=/sys/devices/virtual/unbd-server/ctl
local -a commands disks sessions exports listeners
commands=(
	'map:make a disk of what a server exports'
	'unmap:take disks away'
	'resize:take up the size that the server has now'
	'path:add, remove or restart a way to a server'
	'export:let clients use a block device or a file'
	'unexport:take exports away'
	'listen:let clients come'
	'unlisten:let no new clients come'
	'list:disks, exports and listeners'
	'show:all that is known of a disk, a session or an export'
	'stats:counters'
	'top:what goes over disks and paths now'
	'doctor:what is wrong, and what to do'
	'save:write down exports, listeners and mappings'
	'restore:export, listen and map what a file says'
	'help:help of a command'
)
disks=($client/devices/*(N:t))
sessions=($client/sessions/*(N:t))
exports=($server/exports/*(N:t))
[[ ! -r $server/listeners ]] || listeners=(${(f)"$(<$server/listeners)"})

if (( CURRENT == 2 )); then
	_describe command commands
	return
fi

local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
map)
	_arguments '--session=:name' '*--path=:path' '--export=:name' \
		'--access=:mode:(rw ro migration)' '--ro' '--queues=:number' \
		'--poll-queues=:number' '--depth=:number' \
		'--policy=:policy:(min-inflight round-robin min-latency prefer)' \
		'--io-timeout=:seconds' '--fail-timeout=:seconds' \
		'--keepalive=:seconds' '--replay=:size' '--json' '--help' \
		'*:what:(nbd:// nbd+unix:/// nbd+vsock:// sessname= path= device_path=)' ;;
unmap)
	_arguments '--force' '--help' \
		'*:disk or session:(($disks $sessions /dev/disk/by-unbd/*(N)))' ;;
resize)
	_arguments '--help' '1:disk:($disks)' '2:size' ;;
path)
	_arguments '--help' '1:what:(add remove disconnect reconnect)' \
		'2:session:($sessions)' '3:path' ;;
export)
	_arguments '--clients=:addresses' '--ro' '--help' \
		'--access=:mode:(rw ro migration)' '1:name' '2:device:_files' ;;
unexport)
	_arguments '--force' '--help' '*:export:($exports)' ;;
listen)
	_arguments '--help' '1:address:(tcp\: unix\: vsock\: rdma\:)' ;;
unlisten)
	_arguments '--help' '1:address:(${listeners//:/\\:})' ;;
list)
	_arguments '--json' '--help' '1:address:(tcp\: unix\: vsock\:)' ;;
doctor)
	_arguments '--json' '--help' \
		'*:path:(tcp\: unix\: vsock\: rdma\: ip\: shm\: nbd\://)' ;;
show | stats)
	_arguments '--json' '--help' \
		'1:disk, session or export:($disks $sessions $exports)' ;;
top)
	_arguments '--once' '--count=:number' '--interval=:seconds' '--json' \
		'--help' ;;
save)
	_arguments '--help' '1:file:_files' ;;
restore)
	_arguments '--boot' '--help' '1:file:_files' \
		'*:lines:(export listen map)' ;;
help)
	_describe command commands ;;
esac
