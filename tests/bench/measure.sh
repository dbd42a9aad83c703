# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# In the guest: set one peer up and run all rows.
#
#     measure.sh PEER
#
# Prints a line a row: its name and nanoseconds for each request. The guest
# counts its instructions as nanoseconds.
set -eE -o pipefail

. /bed/bench-peers.sh

PEER=$1

# rw, block size, depth, batch, submitters, requests
rows() {
	cat <<-EOF
		randread 4k 1 1 1 8000
		randwrite 4k 1 1 1 8000
		randread 4k 32 16 1 8000
		randwrite 4k 32 16 1 8000
		read 128k 1 1 1 1200
		write 128k 1 1 1 1200
		read 128k 8 4 1 1200
		write 128k 8 4 1 1200
	EOF
	# What many submitters cost, where the peers are known to differ
	case $PEER in
	*rdma | rnbd)
		cat <<-EOF
			randread 4k 1 1 4 8000
			randread 4k 1 1 64 8000
		EOF
		;;
	esac
}

measure() {
	local rw=$1 bs=$2 depth=$3 batch=$4 jobs=$5 ios=$6
	fio --name=row --filename="/dev/$DISK" --rw="$rw" --bs="$bs" \
		--iodepth="$depth" --iodepth_batch="$batch" \
		--iodepth_batch_complete_max="$batch" --ioengine=libaio \
		--direct=1 --size=100M --numjobs="$jobs" --thread \
		--group_reporting --number_ios=$(( ios / jobs )) \
		--randseed=7 --output-format=json > "$WORK/fio.json"
	jq -r --arg row "$rw-$bs-depth$depth-batch$batch-jobs$jobs" \
		'.jobs[0] | (.read.total_ios + .write.total_ios) as $n |
		"\($row)\t\((.read.runtime + .write.runtime) * 1e6 / $n)"' \
		"$WORK/fio.json"
}

mkdir -p "$WORK"
modprobe brd rd_nr=1 rd_size="$RAM_KIB"
# Pages that are there already cost nothing.
dd if=/dev/zero of=/dev/ram0 bs=1M oflag=direct status=none 2> /dev/null || :
"start_$PEER"
dd if=/dev/zero of="/dev/$DISK" bs=128k count=800 oflag=direct status=none
settle
while read -r row; do
	# shellcheck disable=SC2086 # several words
	measure $row
done < <(rows)
