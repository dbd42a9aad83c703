# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Our server and other people's clients: each reads back what it or another one
# wrote, and is told what the export is.
# kernels: 6.1
# timeout: 600
# tags: tcp server interop
# peers: tester

URI=nbd://127.0.0.1/vol0

# serve FILE [KEY=VALUE...] - export it as vol0 on all addresses
serve() {
	local file=$1
	shift
	export_dev name=vol0 device_path="$file" "$@"
	listen tcp:127.0.0.1
}

# some_data FILE MIB - data with a hole in the middle
some_data() {
	truncate -s "$2M" "$1"
	dd if=/dev/urandom of="$1" bs=1M count=$(( $2 / 4 )) conv=notrunc \
		status=none
	dd if=/dev/urandom of="$1" bs=1M count=$(( $2 / 4 )) conv=notrunc \
		seek=$(( $2 * 3 / 4 )) status=none
}

# info KEY - of the export, as libnbd learnt it
info() {
	jq -r ".exports[0][\"$1\"]" "$WORK/info.json"
}

test_nbdinfo_learns_what_a_file_export_is() {
	serve "$(disk_file 16)"
	nbdinfo --json $URI > "$WORK/info.json"
	same "$(jq -r .protocol "$WORK/info.json")" newstyle-fixed protocol
	same "$(jq -r .structured "$WORK/info.json")" true structured
	same "$(info export-name)" vol0 name
	same "$(info export-size)" $(( 16 << 20 )) size
	same "$(info is_read_only)" false is_read_only
	for can in flush fua trim zero multi_conn df cache; do
		same "$(info can_$can)" true "can_$can"
	done
	same "$(info block_size_minimum)" 1 "minimum block size"
	same "$(info block_size_maximum)" $(( 32 << 20 )) "maximum payload"
	matches "$(info contexts)" base:allocation contexts
}

test_nbdinfo_learns_what_a_disk_export_is() {
	need_module brd
	# Udev may still be looking at the disks that these made.
	eventually 10 modprobe -r brd
	modprobe brd rd_nr=1 rd_size=16384
	defer modprobe -r brd
	serve /dev/ram0 access_mode=ro
	nbdinfo --json $URI > "$WORK/info.json"
	same "$(info export-size)" $(( 16 << 20 )) size
	same "$(info is_read_only)" true is_read_only
	same "$(info block_size_minimum)" \
		"$(blockdev --getss /dev/ram0)" "minimum block size"
}

test_exports_are_listed() {
	serve "$(disk_file 4 a)"
	export_dev name=vol1 device_path="$(disk_file 8 b)"
	nbdinfo --list --json nbd://127.0.0.1 > "$WORK/list.json"
	same "$(jq -r '.exports[]."export-name"' "$WORK/list.json" | sort |
		xargs)" "vol0 vol1" "exports"
	nbd-client -l 127.0.0.1 > "$WORK/list" 2>&1
	grep -qx vol1 "$WORK/list" || fail "nbd-client -l: $(cat "$WORK/list")"
	must_fail nbdinfo nbd://127.0.0.1/vol2
}

test_nbdcopy_both_ways() {
	local image
	image=$(disk_file 24)
	some_data "$WORK/data" 24
	serve "$image"
	nbdcopy "$WORK/data" $URI
	nbdcopy $URI "$WORK/back"
	cmp "$WORK/data" "$WORK/back"
	unexport "vol0 force"
	cmp "$WORK/data" "$image"
	# The hole has arrived as a hole.
	(( $(stat -c %b "$image") <= (13 << 11) )) ||
		fail "the file has $(stat -c %b "$image") sectors"
}

test_qemu_img_converts_compares_and_maps() {
	some_data "$WORK/data" 24
	qemu-img convert -f raw -O qcow2 "$WORK/data" "$WORK/data.qcow2"
	serve "$(disk_file 24)"
	qemu-img convert -n -f qcow2 -O raw "$WORK/data.qcow2" $URI
	qemu-img compare -f raw -F qcow2 $URI "$WORK/data.qcow2"
	qemu-img map -f raw --output=json $URI > "$WORK/map.json"
	same "$(jq '[.[] | select(.data) | .length] | add' "$WORK/map.json")" \
		$(( 12 << 20 )) "bytes that qemu-img takes for data"
	printf x | dd of="$WORK/data" bs=1 seek=5000000 conv=notrunc status=none
	must_fail qemu-img compare -f raw -F raw $URI "$WORK/data"
}

