# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Type what README.md and docs/ tell people to type. Sourced by cases, after
# lib.sh. PAGE is the page.

README=/bed/README.md
PAGE=$README

# run_blocks FROM TO - type what stands in the FROM-th to the TO-th of the
# blocks that are marked <!-- run: GUEST -->, where that says
run_blocks() {
	local number guest
	for (( number = $1; number <= $2; number++ )); do
		guest=$(block $number guest)
		[[ -n $guest ]] || fail "$PAGE has no block $number to run"
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
		{ marked = /^<!-- run: / }' "$PAGE"
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
		eval "$line" || fail "it says '$line', which fails"
		settle 30
	done
}

# page NAME - type all that a page of docs/ has
page() {
	local blocks
	PAGE=/bed/docs/$1.md
	blocks=$(grep -c '^<!-- run: ' "$PAGE")
	run_blocks 1 "$blocks"
	PAGE=$README
}
