// SPDX-License-Identifier: GPL-2.0
/*
 * What goes over disks, paths, exports and connections just now.
 *
 * Two looks at the counters and the time between them make a picture.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

#define SECTOR		512ULL
#define MAX_INTERVAL	86400

/**
 * struct traffic - what has happened between two looks
 * @known: sysfs tells it
 * @times: it tells @ms and @in_flight, too
 * @ms: that requests have taken, all together
 */
struct traffic {
	bool known;
	bool times;
	unsigned long long reads;
	unsigned long long writes;
	unsigned long long bytes_read;
	unsigned long long bytes_written;
	unsigned long long ms;
	unsigned long long in_flight;
};

/**
 * struct picture - two looks
 * @before: the first
 * @now: the second
 * @seconds: between them
 */
struct picture {
	struct model before;
	struct model now;
	double seconds;
};

/* ------------------------------------------------------------------ */
/* Differences                                                        */

/* What has begun anew meanwhile, under the same name, counts from zero. */
static unsigned long long grown(unsigned long long before,
				unsigned long long now)
{
	return now >= before ? now - before : now;
}

static void add_disk(struct traffic *t, const struct disk *before,
		     const struct disk *now)
{
	const unsigned long long *a = before->counters, *b = now->counters;

	t->known = true;
	t->times = true;
	t->reads += grown(a[DISK_READS], b[DISK_READS]);
	t->writes += grown(a[DISK_WRITES], b[DISK_WRITES]);
	t->bytes_read += SECTOR * grown(a[DISK_READ_SECTORS],
					b[DISK_READ_SECTORS]);
	t->bytes_written += SECTOR * grown(a[DISK_WRITE_SECTORS],
					   b[DISK_WRITE_SECTORS]);
	t->ms += grown(a[DISK_READ_MS], b[DISK_READ_MS]) +
		grown(a[DISK_WRITE_MS], b[DISK_WRITE_MS]);
	t->in_flight += b[DISK_IN_FLIGHT];
}

static struct traffic disk_traffic(const struct picture *p,
				   const struct disk *d)
{
	const struct disk *before = model_disk(&p->before, d->name);
	struct traffic t = { 0 };

	if (before)
		add_disk(&t, before, d);
	return t;
}

/* Paths are not counted, but all goes over the only one. */
static struct traffic path_traffic(const struct picture *p,
				   const struct session *s)
{
	struct traffic t = { 0 };
	const struct disk *before;
	size_t i;

	if (s->nr_paths != 1)
		return t;
	for (i = 0; i < p->now.nr_disks; i++) {
		if (strcmp(p->now.disks[i].session, s->name))
			continue;
		before = model_disk(&p->before, p->now.disks[i].name);
		if (before)
			add_disk(&t, before, &p->now.disks[i]);
	}
	return t;
}

static struct traffic served_traffic(const unsigned long long *a,
				     const unsigned long long *b)
{
	return (struct traffic){
		.known = true,
		.reads = grown(a[SERVED_READS], b[SERVED_READS]),
		.writes = grown(a[SERVED_WRITES], b[SERVED_WRITES]),
		.bytes_read = grown(a[SERVED_BYTES_READ],
				    b[SERVED_BYTES_READ]),
		.bytes_written = grown(a[SERVED_BYTES_WRITTEN],
				       b[SERVED_BYTES_WRITTEN]),
	};
}

static struct traffic export_traffic(const struct picture *p,
				     const struct export *e)
{
	const struct export *before = model_export(&p->before, e->name);

	if (before)
		return served_traffic(before->stats, e->stats);
	return (struct traffic){ 0 };
}

static struct traffic connection_traffic(const struct picture *p,
					 const struct connection *c)
{
	size_t i;

	for (i = 0; i < p->before.nr_connections; i++)
		if (!strcmp(p->before.connections[i].number, c->number))
			return served_traffic(p->before.connections[i].stats,
					      c->stats);
	return (struct traffic){ 0 };
}

/* ------------------------------------------------------------------ */
/* As a table                                                         */