# kernels: 6.1 7.2
test_qemu_io_does_what_it_is_told() {
	local image
	image=$(disk_file 8)
	serve "$image"
	qemu-io -f raw -c 'write -P 0x5a 1M 1M' -c 'write -f -P 0x33 4096 512' \
		-c 'write -P 0x77 123 7' -c 'flush' -c 'write -z 1536k 256k' \
		-c 'write -z -u 5M 1M' -c 'discard 6M 1M' \
		-c 'read -P 0x5a 1M 512k' -c 'read -P 0 1536k 256k' \
		-c 'read -P 0x5a 1792k 256k' -c 'read -P 0x33 4096 512' \
		-c 'read -P 0x77 123 7' -c 'read -P 0 5M 2M' $URI \
		> "$WORK/out" 2>&1 || fail "qemu-io: $(tail -n 3 "$WORK/out")"
	must_fail grep -qi fail "$WORK/out"
	same "$(od -An -tx1 -j 123 -N 7 "$image")" " 77 77 77 77 77 77 77" bytes
	must_fail qemu-io -f raw -c 'write 8M 512' $URI
}

test_a_read_only_export_refuses_changes() {
	serve "$(disk_file 4)" access_mode=ro
	must_fail qemu-io -f raw -c 'write 0 4096' $URI
	qemu-io -r -f raw -c 'read -P 0 0 1M' $URI > "$WORK/out"
	must_fail grep -qi 'failed' "$WORK/out"
}

test_fio_verifies_over_its_nbd_engine() {
	serve "$(disk_file 16)"
	fio --name=nbd --ioengine=nbd --uri=$URI --rw=randrw --bs=4k \
		--iodepth=32 --size=4M --verify=crc32c --verify_fatal=1 \
		--randseed=3 --minimal > "$WORK/fio.out" 2>&1 ||
		fail "fio: $(tail -n 3 "$WORK/fio.out")"
}

# The kernel's own client never asks for block sizes, and may have several
# connections.
test_nbd_client_and_the_kernels_nbd() {
	! is_debug || skip "lockdep finds fault with nbd.ko itself"
	need_module nbd
	serve "$(disk_file 400)"
	nbd-client -N vol0 -C 2 127.0.0.1 /dev/nbd0 > "$WORK/out" 2>&1 ||
		fail "nbd-client: $(tail -n 2 "$WORK/out")"
	defer nbd-client -d /dev/nbd0
	same "$(blockdev --getsize64 /dev/nbd0)" $(( 400 << 20 )) size
	make_tree "$WORK/tree" 4
	mkfs.ext4 -q -F /dev/nbd0 32M
	nbd_round_trip
	mkfs.xfs -q -f -s size=512 /dev/nbd0
	nbd_round_trip
}

nbd_round_trip() {
	mounted /dev/nbd0 "$WORK/mnt"
	cp -a "$WORK/tree" "$WORK/mnt/tree"
	umount "$WORK/mnt"
	drop_caches
	mounted /dev/nbd0 "$WORK/mnt"
	same_tree "$WORK/tree" "$WORK/mnt/tree"
	fstrim "$WORK/mnt"
	umount "$WORK/mnt"
}

test_files_serve_single_bytes() {
	local image
	image=$(disk_file 1)
	serve "$image"
	python3 - <<-'EOF'
		import nbd
		h = nbd.NBD()
		h.connect_uri("nbd://127.0.0.1/vol0")
		h.set_strict_mode(0)
		h.pwrite(b"abc", 1)
		assert h.pread(5, 0) == b"\0abc\0", h.pread(5, 0)
		h.zero(1, 2)
		h.flush()
		assert h.pread(4, 0) == b"\0a\0c"
		h.pwrite(b"end", h.get_size() - 3, nbd.CMD_FLAG_FUA)
		assert h.pread(3, h.get_size() - 3, nbd.CMD_FLAG_DF) == b"end"
		h.cache(4096, 0)
		h.trim(4096, 65536)
		h.shutdown()
	EOF
	same "$(od -An -c -N 4 "$image")" '  \0   a  \0   c' bytes
}

