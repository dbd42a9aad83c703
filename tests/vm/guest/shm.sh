# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the cases about shared memory have in common. Sourced by them.

SHM_CLIENT=/sys/module/unbd_shm_client/parameters
SHM_SERVER=/sys/module/unbd_shm_server/parameters

# share PLACE - connection 1 is there from now on: mem@0x100000000 for instance
share() {
	CONNECTION=1:$1/request:$1/response:$1/memory
}

# serve DEVICE... - load the server, all devices on connection 1
serve() {
	modprobe unbd-shm-server connections="$CONNECTION" \
		devices="$(printf '%s:1,' "$@" | sed 's/,$//')"
}

# serve_there DEVICE... - in the other guest
serve_there() {
	echo "CONNECTION=$CONNECTION; serve $*" | on server
}

# attach [PARAMETER...] - load the client
# shellcheck disable=SC2120 # the cases pass some
attach() {
	modprobe unbd-shm-client connections="$CONNECTION" "$@"
}

# attach_first COMMAND... - load the client, then serve a disk: DISK
attach_first() {
	attach
	sleep 1
	nr_disks 0
	"$@"
	eventually 10 nr_disks 1
	DISK=$(by_letter a)
}

# detach - the reverse, when udev has looked at the disks
detach() {
	settle 20
	eventually 10 remove $SHM_CLIENT 1
	rmmod unbd-shm-client
}

nr_disks() {
	(( $(unbd_disks | wc -l) == $1 ))
}

# by_letter a - the disk that a udev link names
by_letter() {
	eventually 10 test -b "/dev/muendisk$1" > /dev/null
	basename "$(readlink -f "/dev/muendisk$1")"
}

# remove PARAMETERS ID - of the client or the server
remove() {
	echo "$2" > "$1/remove_connection"
}