enum column {
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_READS,
	COLUMN_WRITES,
	COLUMN_BYTES_READ,
	COLUMN_BYTES_WRITTEN,
	COLUMN_LATENCY,
	COLUMN_IN_FLIGHT,
	COLUMN_LOST,
	NR_COLUMNS,
};

static const char * const heads[NR_COLUMNS] = {
	"NAME", "STATE", ">READ/s", ">WRITE/s", ">READ B/s", ">WRITE B/s",
	">LATENCY ms", ">IN FLIGHT", ">LOST",
};

static void set_bytes(struct table *t, unsigned int column, double bytes)
{
	struct text size = { 0 };

	text_add_size(&size, bytes + 0.5);
	table_set(t, column, "%s", size.at);
	text_free(&size);
}

static void set_traffic(struct table *t, const struct traffic *traffic,
			double seconds)
{
	unsigned long long requests = traffic->reads + traffic->writes;
	unsigned int i;

	for (i = COLUMN_READS; i <= COLUMN_LOST; i++)
		table_set(t, i, "-");
	if (!traffic->known)
		return;
	table_set(t, COLUMN_READS, "%.0f", traffic->reads / seconds);
	table_set(t, COLUMN_WRITES, "%.0f", traffic->writes / seconds);
	set_bytes(t, COLUMN_BYTES_READ, traffic->bytes_read / seconds);
	set_bytes(t, COLUMN_BYTES_WRITTEN, traffic->bytes_written / seconds);
	if (!traffic->times)
		return;
	table_set(t, COLUMN_IN_FLIGHT, "%llu", traffic->in_flight);
	if (requests)
		table_set(t, COLUMN_LATENCY, "%.2f",
			  (double)traffic->ms / requests);
}

static void session_rows(struct table *t, const struct picture *p,
			 const struct session *s)
{
	struct traffic traffic;
	const struct disk *d;
	const struct path *path;

	table_row(t);
	table_set(t, COLUMN_NAME, "session %s", s->name);
	for (path = s->paths; path < s->paths + s->nr_paths; path++) {
		traffic = path_traffic(p, s);
		table_row(t);
		table_set(t, COLUMN_NAME, "  %s %s", path->number, path->dst);
		table_set(t, COLUMN_STATE, "%s", path->state);
		set_traffic(t, &traffic, p->seconds);
		table_set(t, COLUMN_LOST, "%llu", path->stats[PATH_FAILURES]);
	}
	for (d = p->now.disks; d < p->now.disks + p->now.nr_disks; d++) {
		if (strcmp(d->session, s->name))
			continue;
		traffic = disk_traffic(p, d);
		table_row(t);
		table_set(t, COLUMN_NAME, "  %s %s", d->name, d->export);
		table_set(t, COLUMN_STATE, "%s", d->state);
		set_traffic(t, &traffic, p->seconds);
	}
}

static void export_rows(struct table *t, const struct picture *p,
			const struct export *e)
{
	struct traffic traffic = export_traffic(p, e);
	const struct connection *c;
	size_t i;

	table_row(t);
	table_set(t, COLUMN_NAME, "export %s", e->name);
	table_set(t, COLUMN_STATE, "%s", e->state);
	set_traffic(t, &traffic, p->seconds);
	for (i = 0; i < p->now.nr_connections; i++) {
		c = &p->now.connections[i];
		if (strcmp(c->export, e->name))
			continue;
		traffic = connection_traffic(p, c);
		table_row(t);
		table_set(t, COLUMN_NAME, "  %s %s", c->number, c->peer);
		table_set(t, COLUMN_STATE, "%s", c->state);
		set_traffic(t, &traffic, p->seconds);
	}
}

static void print_table(const struct picture *p, size_t lines, size_t width)
{
	struct table t = { .heads = heads, .columns = NR_COLUMNS };
	size_t i;

	for (i = 0; i < p->now.nr_sessions; i++)
		session_rows(&t, p, &p->now.sessions[i]);
	for (i = 0; i < p->now.nr_exports; i++)
		export_rows(&t, p, &p->now.exports[i]);
	table_print(&t, stdout, lines, width);
	table_free(&t);
}