# Holes of a sparse file come back as holes: what a reader is told and what the
# file has must agree, for every byte.
test_block_status_tells_the_holes() {
	truncate -s 8M "$WORK/sparse"
	dd if=/dev/urandom of="$WORK/sparse" bs=64k seek=16 count=4 \
		conv=notrunc status=none
	serve "$WORK/sparse"
	nbdinfo --map --json $URI > "$WORK/map.json"
	same "$(jq '[.[] | select(.type == 0) | .length] | add' \
		"$WORK/map.json")" 262144 "bytes of data"
	same "$(jq '[.[] | .length] | add' "$WORK/map.json")" $(( 8 << 20 )) \
		"bytes in all"
	same "$(jq '[.[] | select(.type == 0) | .offset] | first' \
		"$WORK/map.json")" $(( 1 << 20 )) "offset of the data"
	python3 - <<-'EOF'
		import nbd
		h = nbd.NBD()
		h.connect_uri("nbd://127.0.0.1/vol0")
		def read(flags):
		    came = {nbd.READ_DATA: 0, nbd.READ_HOLE: 0}
		    def chunk(data, offset, kind, error):
		        came[kind] += len(data)
		    h.pread_structured(8 << 20, 0, chunk, flags)
		    return came[nbd.READ_DATA], came[nbd.READ_HOLE]
		came = read(0)
		assert came == (262144, (8 << 20) - 262144), came
		came = read(nbd.CMD_FLAG_DF)
		assert came == (8 << 20, 0), came
	EOF
}

# A device with large blocks serves a client that writes 512 bytes at a time,
# and loses none of the bytes around them.
test_small_writes_to_a_disk_with_large_blocks() {
	need_module null_blk
	eventually 10 modprobe -r null_blk
	modprobe null_blk nr_devices=0
	defer modprobe -r null_blk
	local dir=/sys/kernel/config/nullb/nullb0
	mkdir $dir
	defer rmdir $dir
	echo 4096 > $dir/blocksize
	echo 16 > $dir/size
	echo 1 > $dir/memory_backed
	echo 1 > $dir/power
	defer eval "echo 0 > $dir/power"
	serve /dev/nullb0
	# libnbd asks for sizes and would keep to them.
	python3 - <<-'EOF'
		import nbd, random
		h = nbd.NBD()
		h.set_strict_mode(0)
		h.connect_uri("nbd://127.0.0.1/vol0")
		rng = random.Random(5)
		blocks = list(range(2048))
		rng.shuffle(blocks)
		want = bytearray(2048 * 512)
		failed = []
		for block in blocks:
		    at = block * 512
		    data = bytearray(rng.randbytes(512))
		    want[at:at + 512] = data
		    while h.aio_in_flight() >= 32:
		        h.poll(-1)
		    h.aio_pwrite(nbd.Buffer.from_bytearray(data), at,
		                 completion=lambda e: failed.append(e.value)
		                 if e.value else 1)
		while h.aio_in_flight():
		    h.poll(-1)
		assert not failed, failed
		assert h.pread(len(want), 0) == want
		h.shutdown()
	EOF
}

test_unix_socket_and_vsock() {
	local image
	image=$(disk_file 8)
	some_data "$WORK/data" 8
	serve "$image"
	listen "unix:$WORK/socket"
	nbdcopy "$WORK/data" "nbd+unix:///vol0?socket=$WORK/socket"
	cmp "$WORK/data" "$image"
	unlisten "unix:$WORK/socket"
	must_fail test -e "$WORK/socket"
	need_module vsock_loopback
	listen vsock:1:10809
	nbdcopy "nbd+vsock://1:10809/vol0" "$WORK/back"
	cmp "$WORK/data" "$WORK/back"
}

