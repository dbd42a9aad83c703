# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A machine starts from a server's disk, works on while the server is away, and
# stops: by Debian's own initramfs-tools, systemd and kernel. It is the guest
# "machine"; client only runs the check.
# kernels: 6.1
# topology: netboot
# system: packages/upgraded
# devices: disk
# timeout: 400
# tags: tcp boot

ROOT=/dev/disk/by-id/virtio-root
DATA=/dev/vda

# serve - what the machine needs, on the guest server
serve() {
	on server <<-"EOF"
		mkdir -p $WORK
		export_dev name=root device_path=$ROOT
		export_dev name=vol0 device_path=$DATA
		export_dev name=vol1 device_path=$(disk_file 8)
		listen tcp:10.0.0.1:10809
	EOF
}

# tables - the machine's are those of the manual; root's own line makes no unit
tables() {
	on server <<-"EOF"
		mkdir $WORK/root
		mount $ROOT $WORK/root
		cd $WORK/root/etc
		manual=$(zcat ../usr/share/man/man5/unbdtab.5.gz)
		{
			grep '^map ' <<< "$manual"
			echo 'map sessname=boot path=tcp:10.0.0.1 device_path=root'
		} > unbdtab
		{
			grep '_netdev,' <<< "$manual"
			echo '/dev/disk/by-unbd/boot:root / ext4 defaults 0 1'
		} > fstab
		cd /
		umount $WORK/root
	EOF
}

start_machine() {
	on server mkfs.ext4 -q $DATA
	tables
	serve
	host start machine
	on machine mkdir "$WORK"
	eventually 60 on machine systemctl is-system-running --wait
}

# stop_machine - nothing fails, and both file systems are left clean
stop_machine() {
	local bad
	on machine systemctl poweroff || :
	eventually 60 machine_is_off
	in_order 'Unmounted mnt.mount' 'Stopping unbd@blya:vol0' \
		'Stopped unbd@blya:vol0' 'reboot: Power down'
	same "$(klog_of machine | grep FAILED || :)" "" "what has failed"
	bad=$(klog_of machine | bad_log) || fail "the machine's log: $bad"
	on server <<-"EOF"
		for disk in $ROOT $DATA; do
			matches "$(tune2fs -l $disk)" 'state: +clean' $disk
			e2fsck -fn $disk
		done
	EOF
}

machine_is_off() {
	! on machine true 2> /dev/null
}

# in_order TEXT... - the machine's console has them last in this order
in_order() {
	same "$(klog_of machine | sed 's/\x1b\[[0-9;]*m//g' |
		grep -oF "$(printf '%s\n' "$@")" | tail -n $#)" \
		"$(printf '%s\n' "$@")" "order of the end"
}

# The machine was started as unbd-boot(7) says. The root's disk has no unit,
# those of unbdtab(5) have, and the first a mount.
all_is_there() {
	on machine <<-"EOF"
		zcat /usr/share/man/man7/unbd-boot.7.gz |
			sed -n '/^ip=/,/^\.Ed/{/^\./!p}' > $WORK/words
		same "$(wc -l < $WORK/words)" 3 "number of lines"
		same "$(tr ' ' '\n' < /proc/cmdline | grep -cxF \
			-f <(tr ' ' '\n' < $WORK/words))" 5 "number of words"
		same "$(systemctl --failed --plain --no-legend)" "" "failed units"
		same "$(realpath "$(findmnt -no SOURCE /)")" /dev/unbd0 /
		same "$(cat /sys/block/unbd0/unbd/fail_timeout)" -1
		same "$(realpath "$(findmnt -no SOURCE /mnt)")" \
			"$(realpath /dev/disk/by-unbd/blya:vol0)" /mnt
		same "$(systemctl list-units --plain --no-legend 'unbd*' |
			cut -d ' ' -f 1 | xargs)" \
			"unbd@10.0.0.1:vol1.service unbd@blya:vol0.service"
		while read -r line; do
			grep -qxF "$line" /etc/unbdtab /etc/fstab ||
				fail "README.md has other lines: $line"
		done < <(grep '^map \|_netdev,' /bed/README.md)
	EOF
}

# systemd finds nothing wrong with a unit. In the name of a file it takes a
# colon for something else.
units_are_sound() {
	on machine <<-"EOF"
		cp /run/systemd/generator/unbd@blya:vol0.service \
			$WORK/unbd@x.service
		same "$(systemd-analyze verify $WORK/unbd@x.service 2>&1)" ""
	EOF
}

# By hand, with what unbdtab(5) has as an example
disk_goes_and_comes() {
	on machine <<-"EOF"
		umount /mnt
		systemctl stop unbd@blya:vol0
		eventually 10 must_fail test -e /dev/disk/by-unbd/blya:vol0
		zcat /usr/share/man/man5/unbdtab.5.gz |
			sed -n '/^systemctl daemon/,/^\.Ed/{/^\./!p}' \
			> $WORK/typed
		grep -q 'mount /mnt' $WORK/typed
		bash -ex $WORK/typed
		mountpoint /mnt
	EOF
}

# Both disks are written to when the power of the server fails.
server_restarts_meanwhile() {
	on machine <<-"EOF"
		cat > /root/writer <<-"END"
			cd $1
			for (( n = 0; ; n = (n + 1) % 4 )); do
				sum=$(head -c 4M /dev/urandom | tee file.$n |
					sha256sum)
				sums[n]="${sum%-}file.$n"
				sync file.$n
				[[ ! -e /run/enough ]] || break
			done
			printf '%s\n' "${sums[@]}" > sums
			sync sums
		END
		for dir in root mnt; do
			systemd-run -q --unit writer-$dir bash -e /root/writer /$dir
			eventually 20 test -e /$dir/file.1
		done
	EOF
	host restart server
	serve
	on machine <<-"EOF"
		touch /run/enough
		for dir in root mnt; do
			eventually 60 must_fail systemctl -q is-active writer-$dir
		done
		echo 3 > /proc/sys/vm/drop_caches
		for dir in root mnt; do
			(cd /$dir && sha256sum -c --quiet sums)
			disk=$(findmnt -no SOURCE -T /$dir)
			disk=$(basename $(realpath $disk))
			nothing_failed $disk
			(( $(cat /sys/block/$disk/unbd/stats/parked) > 0 ))
		done
	EOF
}

test_from_start_to_stop() {
	start_machine
	all_is_there
	units_are_sound
	disk_goes_and_comes
	server_restarts_meanwhile
	stop_machine
}
