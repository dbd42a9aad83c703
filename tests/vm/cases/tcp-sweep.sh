# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A server that dies at each byte of the handshake, in each style of it. What
# the mapping had made by then must go: the leak scan comes after the case.
# kernels: 6.1 debug
# gate: 6.1
# timeout: 600
# tags: tcp client leaks

. /bed/tcp.sh

setup() {
	load client
}

# sweep WORD... - the mapping fails for as long as the server dies in the
# handshake, and not a byte longer
sweep() {
	local bytes=0 last errno disk
	start_script "$@"
	last=$(handshake_bytes)
	script sweep=0:400
	while (( bytes < last )); do
		errno=$(bedctl write "$CLIENT/map_device" \
			"sessname=s $HERE device_path=vol0 nr_queues=1") &&
			fail "mapped from $bytes bytes of a handshake of $last"
		[[ $errno == ECONNRESET || $errno == ENOENT ]] ||
			fail "errno $errno after $bytes of $last bytes"
		bytes=$(( bytes + 1 ))
	done
	nothing_mapped
	same "$(our_errors)" "$last" "lines in the log"
	script
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
	direct_read "$disk" 1 > /dev/null
	unmap "$disk"
	echo "$last bytes: $last mappings failed"
}

our_errors() {
	klog | grep -c '^unbd: map_device: .*server closed the connection'
}

# What the server sends until transmission begins
handshake_bytes() {
	local disk
	disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=1)
	unmap "$disk"
	sed -n 's/^1 transmission after \([0-9]*\) bytes$/\1/p' "$WORK/trace"
}

test_fixed_newstyle() {
	sweep "$SCRIPT_FLAGS" extended=1
}

# gate: none
test_fixed_newstyle_without_extended_headers() {
	sweep "$SCRIPT_FLAGS" text-info
}

# gate: none
test_export_name() {
	sweep "$SCRIPT_FLAGS" structured=0 go=0 nozeroes=0
}

# gate: none
test_plain_newstyle() {
	sweep "$SCRIPT_FLAGS" style=plain
}

test_oldstyle() {
	sweep "$SCRIPT_FLAGS" style=oldstyle
}

# The further connections: fewer of them will do.
# gate: none
test_the_second_connection() {
	local bytes disk
	start_script "$SCRIPT_FLAGS" extended=1
	for bytes in 0 1 8 16 17 18 19 37 38 39 57 58 70 80 90 100; do
		script "die=$bytes,conn=2"
		log_from_here
		disk=$(map sessname=s "$HERE" device_path=vol0 nr_queues=2)
		matches "$(our_log)" '1 of 2 connections' "log of byte $bytes"
		unmap "$disk"
	done
	nothing_mapped
}

# A user who loses patience: the mapping ends with the signal, at once.
test_a_mapping_that_is_interrupted() {
	local bytes writer
	start_script "$SCRIPT_FLAGS"
	for bytes in 0 10 18 30 50 70; do
		script "hang=$bytes"
		bedctl write "$CLIENT/map_device" \
			"sessname=s $HERE device_path=vol0" > /dev/null &
		writer=$!
		eventually 10 traced ' open '
		sleep 0.3
		kill -9 $writer
		within 3 tail -s 0.1 --pid=$writer -f /dev/null
		nothing_mapped
	done
}
