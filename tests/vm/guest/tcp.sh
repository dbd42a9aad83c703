# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What the cases about TCP share. Sourced by them, after lib.sh.

# shellcheck disable=SC2034
HERE=path=tcp:127.0.0.1
# shellcheck disable=SC2034
SCRIPT_FLAGS=flags=flush:fua:trim:zeroes:df:multi:cache:fast

# start_script [WORD...] - the scripted NBD server, see its --help. What it is
# told by "script" comes on top of the words.
start_script() {
	: > "$WORK/control"
	: > "$WORK/trace"
	start_peer python3 $PEERS/nbd_script_server.py --listen \
		"${LISTEN:-tcp:127.0.0.1:${PORT:-10809}}" \
		--control "$WORK/control" --trace "$WORK/trace" \
		--pidfile "$WORK/peer.pid" "$@"
}

# script [WORD...] - what the server is to be or to do wrong from now on; the
# trace begins anew
script() {
	: > "$WORK/trace"
	printf '%s\n' "$@" > "$WORK/control.new"
	mv "$WORK/control.new" "$WORK/control"
}

# traced REGEX [COUNT] - the server has seen at least COUNT (1) such lines
traced() {
	local count
	count=$(grep -cE "$1" "$WORK/trace") || true
	(( count >= ${2:-1} )) ||
		fail "$count lines in the trace match '$1': $(tail -n 3 "$WORK/trace")"
}

not_traced() {
	! grep -E "$1" "$WORK/trace" || fail "the trace has '$1'"
}

# no_violations - the client has kept to the protocol, in what it sent so far
no_violations() {
	not_traced VIOLATION
}

# log_from_here - what our_log and one_line_says look at begins now
log_from_here() {
	local last
	last=$(bedctl kmsg "${LOG_AT:-$(< "$BED_RUN/mark")}" | tail -n 1)
	LOG_AT=${last:+${last%% *}}
	: "${LOG_AT:=$(< "$BED_RUN/mark")}"
}

# our_log - the modules' lines since log_from_here; where the server is in this
# kernel, too, without those of its own
our_log() {
	local not='^$'
	[[ -z ${BED_HOSTS-} ]] || not='^unbd(-[a-z]+)*-server: '
	bedctl kmsg "$LOG_AT" | cut -d ' ' -f 2- |
		grep -E '^unbd(-[a-z]+)*: ' | grep -vE "$not" || true
}

# said REGEX - in the modules' lines since log_from_here
said() {
	our_log | grep -q "$1"
}

# one_line_says REGEX WHAT - exactly one line has come, and it says that
one_line_says() {
	local lines
	lines=$(our_log)
	[[ $lines != *$'\n'* ]] || fail "$2: several lines in the log: $lines"
	matches "$lines" "$1" "the log of $2"
}

# refused ERRNO FILE TEXT REGEX - a write fails with ERRNO, and exactly one line
# of the log says why
refused() {
	log_from_here
	expect_errno "$1" "$2" "$3"
	one_line_says "$4" "writing '${3:0:99}'"
}

# map_refused ERRNO TEXT REGEX - likewise a mapping, of which nothing stays
map_refused() {
	refused "$1" "$CLIENT/map_device" "$2" "$3"
	nothing_mapped
}

nothing_mapped() {
	same "$(unbd_disks)" "" disks
	same "$(ls -A "$CLIENT/sessions")" "" "sessions left behind"
	same "$(ls -A "$CLIENT/devices")" "" "devices left behind"
}

# shellcheck disable=SC2034
TRACING=/sys/kernel/tracing

# trace_events GROUP[/EVENT] - have the kernel trace these from now on
trace_events() {
	defer eval "echo 0 > $TRACING/events/$1/enable"
	echo > $TRACING/trace
	echo 1 > "$TRACING/events/$1/enable"
}

# trace_calls NAME=FUNCTION... - likewise the calls of these, as NAME
trace_calls() {
	local call
	defer eval "echo > $TRACING/kprobe_events"
	for call; do
		echo "p:bed/${call%%=*} ${call#*=}" >> $TRACING/kprobe_events
	done
	trace_events bed
}