# nbd-tester-client, with which nbd tests its own server. Of what it can do this
# is no use here: -I starts a server as inetd does; -C, -K, -A and -H are for TLS,
# which we have none of; without -N it wants an oldstyle server; and -l expects
# requests to be done in order that overlap, which no server has promised. It
# knows no command but READ, WRITE, FLUSH and DISC, and FUA.

# tester ARG... - have it connect to vol0
tester() {
	NBD_TEST_SILENT=1 within 120 /bed/nbd-tester-client -N vol0 "$@"
}

# stat_of NAME - of the export
stat_of() {
	cat "$SERVER/exports/vol0/stats/$1"
}

# -h sends an option that nobody knows. -o reads more than a MiB at odd offsets,
# and goes without a word.
test_nbd_tester_client_reads_writes_and_flushes() {
	local image
	image=$(disk_file 4)
	serve "$image"
	listen "unix:$WORK/socket"
	tester -h 127.0.0.1
	tester 127.0.0.1
	tester -u "$WORK/socket"
	tester -o 127.0.0.1
	tester -w 127.0.0.1
	same "$(tr -d X < "$image" | wc -c)" 0 "bytes not written"
	same "$(stat_of flushes)" 0 flushes
	tester -w -f 127.0.0.1
	same "$(stat_of reads) $(stat_of writes) $(stat_of flushes)" \
		"8195 8192 256" "reads, writes and flushes"
	eventually 5 no_connections
}

# With -F the first answer is to be an error, after which it goes, whatever else
# it has asked for; it takes a refused connection for that error, too.
test_nbd_tester_client_may_not_write_what_is_read_only() {
	local image
	image=$(disk_file 4)
	serve "$image" access_mode=ro
	tester 127.0.0.1
	tester -w -F 127.0.0.1 > "$WORK/out" 2>&1
	must_fail grep . "$WORK/out"
	must_fail tester -w 127.0.0.1
	same "$(stat_of writes)" 0 writes
	cmp -n $(( 4 << 20 )) "$image" /dev/zero
	eventually 5 no_connections
}

# It knows what its reads must find; what nothing reads again must be in our
# file as it is in that of another server. Of the small requests all but a few
# are writes; the large ones go up to 32 MiB, which is our most, and no further.
# CASE_REQUESTS=70000 has all the small ones done.
test_nbd_tester_client_finds_what_it_wrote() {
	local image
	image=$(disk_file 50)
	serve "$image"
	PORT=10810 start_nbdkit file "$(disk_file 50 other)"
	some_requests "${CASE_REQUESTS:-2500}" /bed/integrity-test.tr
	tester -i -t "$WORK/requests" 127.0.0.1
	tester -i -t "$WORK/requests" 127.0.0.1 10810
	cmp "$image" "$WORK/other"
	(( $(stat_of flushes) > 0 )) || fail "nothing was flushed"
	truncate -s 0 "$image"
	truncate -s 50M "$image"
	some_requests 6 /bed/integrityhuge-test.tr
	tester -i -t "$WORK/requests" 127.0.0.1
	same "$(stat_of errors)" 0 "errors at the storage"
	eventually 5 no_connections
}

# some_requests COUNT LOG - write the first COUNT that we allow to a log that
# ends with them. There are replies among them, of no use to anyone.
some_requests() {
	python3 - "$@" > "$WORK/requests" <<-'EOF'
		import struct, sys
		count, log = int(sys.argv[1]), open(sys.argv[2], "rb").read()
		request, magic, at = struct.Struct(">IIQQI"), 0x25609513, 0
		write, disc = sys.stdout.buffer.write, 2
		while count:
		    first, command, _, _, length = request.unpack_from(log, at)
		    if first != magic:
		        at += 16
		        continue
		    if command == disc:
		        break
		    if length <= 32 << 20:
		        write(log[at:at + request.size])
		        count -= 1
		    at += request.size
		write(request.pack(magic, disc, 0, 0, 0))
	EOF
}
