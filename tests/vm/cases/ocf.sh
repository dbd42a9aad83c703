# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The resource agent with which Pacemaker starts and stops an export.
# kernels: 6.1
# timeout: 200
# tags: server tcp

. /bed/tcp.sh

AGENT=/usr/lib/ocf/resource.d/unbd/unbd-export

# agent ACTION [KEY=VALUE...] - as a cluster calls it, for vol0
agent() {
	local action=$1 value words=(OCF_ROOT=/usr/lib/ocf
		OCF_RESOURCE_INSTANCE=vol OCF_RESKEY_name=vol0
		OCF_RESKEY_device="$FILE" OCF_RESKEY_listen=tcp:127.0.0.1:10809)
	shift
	for value; do
		words+=("OCF_RESKEY_$value")
	done
	env "${words[@]}" "$AGENT" "$action"
}

# answers STATUS REASON ACTION [KEY=VALUE...]
answers() {
	local status=0 want=$1 reason=$2 out
	shift 2
	out=$(agent "$@" 2>&1) || status=$?
	same $status "$want" "status of $*"
	matches "$out" "$reason" "what $* says"
}

setup() {
	FILE=$(disk_file 16)
}

test_it_is_what_a_cluster_wants() {
	chmod 755 "$BED_RUN" "$WORK"
	ocf-tester -v -n vol -o name=vol0 -o device="$FILE" \
		-o clients=10.0.0.0/8 "$AGENT" > "$WORK/tester" 2>&1 ||
		fail "ocf-tester: $(grep '^\*' "$WORK/tester")"
	cat "$WORK/tester"
}

test_a_disk_waits_while_its_export_is_moved() {
	answers 7 '^$' monitor
	answers 0 '^$' start
	answers 0 '^$' start
	answers 0 '^$' monitor
	DISK=$(map sessname=s "$HERE" device_path=vol0)
	write_steadily "$DISK" --also "$FILE"
	answers 0 '^$' stop
	answers 7 '^$' monitor
	answers 0 '^$' stop
	eventually 5 state_is "$DISK" parked
	answers 0 '^$' start
	writing_goes_on
	end_writing
	nothing_failed
	unmap "$DISK"
	answers 0 '^$' stop
}

test_what_is_not_right_is_said() {
	answers 0 '^$' validate-all
	answers 3 '^$' promote
	answers 6 "name='' is not of" validate-all name=
	answers 6 "name='a b' is not of" start "name=a b"
	answers 6 "name='../x' is not of" stop name=../x
	answers 6 "device='x' is no plain path" validate-all device=x
	answers 5 "/dev/none is no disk and no file here" start \
		device=/dev/none
	answers 1 "export_device refused .*name=vol0.*access_mode=what" \
		start access_mode=what
	same "$(ls $SERVER/exports)" "" exports
	answers 1 "listen refused 'tcp:1.2.3.4:10809'" start \
		listen=tcp:1.2.3.4:10809
	answers 1 "vol0 is $FILE here" monitor device=/other
	answers 1 "does not listen to tcp:127.0.0.1:10809" monitor
	answers 0 '^$' stop
	answers 7 '^$' monitor
}
