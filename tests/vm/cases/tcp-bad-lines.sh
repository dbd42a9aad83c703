# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What a user can get wrong in a line for the client: each has its errno and
# one line in the log that says what is wrong and with what.
# kernels: 6.1
# timeout: 400
# tags: tcp client bad-input

. /bed/tcp.sh

setup() {
	load client
}

# bad ERRNO TEXT REGEX
bad() {
	map_refused "$1" "$2" "^unbd: map_device: .*$3"
}

GOOD="sessname=s $HERE device_path=d"

test_keys() {
	bad EINVAL " " "sessname= is missing"
	bad EINVAL "sessname=s $HERE" "device_path= is missing"
	bad EINVAL "$HERE device_path=d" "sessname= is missing"
	bad EINVAL "$GOOD colour=blue" 'unknown key in "colour=blue"'
	bad EINVAL "$GOOD nonsense" 'unknown key in "nonsense"'
	bad EINVAL "$GOOD sessname=t" 'sessname= is given twice, again as t'
	bad EINVAL "$GOOD device_path=e" 'device_path= is given twice'
	bad EINVAL "$GOOD io_timeout=3 io_timeout=4" 'io_timeout= is given twice'
	bad EINVAL "$GOOD policy=" 'policy= has no value'
	bad EINVAL "$GOOD \"" 'quote is left open'
	bad EINVAL "$GOOD"$'\x01' 'control byte 0x01'
}

test_names() {
	local long
	long=$(printf 'x%.0s' {1..256})
	bad ENAMETOOLONG "sessname=$long $HERE device_path=d" 'longer than 255'
	bad EINVAL "sessname=a/b $HERE device_path=d" "a name cannot have a '/'"
	bad EINVAL "sessname=.. $HERE device_path=d" 'is not a name'
	bad EINVAL "sessname= $HERE device_path=d" 'sessname= has no value'
}

# A line that does not fit is refused whole, not carried out as far as it fits.
test_a_line_that_is_too_long() {
	local long
	long=$(printf 'x%.0s' {1..5000})
	bad E2BIG "sessname=s $HERE device_path=$long" 'longer than'
}

test_numbers_and_choices() {
	bad EINVAL "$GOOD nr_queues=many" 'nr_queues=many is not a number'
	bad ERANGE "$GOOD nr_queues=0" 'nr_queues=0 is not within 1'
	bad ERANGE "$GOOD queue_depth=0" 'queue_depth=0 is not within'
	bad ERANGE "$GOOD queue_depth=1000000" 'queue_depth=1000000 is not within'
	bad ERANGE "$GOOD nr_poll_queues=-2" 'nr_poll_queues=-2 is not within'
	bad ERANGE "$GOOD io_timeout=0" 'io_timeout=0 is not within'
	bad ERANGE "$GOOD fail_timeout=-2" 'fail_timeout=-2 is not within'
	bad ERANGE "$GOOD keepalive=-1" 'keepalive=-1 is not within'
	bad ERANGE "$GOOD io_timeout=99999999999999999999" 'is not within'
	bad EINVAL "$GOOD access_mode=maybe" 'access_mode=maybe: rw, ro or'
	bad EINVAL "$GOOD policy=best" 'policy=best: min-inflight'
	bad EINVAL "$GOOD tls=yes" 'tls=yes: off, x509 or psk'
	bad EOPNOTSUPP "$GOOD tls=psk" 'tls=psk is not supported'
}

# path ERRNO PATH REGEX
path() {
	bad "$1" "sessname=s path=$2 device_path=d" "$3"
}

