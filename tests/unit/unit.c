// SPDX-License-Identifier: GPL-2.0
/*
 * Runs every row of every suite in a process of its own, so that one which
 * crashes or is stopped by a sanitizer is one failed test.
 *
 *	unit [REGEX]		only tests whose name matches
 *	unit --seeds DIR	write the inputs of the tables for the fuzzers
 *
 * A line for each test is printed; with UNBD_RESULTS=FILE a line with tabs is
 * appended to FILE: status, name, kernel ("-"), seconds, reason.
 */
#include <ctype.h>
#include <ftw.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

static const struct unit_suite * const suites[] = {
	&word_suite, &path_suite, &map_suite, &export_suite, &cidr_suite,
	&address_suite, &handshake_suite, &closed_suite, &odd_suite,
	&reply_suite, &option_suite, &request_suite, &pair_suite,
	&rdma_address_suite, &rtrs_suite, &rnbd_suite, &rtrs_message_suite,
	&rnbd_message_suite, &search_suite, &search_length_suite,
	&shm_channel_suite, &shm_option_suite, &shm_codec_suite,
	&shm_directory_suite,
	&tool_uri_suite, &tool_show_suite, &tool_layout_suite,
	&tool_size_suite, &tool_quote_suite, &tool_kmsg_suite,
	&tool_run_suite, &tool_bare_suite, &tool_unit_suite,
	&tool_doctor_suite,
	&tool_address_suite, &tool_nbd_suite,
};

#define STUCK_SECONDS 120

/* Where a test says why it failed */
static int reason_fd;

void unit_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	dprintf(reason_fd, "%s:%d: ", strrchr(file, '/') ?
		strrchr(file, '/') + 1 : file, line);
	va_start(args, fmt);
	vdprintf(reason_fd, fmt, args);
	va_end(args);
	_exit(1);
}

void check_why(const char *why, const char *part)
{
	size_t i;

	check(*why, "there is no message");
	for (i = 0; why[i]; i++)
		check(isprint((unsigned char)why[i]),
		      "message has byte 0x%02x in it", why[i] & 0xff);
	check(strstr(why, part), "message is \"%s\", without \"%s\"", why,
	      part);
}

const char *printable(const char *text)
{
	static char line[160];
	size_t i;

	for (i = 0; text[i] && i < sizeof(line) - 1; i++)
		line[i] = isprint((unsigned char)text[i]) ? text[i] : '?';
	line[i] = '\0';
	return line;
}

static int remove_entry(const char *path, const struct stat *st, int type,
			struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void remove_tree(const char *dir)
{
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

void put(struct bytes *b, const void *data, size_t len)
{
	b->at = realloc(b->at, b->len + len);
	check(b->at || !(b->len + len), "out of memory");
	if (len)
		memcpy(b->at + b->len, data, len);
	b->len += len;
}

void put8(struct bytes *b, u8 value)
{
	put(b, &value, 1);
}

void put16(struct bytes *b, u16 value)
{
	put8(b, value >> 8);
	put8(b, value);
}

void put32(struct bytes *b, u32 value)
{
	put16(b, value >> 16);
	put16(b, value);
}

void put64(struct bytes *b, u64 value)
{
	put32(b, value >> 32);
	put32(b, value);
}

void put_text(struct bytes *b, const char *text)
{
	put(b, text, strlen(text));
}

void put_zeroes(struct bytes *b, size_t len)
{
	while (len--)
		put8(b, 0);
}

void release(struct bytes *b)
{
	free(b->at);
	b->at = NULL;
	b->len = 0;
}

/* In the child; sanitizers write to stderr as they like. */
static void run_row(const struct unit_suite *suite, size_t row, int fd)
{
	reason_fd = fd;
	alarm(60);
	suite->run(row);
	exit(0);
}

/* A look for leaks that hangs is stopped, and so beyond the reach of alarm(). */
static void end_if_stuck(pid_t pid, int fd)
{
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (!poll(&ended, 1, STUCK_SECONDS * 1000))
		kill(pid, SIGKILL);
}

static bool wait_for(pid_t pid, int fd, char *reason, size_t size)
{
	ssize_t n, len = 0;
	int status;

	end_if_stuck(pid, fd);
	while ((n = read(fd, reason + len, size - 1 - len)) > 0)
		len += n;
	reason[len] = '\0';
	close(fd);
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (!len && WIFSIGNALED(status))
		snprintf(reason, size, "killed by signal %d",
			 WTERMSIG(status));
	else if (!len)
		snprintf(reason, size, "stopped by a sanitizer, status %d",
			 WEXITSTATUS(status));
	return false;
}

static bool run_test(const struct unit_suite *suite, size_t row, char *reason,
		     size_t size)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds)) {
		snprintf(reason, size, "pipe: %s", strerror(errno));
		return false;
	}
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(fds[0]);
		run_row(suite, row, fds[1]);
	}
	close(fds[1]);
	return wait_for(pid, fds[0], reason, size);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* False if a test has failed. */
