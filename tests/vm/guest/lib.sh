# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What test cases are written with. Sourced, in the guest client by runcase and
# in other guests by "on GUEST <<EOF"; the scripts run with set -e.
#
#   BED_KERNEL    key of the kernel: 5.10 6.1 6.12 7.2 debug
#   BED_GUESTS    names of the guests, "client", "client server" or with "server2";
#                 who boots only when the case says so is none of them
#   BED_HOSTS     other hosts of this kernel: with the topologies "ns" and "loop"
#                 "server"; BED_TOPOLOGY says which
#   BED_GATE      not empty when make check has little time for much of the same
#   BED_SLOW      factor for times, 1 on a distribution's kernel
#   CASE_...      what the one who started the run has set, in the client

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
	if [[ " ${BED_HOSTS-} " == *" $guest "* ]]; then
		on_host "$guest" "$@"
		return
	fi
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

# on_host HOST [CMD [ARG...]] - likewise, on a host that is in this kernel
on_host() {
	local inside=()
	[[ ! -e /run/netns/$1 ]] || inside=(nsenter "--net=/run/netns/$1")
	if (( $# > 1 )); then
		"${inside[@]}" "${@:2}" < /dev/null
	else
		BED_HOSTS='' "${inside[@]}" bash /bed/script
	fi
}

# lay_cable - between this host and the server, with the topology "ns"; it is
# taken away when nothing of ours can use it any more
lay_cable() {
	local net="net.ipv6.conf.default.accept_dad=0"
	ip netns add server
	sysctl -qw $net
	on server sysctl -qw $net
	ip link add eth0 address 52:54:00:00:00:02 mtu 9000 type veth \
		peer eth0 address 52:54:00:00:00:01 mtu 9000 netns server
	ip address add 10.0.0.2/24 dev eth0
	on server ip address add 10.0.0.1/24 dev eth0
	ip link set eth0 up
	on server ip link set lo up
	on server ip link set eth0 up
}

take_cable() {
	[[ -e /run/netns/server ]] || return 0
	ip link del eth0
	ip netns del server
}

# host VERB GUEST [WORD...] - kill, start, restart, freeze or thaw a guest. kill
# is a power cut; start and restart return when the guest can be used, or fail
# when it ends instead. The words go to the kernel that is started.
host() {
	local said status=0
	said=$(bedctl ask "$@" < /dev/null) || status=$?
	[[ -z $said ]] || reason "$said"
	return $status
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
	# What a check has undone itself cannot be undone once more.
	( set +eE; trap - ERR; . $BED_RUN/deferred.now ) || :
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

# ask_udev ARG... - udevadm, asked again when udevd hangs up: so it does to who
# writes to it between its accept() and its setting of SO_PASSCRED
ask_udev() {
	local said
	until said=$(udevadm "$@" 2>&1); do
		[[ $said == *"Broken pipe"* ]] ||
			fail "udevadm $1: ${said:-it took too long}"
	done
}

# settle [SECONDS] - until udev has dealt with what there was; scaled
settle() {
	ask_udev settle -t "$(scaled "${1:-120}")"
}

# in_gate - this is make check, which has little time for much of the same
in_gate() {
	[[ ${BED_GATE-} ]]
}

# rounds ALL FEW - how many of the same there are, and in make check
rounds() {
	if in_gate; then
		echo "$2"
	else
		echo "$1"
	fi
}

# eventually SECONDS CMD [ARG...] - until it succeeds; the time is scaled, and
# never short: a host may have something else to do. "within" is for promises.
eventually() {
	local end tries=0
	end=$(( SECONDS + ($1 < 15 ? 15 : $1) * ${BED_SLOW:-1} ))
	shift
	until tried "$@"; do
		(( SECONDS <= end )) || too_late "not in time: $*"
		tries=$(( tries + 1 ))
		doze 0.$(( tries < 10 ? 1 : 4 ))
	done
}

# doze SECONDS - sleep without a program, which would be most of an emulated
# guest's work while it waits
doze() {
	[[ -p $BED_RUN/never ]] || mkfifo $BED_RUN/never
	read -rt "$1" <> $BED_RUN/never || :
}

# too_late TEXT - fail, but say before how things are
too_late() {
	diagnosis >&2 || :
	fail "$@"
}

# diagnosis - print what to look at when nothing moves any more
diagnosis() {
	show_paths
}

# Besides, who has disks open, and who cannot go on
show_paths() {
	head -v -n 20 $CLIENT/sessions/*/paths/*/{state,stats} || :
	find /proc/[0-9]*/fd -lname '/dev/unbd*' -printf '%p %l\n' || :
	ps axo pid,stat,wchan:30,args | grep '^ *[0-9]* D' || :
} 2> /dev/null

# within SECONDS CMD [ARG...] - it succeeds, and takes no longer (scaled). A
# program, for timeout(1) knows no functions.
within() {
	local limit status=0
	limit=$(scaled "$1")
	shift
	[[ $(type -t "$1") == file ]] || fail "within: $1 is no program"
	timeout -k 1 "$limit" "$@" || status=$?
	(( status != 124 )) || too_late "took more than $limit s: $*"
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

# nobody_stuck - no task is in uninterruptible sleep
nobody_stuck() {
	eventually 5 none_blocked
}

none_blocked() {
	[[ -z $(ps axo stat,pid,comm --no-headers | grep '^D') ]]
}

# need_module NAME... - load modules of the distribution. Those of its kernels
# are chosen by the bed, so that one which is missing is a mistake; the debug
# kernel is of another configuration.
need_module() {
	local name
	for name; do
		is_live "$name" || modprobe -q "$name" && continue
		! is_debug || skip "this kernel has no module $name"
		fail "this kernel has no module $name"
	done
}

# is_live MODULE - it is loaded; to find out by modprobe takes far longer
is_live() {
	local state dir=/sys/module/${1//-/_}
	[[ -e $dir/initstate ]] && read -r state < "$dir/initstate" &&
		[[ $state == live ]]
}

is_debug() {
	[[ $BED_KERNEL == debug ]]
}

# --- the network between the guests -----------------------------------------

# drop_network [PORT...] - packets vanish, nothing is reset. With a server all
# that a guest gets from the other; in a single guest the TCP ports named
# (default 10809). Whoever sends is not told, as by a cable that was cut.
drop_network() {
	local ports
	defer restore_network
	if [[ -n $(other_guests) || ${BED_TOPOLOGY-} == ns ]]; then
		drop_incoming iifname eth0
		return
	fi
	ports=$(IFS=,; echo "${*:-10809}")
	drop_incoming tcp dport "{ $ports }"
	drop_incoming tcp sport "{ $ports }"
}

# drop_incoming MATCH... - in all guests, until restore_network
drop_incoming() {
	network_rules "add rule inet bed in $* drop"
}

restore_network() {
	network_rules "flush chain inet bed in"
}

# network_rules RULE - for nft in all guests. The chain stays: with the first
# one the kernel patches its code, and QEMU 7.2 may go on to execute the
# breakpoint that it does so with, for ever, if packets come at that moment.
network_rules() {
	local rules guest
	rules="add table inet bed
		add chain inet bed in { type filter hook input priority 0; }
		$1"
	nft -f - <<< "$rules"
	for guest in $(other_guests); do
		bedctl ask on "$guest" nft -f - <<< "$rules"
	done
	[[ ${BED_TOPOLOGY-} != ns ]] ||
		nsenter --net=/run/netns/server nft -f - <<< "$rules"
}

# --- between checks ---------------------------------------------------------

# reset_guest - back to how a guest is after boot; fails if that cannot be
reset_guest() {
	run_deferred
	forget_unbd
	take_cable
	rm -rf "$REASON" $BED_RUN/reason.there $BED_RUN/work
	mkdir $BED_RUN/work
}