test_paths_that_are_none() {
	local i many=""
	path EPROTONOSUPPORT 127.0.0.1 'prefix names no transport'
	path EPROTONOSUPPORT udp:127.0.0.1 'udp:127.0.0.1: the prefix'
	path EINVAL tcp: 'without an address'
	path EINVAL tcp:localhost '"localhost" is no numeric'
	path EINVAL tcp:127.0.0 'is no numeric'
	path EINVAL tcp:127.0.0.1.5 'is no numeric'
	path ERANGE tcp:127.0.0.1:0 '"0" is no port'
	path ERANGE tcp:127.0.0.1:65536 '"65536" is no port'
	path EINVAL tcp:127.0.0.1:nbd '"nbd" is no port'
	path EINVAL 'tcp:[::1' 'ADDRESS\] or'
	path EINVAL 'tcp:[127.0.0.1]' 'is no numeric IPv6'
	path EINVAL tcp:fe80::1:80 'is ":80" a port'
	path EINVAL unix:relative 'unix:/PATH or'
	path ENAMETOOLONG "unix:/$(printf 'x%.0s' {1..110})" 'longer than'
	path EINVAL vsock:two:10809 'no vsock context id'
	path EINVAL fd:seven 'no file descriptor'
	path EINVAL tcp:127.0.0.1,tcp:127.0.0.1,tcp:127.0.0.1 'more than one source'
	path EINVAL tcp:127.0.0.1,unix:/x 'different kinds'
	for i in {1..17}; do
		many+=" path=tcp:127.0.0.$i"
	done
	bad E2BIG "sessname=s$many device_path=d" '16 paths are the most'
}

test_paths_that_do_not_resolve() {
	path ENODEV 'tcp:[fe80::1%nosuch0]:10809' 'no such interface'
	path EBADF fd:99 'fd 99 is not open'
	path ENOENT unix:/nonexistent/socket '/nonexistent/socket'
	path ECONNREFUSED tcp:127.0.0.1:1 'tcp:127.0.0.1:1'
	path ECONNREFUSED 'tcp:[::1]:1' '\[::1\]:1'
	path ENETUNREACH tcp:192.0.2.1 'tcp:192.0.2.1'
	path EADDRNOTAVAIL tcp:192.0.2.1,tcp:127.0.0.1 '192.0.2.1'
}

# A descriptor must be a connected stream socket of the writing process.
test_descriptors_that_are_no_connection() {
	exec 8< /etc/hosts
	path ENOTSOCK fd:8 'fd 8 is not a socket'
	exec 8<> /dev/udp/127.0.0.1/9
	path EPROTONOSUPPORT fd:8 'fd 8: not a stream socket'
	start_nbdkit memory 16M
	exec 8<> /dev/tcp/127.0.0.1/10809
	stop_peer "$PEER_PID"
	path ENOTCONN fd:8 'fd 8: the socket is not connected'
	exec 8>&-
}

test_a_transport_that_is_not_there() {
	mkdir -p /run/modprobe.d
	printf 'install unbd-%s-client /bin/false\n' rdma shm \
		> /run/modprobe.d/bed.conf
	defer rm /run/modprobe.d/bed.conf
	path EPROTONOSUPPORT rdma:10.0.0.1 'rdma'
	path EPROTONOSUPPORT shm:1 'shm'
}

test_files_of_a_device() {
	local disk dir
	start_script
	disk=$(map "$GOOD")
	dir=/sys/block/$disk/unbd
	refused EINVAL "$dir/unmap_device" now "^unbd: $disk: unmap_device: normal"
	refused EINVAL "$dir/resize" big "^unbd: $disk: resize: a number"
	refused EINVAL "$dir/resize" 99999999 "^unbd: $disk: resize: .*sectors only"
	refused ERANGE "$dir/resize" 18446744073709551615 "^unbd: $disk: resize: "
	refused EINVAL "$dir/remap_device" 2 "^unbd: $disk: remap_device: write 1"
	dir=$CLIENT/sessions/s
	refused EINVAL "$dir/policy" fastest '^unbd: s: policy: min-inflight'
	refused EPROTONOSUPPORT "$dir/add_path" 10.0.0.1 '^unbd: s: add_path: '
	refused EINVAL "$dir/add_path" $'tcp:127.0.0.2\nunbd: all is well' \
		'^unbd: s: add_path: a path does not go on'
	refused EINVAL "$dir/add_path" $'tcp:127.0.0.2\e[2K' \
		'^unbd: s: add_path: control byte 0x1b'
	refused EEXIST "$dir/add_path" tcp:127.0.0.1 '^unbd: s: add_path: .*that path'
	refused EBUSY "$dir/paths/0/remove" 1 '^unbd: s path 0 .*: remove: .*last'
	refused EINVAL "$dir/paths/0/remove" 0 '^unbd: s path 0 .*: remove: write 1'
	refused EINVAL "$dir/paths/0/reconnect" x 'reconnect: write 1'
	refused EINVAL "$dir/paths/0/disconnect" x 'disconnect: write 1'
	unmap "$disk"
}