/* ------------------------------------------------------------------ */
/* As JSON                                                            */

static void json_traffic(struct json *j, const struct traffic *t,
			 double seconds)
{
	unsigned long long requests = t->reads + t->writes;

	if (t->known) {
		json_number(j, "reads_per_second", "%.3f", t->reads / seconds);
		json_number(j, "writes_per_second", "%.3f",
			    t->writes / seconds);
		json_number(j, "bytes_read_per_second", "%.0f",
			    t->bytes_read / seconds);
		json_number(j, "bytes_written_per_second", "%.0f",
			    t->bytes_written / seconds);
	}
	if (t->known && t->times) {
		json_number(j, "in_flight", "%llu", t->in_flight);
		if (requests)
			json_number(j, "latency_ms", "%.3f",
				    (double)t->ms / requests);
	}
	json_close(j, '}');
}

static void json_session(struct json *j, const struct picture *p,
			 const struct session *s)
{
	struct traffic traffic = path_traffic(p, s);
	const struct path *path;

	for (path = s->paths; path < s->paths + s->nr_paths; path++) {
		json_open(j, NULL, '{');
		json_text(j, "session", s->name);
		json_text(j, "path", path->number);
		json_text(j, "dst", path->dst);
		json_text(j, "state", path->state);
		json_number(j, "failures", "%llu", path->stats[PATH_FAILURES]);
		json_traffic(j, &traffic, p->seconds);
	}
}

static void json_disk(struct json *j, const struct picture *p,
		      const struct disk *d)
{
	struct traffic traffic = disk_traffic(p, d);

	json_open(j, NULL, '{');
	json_text(j, "disk", d->name);
	json_text(j, "session", d->session);
	json_text(j, "export", d->export);
	json_text(j, "state", d->state);
	json_traffic(j, &traffic, p->seconds);
}

static void json_export(struct json *j, const struct picture *p,
			const struct export *e)
{
	struct traffic traffic = export_traffic(p, e);

	json_open(j, NULL, '{');
	json_text(j, "export", e->name);
	json_text(j, "state", e->state);
	json_traffic(j, &traffic, p->seconds);
}

static void json_connection(struct json *j, const struct picture *p,
			    const struct connection *c)
{
	struct traffic traffic = connection_traffic(p, c);

	json_open(j, NULL, '{');
	json_text(j, "connection", c->number);
	json_text(j, "peer", c->peer);
	json_text(j, "export", c->export);
	json_text(j, "state", c->state);
	json_traffic(j, &traffic, p->seconds);
}

