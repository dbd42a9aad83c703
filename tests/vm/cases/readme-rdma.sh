# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What docs/ tells people to type about RDMA, and about coming from others.
# topology: loop
# kernels: 6.1
# timeout: 400
# tags: tcp rdma doc

. /bed/rdma.sh
. /bed/readme.sh

setup() {
	rxe_everywhere
}

# type_column PAGE - what tables have in their last column, "now", row by row
type_column() {
	local guest command rows=0
	while IFS=$'\t' read -r guest command <&7; do
		type_in "$guest" "$command"
		rows=$(( rows + 1 ))
	done 7< <(sed -nE 's/^\| (client|server) \|.*\| `([^`]*)` \|$/\1\t\2/p' \
		"/bed/docs/$1.md")
	same "$rows" "$(grep -cE '^\| (client|server) ' "/bed/docs/$1.md")" \
		"commands of $1.md"
}

test_the_page_about_RDMA() {
	page rdma
}

test_the_page_about_migration() {
	on server truncate -s 64M /srv/vol0.img
	type_column migration
	same "$(unbd_disks)" "" disks
	same "$(on server unbd list)" "" "what the server has"
}
