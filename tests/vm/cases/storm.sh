# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Random events under verified fio: whatever comes when, no byte is wrong, no
# request fails and no task is stuck. What comes follows from a seed alone. A
# storm of another seed, and as long as it should be:
#
#     CASE_SEED=7 CASE_EVENTS=200 tests/vm/run --kernel 6.1 --filter storm
#
# topology: two
# kernels: 6.1
# timeout: 2400
# tags: tcp rdma shm client server recovery paths
# devices: ivshmem mem disk

. /bed/rdma.sh
. /bed/shm.sh
share ivshmem@0000:00:11.0

SEED=${CASE_SEED:-5}
EVENTS=${CASE_EVENTS:-24}
KINDS=(cut cut drop delay freeze reset reset kill path path resize resize)

# events - a line for each: what, to which of the two paths, how much of it in
# percent, and tenths of a second until the next one
events() {
	local number
	RANDOM=$SEED
	for (( number = 1; number <= EVENTS; number++ )); do
		echo "${KINDS[RANDOM % ${#KINDS[@]}]}" $(( RANDOM % 2 )) \
			$(( RANDOM % 100 )) $(( RANDOM % 20 ))
	done
}

# --- the server, in the other guest -------------------------------------------

# offer TRANSPORT MIB - that much of the disk that stays, as export 0
offer() {
	ip addr replace 10.0.1.1/24 dev eth0
	[[ $1 != rdma ]] || rxe_here
	need_module dm-mod
	dmsetup create storm --table "0 $(( $2 * 2048 )) linear /dev/vda 0"
	export_dev name=0 device_path=/dev/mapper/storm
	case $1 in
	rdma)	listen rdma:0.0.0.0:1234 ;;
	*)	listen tcp:0.0.0.0:10809 ;;
	esac
	[[ $1 != shm ]] || serve 0
}

sized() {
	dmsetup load storm --table "0 $(( $1 * 2048 )) linear /dev/vda 0"
	dmsetup resume storm
}

# reset_paths PEER - close all connections of it; some may go by themselves
reset_paths() {
	local conn
	for conn in "$SERVER"/connections/*; do
		[[ $(cat "$conn/peer") != $1* ]] || echo 1 > "$conn/force_close"
	done 2> /dev/null || :
}

withdraw() {
	forget_unbd
	! dmsetup info storm > /dev/null 2>&1 || dmsetup remove storm
}

# --- events -------------------------------------------------------------------

# calm - nothing is cut, lost or late any more
calm() {
	nft flush chain inet bed in
	tc qdisc replace dev eth0 root pfifo
	CALM_AT=0
}

# disturbed PERCENT - for up to five seconds
disturbed() {
	CALM_AT=$(( $(milliseconds) + 500 + $1 * 45 ))
}

# What the server has sent does not arrive, what it is sent does. Memory cannot
# be cut: there its guest stands still.
event_cut() {
	if [[ ${PATHS[$1]} == shm:* ]]; then
		event_freeze "$1" "$2"
		return
	fi
	calm
	nft add rule inet bed in ip saddr "10.0.$1.0/24" drop
	disturbed "$2"
}

event_drop() {
	calm
	tc qdisc replace dev eth0 root netem loss $(( 1 + $2 / 4 ))%
	disturbed "$2"
}

event_delay() {
	calm
	tc qdisc replace dev eth0 root netem delay $(( 1 + $2 ))ms $(( $2 / 2 ))ms
	disturbed "$2"
}

event_freeze() {
	host freeze server
	doze $(( $2 / 20 )).$(( $2 % 10 ))
	host thaw server
}

event_reset() {
	local peer=10.0.$1.
	[[ ${PATHS[$1]} != shm:* ]] || peer=shm:
	on server <<< "reset_paths $peer"
}

event_kill() {
	host kill server
	doze $(( $2 / 50 )).$(( $2 % 10 ))
	host start server
	offer_there
}

# The path goes, unless it is the last one, or comes again.
event_path() {
	local path
	path=$(grep -lx "${PATHS[$1]}" "$CLIENT"/sessions/s/paths/*/dst) || :
	if [[ -z $path ]]; then
		write_sysfs "$CLIENT/sessions/s/add_path" "${PATHS[$1]}"
	elif (( $(ls "$CLIENT/sessions/s/paths" | wc -l) > 1 )); then
		within 20 bedctl write "${path%/dst}/remove" 1
	fi
}

