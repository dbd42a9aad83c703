# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What test cases are written with. Sourced, in the guest client by runcase and
# in other guests by "on GUEST <<EOF"; the scripts run with set -e.
#
#   BED_KERNEL    key of the kernel: 5.10 6.1 6.12 7.2 debug
#   BED_GUESTS    names of the guests, "client" or "client server"
#   BED_SLOW      factor for times, 1 on a distribution's kernel

BED_RUN=/run/bed
REASON=$BED_RUN/reason
# The directory for what a check writes; its contents go when it ends.
# shellcheck disable=SC2034 # for the other parts and the cases, as all three
WORK=$BED_RUN/work
# shellcheck disable=SC2034
CLIENT=/sys/devices/virtual/unbd-client/ctl
# shellcheck disable=SC2034
SERVER=/sys/devices/virtual/unbd-server/ctl
# Programs that talk to ours, or read and write
# shellcheck disable=SC2034
PEERS=/bed/peers

. /bed/klog.sh
. /bed/unbd.sh
. /bed/peers.sh
. /bed/trees.sh
. /bed/io.sh

# --- other guests -----------------------------------------------------------

# on GUEST CMD [ARG...] - run a command in another guest
# on GUEST <<EOF        - run a script with this library and the case's
#                         functions there
# Output and exit status come back; takes two minutes at most.
on() {
	local guest=$1 there=0
	shift
	if (( $# )); then
		bedctl ask on "$guest" "$@" < /dev/null
		return
	fi
	bedctl ask on "$guest" env BED_KERNEL="${BED_KERNEL-}" \
		BED_GUESTS="${BED_GUESTS-}" BED_SLOW="${BED_SLOW-1}" \
		BED_CASE="${BED_CASE-}" bash /bed/script || there=$?
	(( !there )) ||
		on "$guest" cat $BED_RUN/reason > $BED_RUN/reason.there
	return $there
}

# host VERB GUEST - kill, start, restart, freeze or thaw a guest. kill is a
# power cut; start and restart return when the guest can be used.
host() {
	bedctl ask "$1" "$2" < /dev/null
}

other_guests() {
	local guest
	for guest in ${BED_GUESTS-}; do
		[[ $guest == client ]] || echo "$guest"
	done
}

# --- ends of a check --------------------------------------------------------

# fail TEXT - end the check as failed
fail() {
	reason "$*"
	exit 1
}

# skip TEXT - end the check as impossible here
skip() {
	reason "$*"
	exit 77
}

# The first reason counts: what fails afterwards follows from it.
reason() {
	echo "$*" >&2
	[[ -s $REASON ]] || echo "$*" > "$REASON"
}

# The ERR trap of every script: say which command failed, and where the test
# stood, not the library.
command_failed() {
	local status=$? i=1
	while [[ ${BASH_SOURCE[i+1]-} && ${BASH_SOURCE[i]} == /bed/*.sh &&
		${BASH_SOURCE[i]} != /bed/cases/* ]]; do
		i=$(( i + 1 ))
	done
	local why="$1 (status $status)"
	# What "on" returns, its caller sees as that command.
	[[ $1 != 'return $there' || ! -s $BED_RUN/reason.there ]] ||
		why="on another guest: $(< $BED_RUN/reason.there)"
	reason "${BASH_SOURCE[i]##*/}:${BASH_LINENO[i-1]}: $why"
}

# defer CMD [ARG...] - run when the check ends, in reverse order, however it
# ends. Nothing of the shell but the arguments is there any more.
defer() {
	printf '%q ' "$@" >> $BED_RUN/deferred
	echo >> $BED_RUN/deferred
}

run_deferred() {
	[[ -e $BED_RUN/deferred ]] || return 0
	tac $BED_RUN/deferred > $BED_RUN/deferred.now
	rm $BED_RUN/deferred
	(set +e; . $BED_RUN/deferred.now)
	return 0
}

# --- assertions -------------------------------------------------------------

# tried CMD [ARG...] - run it where its failure is no failure of the check
tried() (
	REASON=/dev/null
	trap - ERR
	"$@"
)

# must_fail CMD [ARG...] - "! CMD" would not end a script under set -e
must_fail() {
	if tried "$@"; then
		fail "succeeded: $*"
	fi
}

# same ACTUAL EXPECTED [WHAT]
same() {
	[[ $1 == "$2" ]] || fail "${3:-value} is '$1', expected '$2'"
}

# matches ACTUAL REGEX [WHAT]
matches() {
	[[ $1 =~ $2 ]] || fail "${3:-value} is '$1', expected to match '$2'"
}

# scaled SECONDS - what a time is on this kernel
scaled() {
	echo $(( $1 * ${BED_SLOW:-1} ))
}

# eventually SECONDS CMD [ARG...] - until it succeeds; the time is scaled
eventually() {
	local end=$(( SECONDS + $(scaled "$1") ))
	shift
	until tried "$@"; do
		(( SECONDS <= end )) || fail "not in time: $*"
		sleep 0.1
	done
}

# within SECONDS CMD [ARG...] - it succeeds, and takes no longer (scaled)
within() {
	local limit status=0
	limit=$(scaled "$1")
	shift
	timeout -k 1 "$limit" "$@" || status=$?
	(( status != 124 )) || fail "took more than $limit s: $*"
	(( !status )) || fail "status $status: $*"
}

# write_sysfs FILE TEXT - one write; its errno is printed and is the failure
write_sysfs() {
	local errno
	errno=$(bedctl write "$1" "$2") ||
		fail "writing '$2' to ${1##*/} gives $errno"
}

# expect_errno ERRNO FILE TEXT - one write fails with exactly this
expect_errno() {
	local errno
	if errno=$(bedctl write "$2" "$3"); then
		fail "writing '${3:0:99}' to ${2##*/} succeeded, expected $1"
	fi
	same "$errno" "$1" "errno of writing '${3:0:99}' to ${2##*/}"
}

# need_module NAME... - load modules of the distribution, or skip the check
need_module() {
	local name
	for name; do
		modprobe -q "$name" || skip "this kernel has no module $name"
	done
}

is_debug() {
	[[ $BED_KERNEL == debug ]]
}

# --- the network between the guests -----------------------------------------

# drop_network [PORT...] - packets vanish, nothing is reset. With a server all
# of its traffic; in a single guest the TCP ports named (default 10809).
drop_network() {
	local where='iifname eth0' back='oifname eth0' guest ports
	guest=$(other_guests | head -n 1)
	if [[ -z $guest ]]; then
		ports=$(IFS=,; echo "${*:-10809}")
		where="tcp dport { $ports }" back="tcp sport { $ports }"
	fi
	defer restore_network
	network_rules "$guest" <<-EOF
		add table inet bed
		add chain inet bed in { type filter hook input priority 0; }
		add chain inet bed out { type filter hook output priority 0; }
		add rule inet bed in $where drop
		add rule inet bed in ${back/oif/iif} drop
		add rule inet bed out $back drop
		add rule inet bed out ${where/iif/oif} drop
	EOF
}

restore_network() {
	network_rules "$(other_guests | head -n 1)" <<-EOF
		add table inet bed
		delete table inet bed
	EOF
}

network_rules() {
	if [[ -n $1 ]]; then
		bedctl ask on "$1" nft -f -
	else
		nft -f -
	fi
}

# --- between checks ---------------------------------------------------------

# reset_guest - back to how a guest is after boot; fails if that cannot be
reset_guest() {
	run_deferred
	forget_unbd
	rm -rf "$REASON" $BED_RUN/reason.there $BED_RUN/work
	mkdir $BED_RUN/work
}
