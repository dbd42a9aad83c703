# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Other people's NBD servers. Each listens on PORT (default 10809, on all
# addresses) when the function returns, leaves its process id in PEER_PID and
# its own messages in $WORK/peer.log, and ends with the check.

# start_nbdkit ARG... - filters, plugin and its parameters
start_nbdkit() {
	local where=(-p "${PORT:-10809}")
	[[ " $* " != *" -U "* ]] || where=()
	start_peer nbdkit -f -P "$WORK/peer.pid" "${where[@]}" "$@"
}

# start_nbd_server FILE [KEY=VALUE...] - export FILE as "disk", with the
# options of its section of the configuration (flush=true...)
start_nbd_server() {
	local file=$1
	shift
	{
		printf '[generic]\nport = %s\nallowlist = true\n' \
			"${PORT:-10809}"
		printf '[disk]\nexportname = %s\n' "$file"
		(( !$# )) || printf '%s\n' "$@"
	} > "$WORK/nbd-server.conf"
	# In the foreground (-d) it would serve a single connection, then end.
	rm -f "$WORK/peer.pid"
	local BED_ROWS=${BED_ROWS:-9}
	LD_PRELOAD=/bed/nokeys.so nbd-server -C "$WORK/nbd-server.conf" \
		-p "$WORK/peer.pid" \
		>> "$WORK/peer.log" 2>&1 < /dev/null {BED_ROWS}>&-
	eventually 15 test -s "$WORK/peer.pid"
	PEER_PID=$(< "$WORK/peer.pid")
	defer stop_peer "$PEER_PID"
	# It listens before it is ready.
	eventually 15 nbd_greets
}

nbd_greets() {
	[[ $(timeout 1 head -c 8 < "/dev/tcp/127.0.0.1/${PORT:-10809}" \
		2> /dev/null) == NBDMAGIC ]]
}

# start_qemu_nbd ARG... - options and the image; the export is "" unless -x
start_qemu_nbd() {
	start_peer qemu-nbd -t -e 16 -p "${PORT:-10809}" \
		--pid-file="$WORK/peer.pid" "$@"
}

# start_peer CMD [ARG...] - start in the background, wait until it listens.
# Descriptors of the check must not stay open in it.
start_peer() {
	local BED_ROWS=${BED_ROWS:-9}
	rm -f "$WORK/peer.pid"
	"$@" >> "$WORK/peer.log" 2>&1 < /dev/null {BED_ROWS}>&- &
	PEER_PID=$!
	defer stop_peer "$PEER_PID"
	await_peer "$@"
}

await_peer() {
	local end=$(( SECONDS + $(scaled 15) ))
	until peer_ready "$@"; do
		kill -0 "$PEER_PID" && (( SECONDS <= end )) ||
			fail "$1 does not start: $(tail -n 2 "$WORK/peer.log")"
		doze 0.1
	done
}

# What listens elsewhere than on a port writes its pid when it does.
peer_ready() {
	if [[ " $* " == *" -"[Uk]" "* || $* == *--vsock* ||
		$* == *--pidfile* ]]; then
		[[ -e $WORK/peer.pid ]]
	else
		ss -Hltn "sport = :${PORT:-10809}" | grep -q .
	fi
}

# stop_peer PID - end a server and wait until it has gone
stop_peer() {
	kill "$1" 2> /dev/null || return 0
	for _ in {1..50}; do
		kill -0 "$1" 2> /dev/null || return 0
		doze 0.1
	done
	kill -9 "$1"
}