static void print_json(const struct picture *p)
{
	struct json j = { .out = stdout, .compact = true };
	size_t i;

	json_open(&j, NULL, '{');
	json_number(&j, "seconds", "%.3f", p->seconds);
	json_open(&j, "disks", '[');
	for (i = 0; i < p->now.nr_disks; i++)
		json_disk(&j, p, &p->now.disks[i]);
	json_close(&j, ']');
	json_open(&j, "paths", '[');
	for (i = 0; i < p->now.nr_sessions; i++)
		json_session(&j, p, &p->now.sessions[i]);
	json_close(&j, ']');
	json_open(&j, "exports", '[');
	for (i = 0; i < p->now.nr_exports; i++)
		json_export(&j, p, &p->now.exports[i]);
	json_close(&j, ']');
	json_open(&j, "connections", '[');
	for (i = 0; i < p->now.nr_connections; i++)
		json_connection(&j, p, &p->now.connections[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}

/* ------------------------------------------------------------------ */
/* Again and again                                                    */

/**
 * struct top_options - what was asked for
 * @interval: seconds from one look to the next
 * @count: of pictures, 0 for no end
 * @json: a line of JSON for each
 * @live: on a terminal, one over the other
 */
struct top_options {
	double interval;
	unsigned long long count;
	bool json;
	bool live;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* What was on the terminal comes back however this ends. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* Keys come one by one and are not shown. */
static bool begin_screen(struct termios *saved)
{
	struct termios raw;
	bool keys = !tcgetattr(STDIN_FILENO, saved);

	if (keys) {
		raw = *saved;
		raw.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	watch_signals();
	fputs("\033[?1049h\033[?25l", stdout);
	return keys;
}

static void end_screen(const struct termios *saved, bool keys)
{
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSANOW, saved);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* False when the user has had enough. */
static bool pause_for(double seconds, bool keys)
{
	struct pollfd fd = { .fd = keys ? STDIN_FILENO : -1, .events = POLLIN };
	double end = now() + seconds, left;
	char key;

	while (!interrupted && (left = end - now()) > 0) {
		if (poll(&fd, 1, (int)(left * 1000) + 1) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
			return false;
	}
	return !interrupted;
}

static void print_screen(const struct picture *p)
{
	struct winsize size;

	/* A serial line does not know how large its terminal is. */
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row ||
	    !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	fputs("\033[H\033[J", stdout);
	print_table(p, size.ws_row > 2 ? size.ws_row - 2 : 1, size.ws_col);
	fputs("\nq ends", stdout);
}

static void print_picture(const struct picture *p,
			  const struct top_options *o, bool first)
{
	if (o->live) {
		print_screen(p);
	} else if (o->json) {
		print_json(p);
	} else {
		if (!first)
			putchar('\n');
		print_table(p, 0, 0);
	}
	fflush(stdout);
}

static void watch(const struct top_options *o, bool keys)
{
	struct picture p;
	double began = now();
	unsigned long long i;

	model_read(&p.before);
	for (i = 0; !o->count || i < o->count; i++) {
		if (!pause_for(o->interval, keys) || ferror(stdout))
			break;
		model_read(&p.now);
		p.seconds = now() - began;
		began += p.seconds;
		print_picture(&p, o, !i);
		model_free(&p.before);
		p.before = p.now;
	}
	model_free(&p.before);
}

static bool parse_interval(const char *text, double *seconds)
{
	char *end;

	*seconds = strtod(text, &end);
	return end != text && !*end && *seconds >= 0.01 &&
		*seconds <= MAX_INTERVAL;
}

static int parse(int argc, char **argv, struct top_options *o)
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "count", required_argument, NULL, 'c' },
		{ "interval", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = next_option(argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'o')
			o->count = 1;
		else if (c == 'j')
			o->json = true;
		else if (c == 'i' && !parse_interval(optarg, &o->interval))
			return bad_usage("--interval %s: 0.01 to %d seconds are possible",
					 optarg, MAX_INTERVAL);
		else if (c == 'c' && (!parse_number(optarg, &o->count) ||
				      !o->count))
			return bad_usage("--count %s: a number from 1 on is expected",
					 optarg);
	}
	if (optind < argc)
		return bad_usage("%s is too much", argv[optind]);
	return EXIT_OK;
}

static int top(int argc, char **argv)
{
	struct top_options o = { .interval = 1 };
	int status = parse(argc, argv, &o);
	struct termios saved;
	bool keys;

	if (status != EXIT_OK)
		return status;
	o.live = !o.count && !o.json && isatty(STDOUT_FILENO);
	if (!o.live) {
		watch(&o, false);
		return EXIT_OK;
	}
	keys = begin_screen(&saved);
	watch(&o, keys);
	end_screen(&saved, keys);
	return EXIT_OK;
}

const struct command top_command = {
	.name = "top",
	.usage = "[--once | --count N] [--interval SECONDS] [--json]",
	.summary = "What goes over disks, paths, exports and connections now",
	.help =
"On a terminal, again and again until q is pressed; otherwise, or with one of\n"
"these options but --interval, one table or line after the other:\n"
"  --once, --count N    end after the first, or after N\n"
"  --interval SECONDS   from one to the next, 1 if it is not given\n"
"  --json               a line of JSON for each\n"
"\n"
"LOST is how often a path was lost. The traffic of a path is known if it is the\n"
"only one of its session.\n",
	.run = top,
};
