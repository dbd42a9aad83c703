// SPDX-License-Identifier: GPL-2.0
/*
 * The modules leave one line in the kernel's log for each write that fails:
 * it says more than an errno can.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unbd.h"

int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * A record is "LEVEL,NUMBER,TIME,FLAGS;TEXT\n" and maybe more lines. The text
 * that is looked for: "unbd[-server]: [WHO: ]FILE: WHY (-ERRNO)".
 */
static char *reason_of(char *record, const char *file, int err)
{
	char *text = strchr(record, ';');
	char *tail = make_text(" (-%d)", err);
	char *head = make_text(": %s: ", file);
	char *why = NULL, *at;

	if (text && starts_with(++text, "unbd")) {
		text[strcspn(text, "\n")] = '\0';
		at = strstr(text, head);
		if (at && strlen(at) >= strlen(head) + strlen(tail) &&
		    !strcmp(at + strlen(at) - strlen(tail), tail)) {
			at[strlen(at) - strlen(tail)] = '\0';
			why = copy_text(at + strlen(head));
		}
	}
	free(head);
	free(tail);
	return why;
}

char *kmsg_reason(int fd, const char *file, int err)
{
	char record[8193], *why = NULL, *found;
	ssize_t n;

	if (fd < 0)
		return NULL;
	/* EPIPE says that records were overwritten: go on with those left. */
	while ((n = read(fd, record, sizeof(record) - 1)) > 0 ||
	       (n < 0 && (errno == EPIPE || errno == EINTR))) {
		if (n < 0)
			continue;
		record[n] = '\0';
		found = reason_of(record, file, err);
		if (found) {
			free(why);
			why = found;
		}
	}
	return why;
}
