# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the cases share that have a peer of muenblock in user space: it maps the
# memory of one ivshmem device, our modules that of another one, which is the
# same. Sourced by them.

. /bed/shm.sh
. /bed/tcp.sh

MEMORY=0000:00:12.0
# As muenblock_wire.py has them
window() {
	echo "ivshmem@0000:00:10.0+$1+$2"
}
CONNECTION=1:$(window 0x1000 0x8000):$(window 0x9000 0x4000):$(window 0x10000 0x1000000)
SESSION=shm1

# quiet_memory - what a check before has left there is gone
quiet_memory() {
	python3 - <<-EOF
		import sys
		sys.path.insert(0, "$PEERS")
		import muenblock_wire as wire
		memory = wire.Memory("$MEMORY")
		memory.all[:0x10000] = bytes(0x10000)
		memory.mark_gaps()
	EOF
}

# gaps_untouched - nobody has written where nothing is
gaps_untouched() {
	python3 - <<-EOF
		import sys
		sys.path.insert(0, "$PEERS")
		import muenblock_wire as wire
		wire.Memory("$MEMORY").check_gaps()
	EOF
}

# start_peer_server PROGRAM WORD... - of the tests' own; restarts are sudden
start_peer_server() {
	local BED_ROWS=${BED_ROWS:-9}
	stop_peer_server
	: > "$WORK/ready"
	python3 "$PEERS/$1.py" "${@:2}" > "$WORK/ready" 2>> "$WORK/peer" \
		{BED_ROWS}>&- &
	PEER=$!
	defer bash -c "kill -9 $PEER 2> /dev/null"
	eventually 20 grep -q serving "$WORK/ready"
}

stop_peer_server() {
	[[ ${PEER-} ]] || return 0
	kill -9 "$PEER"
	wait "$PEER" 2> /dev/null || :
	PEER=
	cat "$WORK/ready" >> "$WORK/peer"
}

# peer_serves WORD... - the reference, with options, memory and disks
peer_serves() {
	start_peer_server muenblock_server "$@"
}

# nothing_wrong - the reference has had no complaint about us
nothing_wrong() {
	cat "$WORK/ready" >> "$WORK/peer"
	! grep -E -m 3 '^wrong|Error' "$WORK/peer" ||
		fail "$(grep -E -m 3 '^wrong|Error' "$WORK/peer")"
}
