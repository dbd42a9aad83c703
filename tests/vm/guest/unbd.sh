# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Drive unbd as an administrator does: modprobe, and writes to sysfs.

# load MODULE... - by name or by its part after "unbd-" (client, tcp-server...)
load() {
	local name
	for name; do
		name=unbd-${name#unbd-}
		is_live "$name" || modprobe "$name"
	done
}

# unload MODULE... - in the order given; fails as rmmod does
unload() {
	local name
	for name; do
		rmmod "unbd-${name#unbd-}"
	done
}

loaded() {
	sed -n 's/^\(unbd_[a-z_]*\) .*/\1/p' /proc/modules
}

unbd_disks() {
	local disk
	for disk in /sys/block/unbd*; do
		[[ -d $disk/unbd ]] && echo "${disk##*/}"
	done
	return 0
}

# map KEY=VALUE... - map a device and print its name when it can be opened
map() {
	local before disk new=
	load client
	before=$(unbd_disks)
	write_sysfs $CLIENT/map_device "$*"
	for disk in $(unbd_disks); do
		[[ $'\n'$before$'\n' == *$'\n'$disk$'\n'* ]] || new+=$disk
	done
	[[ $new == unbd+([0-9]) ]] || fail "mapping '$*' made disks '$new'"
	settle 10
	[[ -b /dev/$new ]] || fail "no /dev/$new"
	echo "$new"
}
shopt -s extglob

# unmap DISK [force] - udev may be looking at the disk still, which is a user
# like any other
unmap() {
	local file=/sys/block/$1/unbd/unmap_device how=${2:-normal}
	local end=$(( SECONDS + $(scaled 10) ))
	while [[ $how == normal ]] && (( SECONDS < end )); do
		settle 10
		[[ $(bedctl write "$file" normal) == EBUSY ]] || break
	done
	[[ ! -e $file ]] || write_sysfs "$file" "$how"
}

# state DISK - what its state attribute says
state() {
	cat "/sys/block/$1/unbd/state"
}

# nothing_failed [DISK] - no request that came to DISK, or to $DISK, has failed
nothing_failed() {
	same "$(cat "/sys/block/${1:-$DISK}/unbd/stats/failed")" 0 stats/failed
}

# export_dev KEY=VALUE..., unexport NAME [force], listen ADDR, unlisten ADDR
export_dev() {
	load server
	write_sysfs $SERVER/export_device "$*"
}

unexport() {
	write_sysfs $SERVER/unexport_device "$*"
}

listen() {
	load server
	write_sysfs $SERVER/listen "$1"
}

unlisten() {
	write_sysfs $SERVER/unlisten "$1"
}

# disk_file MIB [NAME] - print the path of a fresh sparse file to export
disk_file() {
	local file=$WORK/${2:-disk}
	truncate -s "$1M" "$file"
	echo "$file"
}

# no_connections - the server of this guest has none
no_connections() {
	[[ -z $(ls -A "$SERVER/connections") ]]
}

# forget_unbd - unmap everything by force, stop listening and exporting, remove
# the modules
forget_unbd() {
	local disk name
	for disk in $(unbd_disks); do
		write_sysfs "/sys/block/$disk/unbd/unmap_device" force
	done
	forget_listeners
	# Those that clients have named go by themselves, too.
	for name in "$SERVER"/exports/*; do
		[[ ! -d $name ]] ||
			echo "${name##*/} force" > "$SERVER/unexport_device" ||
			[[ ! -d $name ]] || fail "${name##*/} stays exported"
	done
	unload_all
}

# forget_listeners - of all network namespaces; each ends its own
forget_listeners() {
	local name net
	[[ -e $SERVER/listeners ]] || return 0
	for name in $(< "$SERVER/listeners"); do
		for net in /run/netns/*; do
			[[ ! -e $net ]] || nsenter --net="$net" bedctl write \
				"$SERVER/unlisten" "$name" > /dev/null || :
		done
		bedctl write "$SERVER/unlisten" "$name" > /dev/null || :
	done
	same "$(< "$SERVER/listeners")" "" listeners
}

# unload_all - remove our modules; fails if one stays. The kernel lists users
# before what they use.
unload_all() {
	local try left
	for try in {1..50}; do
		left=$(loaded)
		[[ -n $left ]] || return 0
		# shellcheck disable=SC2086 # each its own; some fail, others go
		rmmod $left 2> /dev/null || :
		(( try < 5 )) || sleep 0.2
	done
	fail "cannot unload ${left//$'\n'/ }"
}
