# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What README.md tells people to type works, and what it tells them to find is
# there: no more and no less.
# topology: two
# kernels: 6.1
# timeout: 200
# tags: tcp doc

README=/bed/README.md

# run_blocks FROM TO - type what stands in the FROM-th to the TO-th of the
# blocks that are marked <!-- run: GUEST -->, where that says
run_blocks() {
	local number guest
	for (( number = $1; number <= $2; number++ )); do
		guest=$(block $number guest)
		[[ -n $guest ]] || fail "README.md has no block $number to run"
		type_in "$guest" "$(block $number text)"
	done
}

# block N guest|text
block() {
	awk -v want="$1" -v what="$2" '
		/^<!-- run: / { n++; if (n == want && what == "guest") print $3 }
		/^```$/ { inside = 0 }
		inside && what == "text" { print }
		/^```sh$/ { inside = marked && n == want }
		{ marked = /^<!-- run: / }' "$README"
}

# Line by line as a person does, who is slower than udev.
type_in() {
	echo "$1: $2"
	if [[ $1 == client ]]; then
		slowly <<< "$2"
	else
		printf 'slowly <<"EOF"\n%s\nEOF\n' "$2" | on "$1"
	fi
}

slowly() {
	local line rest
	while IFS= read -r line; do
		while [[ $line == *\\ ]]; do
			IFS= read -r rest
			line=${line%\\}$rest
		done
		eval "$line" || fail "README.md: '$line' fails"
		udevadm settle -t 30
	done
}

# table_files MARK - the names in the first column of the table behind it
table_files() {
	awk -v mark="<!-- files: $1 -->" '
		$0 == mark { inside = 1; next }
		inside && !/^\|/ { exit }
		inside { split($0, column, "|"); print column[2] }' "$README" |
		grep -o '`[^`]*`' | tr -d '`' | sort
}

# same_files MARK [DIR] - the table lists what is in the directory
same_files() {
	same "$(ls -p ${2:-$1} | sort | xargs)" "$(table_files "$1" | xargs)" \
		"files in ${2:-$1}"
}

# same_keys FILE HEADING - the keys in the usage and in the section's table
same_keys() {
	local usage table
	usage=$(grep -o '[a-z_]*=' "$1" | sort -u | xargs)
	table=$(sed -n "/^### $2/,/^### /s/^| \`\([a-z_]*=\)\`.*/\1/p" \
		"$README" | sort | xargs)
	same "$table" "$usage" "README.md's keys of $2"
}

setup() {
	defer umount -q /mnt
}

test_the_first_screen_works() {
	run_blocks 1 2
	same "$(findmnt -no FSTYPE,SOURCE /mnt | xargs)" "ext4 /dev/unbd0"
	echo precious > /mnt/file
	run_blocks 3 4
	must_fail test -e /sys/block/unbd0
	same "$(on server ls $SERVER/exports)" ""
	run_blocks 1 1
	map sessname=blya path=tcp:10.0.0.1 device_path=vol0
	mount /dev/disk/by-unbd/blya:vol0 /mnt
	same "$(cat /mnt/file)" precious
}

test_files_are_those_that_it_names() {
	run_blocks 1 2
	same_files /sys/block/unbd0/unbd
	same_files $CLIENT/sessions/blya
	same_files $CLIENT/sessions/blya/paths/0
	same "$(ls $CLIENT/devices)" unbd0
	on server <<-EOF
		same_files $SERVER/exports/vol0
		same_files "$SERVER/connections/*" $SERVER/connections/1
	EOF
}

test_keys_are_those_that_it_names() {
	load client
	load server
	same_keys $CLIENT/map_device Mapping
	same_keys $SERVER/export_device Exporting
}