# The server never has less than the client: that is the administrator's duty.
event_resize() {
	local mib=$(( 64 + $2 * 63 / 100 ))
	if (( mib > MIB )); then
		MIB=$mib
		on server <<< "sized $mib"
		tried resized 0 || :
	elif tried resized $(( mib * 2048 )); then
		MIB=$mib
		on server <<< "sized $mib"
	fi
}

# resized SECTORS - which needs a path that is live, and stays that
resized() {
	local errno
	errno=$(bedctl write "/sys/block/$DISK/unbd/resize" "$1") || {
		[[ $errno == ENOTCONN ]] || fail "resize gives $errno"
		return 1
	}
}

# --- checks -------------------------------------------------------------------

offer_there() {
	echo "CONNECTION=$CONNECTION; offer $TRANSPORT $MIB" | on server
}

# verify_on - fio writes and verifies, each time something else, until it is to
# stop
verify_on() {
	local round=0
	until [[ -e $WORK/stop ]]; do
		verified_fio "$DISK" --bsrange=4k-4k \
			--randseed=$(( SEED * 1000 + round++ ))
	done
	echo "$round rounds of fio"
}

pause() {
	local end=$(( $(milliseconds) + $1 ))
	while (( $(milliseconds) < end )); do
		(( !CALM_AT || $(milliseconds) < CALM_AT )) || calm
		doze 0.1
	done
}

all_live() {
	[[ $(sort -u "$CLIENT"/sessions/s/paths/*/state) == live ]]
}

# storm TRANSPORT PATH PATH
storm() {
	local kind path amount wait number=0 writer
	TRANSPORT=$1 PATHS=("$2" "$3") MIB=64
	ip addr replace 10.0.1.2/24 dev eth0
	restore_network
	need_module sch_netem
	defer tc qdisc del dev eth0 root
	defer restore_network
	defer on server bash -c '. /bed/lib.sh; . /bed/cases/storm.sh; withdraw'
	offer_there
	[[ $1 != rdma ]] || rxe_here
	[[ $1 != shm ]] || attach auto_map=N
	calm
	DISK=$(map sessname=s "path=$2" "path=$3" device_path=0 keepalive=1 \
		io_timeout=5 fail_timeout=-1 policy=round-robin)
	# What udev looks at near the end may be in flight when the end moves.
	allow_log "error, dev $DISK, sector [0-9]+ .*\(READ\) flags 0x8"
	echo "seed $SEED, $EVENTS events"
	verify_on &
	writer=$!
	while read -r kind path amount wait; do
		echo "$(( ++number )) $SECONDS s: $kind $path $amount $wait"
		"event_$kind" "$path" "$amount" < /dev/null
		pause "$wait"00
		kill -0 $writer || break
	done < <(events)
	calm
	touch "$WORK/stop"
	within 90 tail -s 0.1 --pid=$writer -f /dev/null
	wait $writer || fail "the writer has failed"
	eventually 30 all_live
	nothing_failed
	resized 0
	same "$(blockdev --getsize64 "/dev/$DISK")" $(( MIB << 20 )) size
	unmap "$DISK"
	nobody_stuck
	on server <<< nobody_stuck
}

# kernels: 6.1 7.2
test_over_tcp() {
	storm tcp tcp:10.0.0.1 tcp:10.0.1.1
}

test_over_rdma() {
	storm rdma rdma:10.0.0.1 rdma:10.0.1.1
}

test_over_shared_memory_and_tcp() {
	storm shm shm:1 tcp:10.0.1.1
}
