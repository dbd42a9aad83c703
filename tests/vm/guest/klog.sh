# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Judge the kernel's log: what a check may not leave there, and what it must.

# Never acceptable, whatever a check provokes.
KLOG_FATAL='WARNING:|BUG:|BUG |\bOops\b|general protection fault|Call Trace'
KLOG_FATAL+='|KASAN|KCSAN|UBSAN|ODEBUG|DEBUG_LOCKS_WARN|INFO: task |INFO: rcu'
KLOG_FATAL+='|INFO: possible|INFO: inconsistent|INFO: trying to register'
KLOG_FATAL+='|INFO: lockdep|suspicious RCU|locking dependency|deadlock'
KLOG_FATAL+='|scheduling while atomic|sleeping function called'
KLOG_FATAL+='|list_(add|del)|refcount_t|slab-use-after-free|double.free'
KLOG_FATAL+='|soft lockup|hard LOCKUP|workqueue lockup|Kernel panic'
KLOG_FATAL+='|unregister_netdevice: waiting|Bad page|Objects remaining'
KLOG_FATAL+='|nobody cared|kmemleak: [0-9]+ new|leaked reference'

# Wrong unless the check has said that it expects it.
KLOG_ERRORS='I/O error|[Ee]rror.*, dev |EXT4-fs (error|warning)|JBD2.*rror'
KLOG_ERRORS+='|XFS.*([Ee]rror|[Cc]orruption|[Ss]hut)|BTRFS.*(error|critical)'
KLOG_ERRORS+='|page allocation failure|Out of memory|oom-kill|segfault'
KLOG_ERRORS+='|md/raid.*fail|Dev .* unable to read|[Pp]artition table .*read'

# mark_log TEXT - begin a check's part of the log
mark_log() {
	rm -f $BED_RUN/allowed
	echo "bed: $1" > /dev/kmsg
	bedctl kmsg 0 | tail -n 1 | cut -d ' ' -f 1 > $BED_RUN/mark
}

# klog - the kernel's messages since the check began
klog() {
	bedctl kmsg "$(cat $BED_RUN/mark || echo 0)" | cut -d ' ' -f 2-
}

# klog_of GUEST - the same of another guest, from its console: it may have been
# killed meanwhile
klog_of() {
	bedctl ask console "$1" < /dev/null
}

# allow_log REGEX - the check provokes such error lines in some guest; to be
# called in the client. What always means a bug (WARNING, KASAN...) cannot be
# allowed.
allow_log() {
	echo "$1" >> $BED_RUN/allowed
}

# bad_log - print the lines of a log (standard input) that fail the check;
# status 2 if that kernel cannot be trusted any more, 1 if there are others
bad_log() {
	local log
	log=$(cat)
	grep -qE "$KLOG_FATAL|$KLOG_ERRORS" <<< "$log" || return 0
	if grep -E "$KLOG_FATAL" <<< "$log"; then
		return 2
	fi
	touch $BED_RUN/allowed
	if grep -E "$KLOG_ERRORS" <<< "$log" | grep -vEf $BED_RUN/allowed; then
		return 1
	fi
}

# expect_log REGEX [COUNT] - the check has caused exactly COUNT (1) such lines,
# and no further one comes
expect_log() {
	local count=0 end=$(( SECONDS + $(scaled 3) ))
	while count=$(klog | grep -cE "$1"); (( count < ${2:-1} )); do
		(( SECONDS <= end )) || break
		doze 0.1
	done
	doze 0.2
	count=$(klog | grep -cE "$1") || :
	(( count == ${2:-1} )) ||
		fail "$count lines in the log match '$1', expected ${2:-1}"
}

# leaks - print what kmemleak finds unreferenced. An object must be some
# seconds old, and one scan may race with a list being changed.
leaks() {
	local file=/sys/kernel/debug/kmemleak
	[[ -w $file ]] || return 0
	sleep 6
	# It switches itself off for good when it has no memory.
	echo scan > $file && echo scan > $file || {
		echo "kmemleak does not scan any more"
		return 0
	}
	cat $file
	echo clear > $file
}
