// SPDX-License-Identifier: GPL-2.0
/*
 * bedctl - what guest scripts need that a shell cannot do, or not fast enough
 *
 *   bedctl ask ARG...         ask the runner (lib.sh has the words); standard
 *                             input goes along, output and status come back
 *   bedctl write FILE TEXT    one write(2) of TEXT; prints the errno's name
 *                             and exits 1 when it fails
 *   bedctl kmsg SEQ           the kernel's messages after number SEQ, each as
 *                             its number and its text
 *   bedctl pattern MIB        bytes that no two blocks have in common
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "/run/bed/socket"

static void die(const char *what)
{
	fprintf(stderr, "bedctl: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void put(int fd, const void *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			die("write");
		data = (const char *)data + n;
		len -= n;
	}
}

static int dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)))
		die(SOCKET);
	return fd;
}

static void send_question(int fd, int argc, char **argv)
{
	char buf[65536];
	ssize_t n;

	dprintf(fd, "%d\n", argc);
	for (int i = 0; i < argc; i++)
		put(fd, argv[i], strlen(argv[i]) + 1);
	if (!isatty(0))
		while ((n = read(0, buf, sizeof(buf))) > 0)
			put(fd, buf, n);
	shutdown(fd, SHUT_WR);
}

/* Copy the answer to standard output until the status comes. */
static int print_answer(int fd)
{
	FILE *in = fdopen(fd, "r");
	char buf[65536];
	char kind;
	int value;

	while (in && fscanf(in, "%c%d", &kind, &value) == 2 &&
	       fgetc(in) == '\n') {
		if (kind == 'X')
			return value < 0 ? 128 - value : value;
		while (value > 0) {
			size_t want = (size_t)value < sizeof(buf) ?
				      (size_t)value : sizeof(buf);
			size_t n = fread(buf, 1, want, in);

			if (!n)
				break;
			put(1, buf, n);
			value -= n;
		}
	}
	fprintf(stderr, "bedctl: the agent hung up\n");
	return 125;
}

static int ask(int argc, char **argv)
{
	int fd = dial();

	send_question(fd, argc, argv);
	return print_answer(fd);
}

static int write_once(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
		return 0;
	printf("%s\n", strerrorname_np(errno));
	return 1;
}

/* A record of /dev/kmsg is "prio,seq,time,...;text" and a newline. */
static void print_record(char *rec, unsigned long long after)
{
	char *text = strchr(rec, ';');
	unsigned long long seq;

	if (!text || sscanf(rec, "%*u,%llu", &seq) != 1 || seq <= after)
		return;
	text[strcspn(text, "\n")] = '\0';
	printf("%llu %s\n", seq, text + 1);
}

static int print_log(unsigned long long after)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	char rec[8192];
	ssize_t n;

	if (fd < 0)
		die("/dev/kmsg");
	for (;;) {
		n = read(fd, rec, sizeof(rec) - 1);
		if (n < 0 && errno == EPIPE) /* overtaken by the writer */
			continue;
		if (n <= 0)
			return 0;
		rec[n] = '\0';
		print_record(rec, after);
	}
}

/* As many steps of xorshift64, which ends up at no number twice. */
static int print_pattern(unsigned long mib)
{
	static uint64_t buf[1 << 17]; /* 1 MiB */
	uint64_t x = 88172645463325252ULL;

	while (mib--) {
		for (size_t i = 0; i < 1 << 17; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			buf[i] = x;
		}
		put(1, buf, sizeof(buf));
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "ask"))
		return ask(argc - 2, argv + 2);
	if (argc == 4 && !strcmp(argv[1], "write"))
		return write_once(argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "kmsg"))
		return print_log(strtoull(argv[2], NULL, 10));
	if (argc == 3 && !strcmp(argv[1], "pattern"))
		return print_pattern(strtoul(argv[2], NULL, 10));
	fprintf(stderr, "usage: bedctl ask ARG... | write FILE TEXT | "
		"kmsg SEQ | pattern MIB\n");
	return 2;
}