static bool run_suite(const struct unit_suite *suite, const regex_t *filter,
		      FILE *results, unsigned int *count)
{
	char name[160], reason[1024];
	bool ok, all = true;
	double start;
	size_t row;

	for (row = 0; row < suite->rows; row++) {
		snprintf(name, sizeof(name), "unit/%s: %s", suite->name,
			 suite->row_name(row));
		if (regexec(filter, name, 0, NULL, 0))
			continue;
		(*count)++;
		start = now();
		ok = run_test(suite, row, reason, sizeof(reason));
		all = all && ok;
		printf("%-4s %s%s%s\n", ok ? "ok" : "FAIL", name,
		       ok ? "" : ": ", ok ? "" : reason);
		if (results)
			fprintf(results, "%s\t%s\t-\t%.2f\t%s\n",
				ok ? "ok" : "FAIL", name, now() - start,
				ok ? "" : reason);
	}
	return all;
}

/* DIR/FUZZER/SUITE-ROW */
static void write_seed(const char *dir, const struct unit_suite *suite,
		       size_t row)
{
	struct bytes b = { NULL, 0 };
	char path[512];
	FILE *file;

	suite->seed(row, &b);
	snprintf(path, sizeof(path), "%s/%s/%s-%zu", dir, suite->fuzzer,
		 suite->name, row);
	file = fopen(path, "w");
	if (!file || fwrite(b.at, 1, b.len, file) != b.len || fclose(file)) {
		perror(path);
		exit(2);
	}
	release(&b);
}

static int write_seeds(const char *dir)
{
	size_t i, row;

	reason_fd = STDERR_FILENO;
	for (i = 0; i < ARRAY_SIZE(suites); i++)
		for (row = 0; suites[i]->seed && row < suites[i]->rows; row++)
			write_seed(dir, suites[i], row);
	return 0;
}

static int run_suites(const char *pattern, FILE *results)
{
	unsigned int count = 0;
	bool all = true;
	regex_t filter;
	size_t i;

	if (regcomp(&filter, pattern, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "\"%s\" is no regular expression\n", pattern);
		return 2;
	}
	for (i = 0; i < ARRAY_SIZE(suites); i++)
		all = run_suite(suites[i], &filter, results, &count) && all;
	regfree(&filter);
	printf("%u unit tests %s\n", count, all ? "passed" : "run, some FAILED");
	return all ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *path = getenv("UNBD_RESULTS");
	FILE *results = NULL;
	int status;

	if (argc == 3 && !strcmp(argv[1], "--seeds"))
		return write_seeds(argv[2]);
	if (path && *path) {
		results = fopen(path, "a");
		if (!results) {
			perror(path);
			return 2;
		}
	}
	status = run_suites(argc > 1 ? argv[1] : "", results);
	if (results && fclose(results)) {
		perror(path);
		return 2;
	}
	return status;
}