# queue_limit DISK NAME - a limit of its request queue
queue_limit() {
	cat "/sys/block/$1/queue/$2"
}

# path_state SESSION [N], path_stat SESSION NAME [N]
path_state() {
	cat "$CLIENT/sessions/$1/paths/${2:-0}/state"
}

path_stat() {
	sed -n "s/^$2 //p" "$CLIENT/sessions/$1/paths/${3:-0}/stats"
}

# connected_to PORT NUMBER - so many connections to it are there
connected_to() {
	[[ $(ss -Htn state established "dport = :$1" | wc -l) == "$2" ]]
}

# path_live SESSION N, path_away SESSION N
path_live() {
	[[ $(path_state "$1" "$2") == live ]]
}

path_away() {
	! path_live "$@"
}

path_is() {
	[[ $(path_state "$1") == "$2" ]]
}

state_is() {
	[[ $(state "$1") == "$2" ]]
}

# cut_is_noticed - the network is cut now; the session s, whose keepalive is one
# second, finds out by three probes without an answer
cut_is_noticed() {
	local begin took
	drop_network
	begin=$(milliseconds)
	eventually 5 path_is s reconnecting
	took=$(( $(milliseconds) - begin ))
	(( took <= 3000 + $(scaled 500) )) ||
		fail "noticed after $took ms, keepalive x 3 is 3000"
}

# milliseconds - now
milliseconds() {
	local now=$EPOCHREALTIME
	echo $(( ${now/[.,]/} / 1000 ))
}

# PATIENT - words for a mapping that waits for ever: nothing but a force ends it
# shellcheck disable=SC2034
PATIENT=(keepalive=3600 io_timeout=3600 fail_timeout=-1)

# unmapped_from_the_dead DISK - by force, with a reader waiting, after the power
# cut of the server's guest; which is there again afterwards. DISK is PATIENT, so
# that the force has ended what waits, and nothing else.
unmapped_from_the_dead() {
	local begin reader
	allow_log "dev $1|Buffer I/O error"
	host kill server
	dd if="/dev/$1" of=/dev/null bs=1M count=1 iflag=direct 2> /dev/null &
	reader=$!
	sleep 1
	begin=$(milliseconds)
	unmap "$1" force
	within 5 tail --pid=$reader -f /dev/null
	echo "unmapped after $(( $(milliseconds) - begin )) ms"
	host start server
}

# read_fails_after SECONDS BEGAN - a read of DISK, which is parked, waits until
# its outage is that old; that began after BEGAN, in milliseconds
read_fails_after() {
	local asked failed
	asked=$(milliseconds)
	must_fail direct_read "$DISK" 1
	failed=$(milliseconds)
	(( failed >= $2 + $1 * 1000 &&
		failed < asked + $1 * 1000 + $(scaled 2000) )) ||
		fail "failed after $(( failed - asked )) ms, within $(( failed - $2 )) ms of the outage; fail_timeout is $1 s"
	same "$(state "$DISK")" failing state
}

# count_is_over NUMBER CMD - of what CMD counts there are more
count_is_over() {
	(( $("$2") > $1 ))
}

# asked_every_two_seconds CMD [PATHS] - all that time; CMD counts for how many
# connections this guest has asked, for so many paths (1) that are away
asked_every_two_seconds() {
	local asked began took paths=${2:-1}
	asked=$("$1")
	began=$(milliseconds)
	eventually 60 count_is_over $((asked + 10 * paths)) "$1"
	took=$(( $(milliseconds) - began ))
	(( took <= 20000 + $(scaled 10000) )) ||
		fail "asked $paths paths ten times within $took ms"
}

# advice SEVERITY REGEX ADDRESS - what doctor finds of it, and how it ends
advice() {
	local status=0 wanted=0
	[[ $1 != @(warning|fault) ]] || wanted=1
	unbd doctor "$3" > "$WORK/found" || status=$?
	grep -qE "^$1 +$3: $2" "$WORK/found" ||
		fail "no $1 of $3 with '$2': $(< "$WORK/found")"
	same "$status" $wanted "exit status"
}
