// SPDX-License-Identifier: GPL-2.0
/*
 * The command's own strings: URIs, JSON, tables, words of lines, sizes, and
 * the kernel's reasons.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "../../tools/unbd/unbd.h"
#include "unit.h"

/* What is refused is complained of, too. */
static void be_quiet(void)
{
	check(freopen("/dev/null", "w", stderr), "no /dev/null");
}

/* ------------------------------------------------------------------ */
/* URIs                                                               */

static const struct uri_row {
	const char *uri;
	const char *result;	/* path|session|export, NULL if it is refused */
} uri_rows[] = {
	{ "nbd://10.0.0.1/vol0", "tcp:10.0.0.1|10.0.0.1|vol0" },
	{ "nbd://10.0.0.1", "tcp:10.0.0.1|10.0.0.1|" },
	{ "nbd://10.0.0.1/", "tcp:10.0.0.1|10.0.0.1|" },
	{ "nbd://10.0.0.1//vol0", "tcp:10.0.0.1|10.0.0.1|/vol0" },
	{ "nbd://10.0.0.1/a/b", "tcp:10.0.0.1|10.0.0.1|a/b" },
	{ "nbd://10.0.0.1:10809/v", "tcp:10.0.0.1:10809|10.0.0.1|v" },
	{ "nbd://10.0.0.1:7/v", "tcp:10.0.0.1:7|10.0.0.1:7|v" },
	{ "nbd://10.0.0.1:/v", "tcp:10.0.0.1|10.0.0.1|v" },
	{ "nbd://10.0.0.1:x/v", NULL },
	{ "nbd://10.0.0.1:7x/v", NULL },
	{ "nbd://[::1]/v", "tcp:[::1]|::1|v" },
	{ "nbd://[::1]:7/v", "tcp:[::1]:7|::1:7|v" },
	{ "nbd://[fe80::1%25eth0]/v", "tcp:[fe80::1%eth0]|fe80::1%eth0|v" },
	{ "nbd://[::1/v", NULL },
	{ "nbd://[::1]7/v", NULL },
	{ "nbd://10.0.0.1/a%20b%2Fc%22", "tcp:10.0.0.1|10.0.0.1|a b/c\"" },
	{ "nbd://10.0.0.1/%c3%a4", "tcp:10.0.0.1|10.0.0.1|\xc3\xa4" },
	{ "nbd://10.0.0.1/a%2", NULL },
	{ "nbd://10.0.0.1/a%", NULL },
	{ "nbd://10.0.0.1/a%zz", NULL },
	{ "nbd://10.0.0.1/a%00b", NULL },
	{ "nbd://10.0.0.1/v?tls-type=x509#there", "tcp:10.0.0.1|10.0.0.1|v" },
	{ "nbd://me@10.0.0.1/v", NULL },
	{ "nbd+unix:///v?socket=/run/a.sock", "unix:/run/a.sock|run_a.sock|v" },
	{ "nbd+unix:///v?x=1&socket=/a%20b", "unix:/a b|a b|v" },
	{ "nbd+unix:///?socket=/a", "unix:/a|a|" },
	{ "nbd+unix://?socket=/a", "unix:/a|a|" },
	{ "nbd+unix:///v", NULL },
	{ "nbd+unix:///v?socket=", NULL },
	{ "nbd+unix:///v?socketx=/a", NULL },
	{ "nbd+unix://host/v?socket=/a", NULL },
	{ "nbd+vsock://3/v", "vsock:3:10809|vsock-3|v" },
	{ "nbd+vsock://3:7/v", "vsock:3:7|vsock-3:7|v" },
	{ "nbd+vsock:///v", "vsock:2:10809|vsock-2|v" },
	{ "nbd+vsock://host/v", NULL },
	{ "nbds://10.0.0.1/v", NULL },
	{ "nbds+unix:///v?socket=/a", NULL },
	{ "nbd+tcp://10.0.0.1/v", NULL },
};

static const char *uri_name(size_t row)
{
	return uri_rows[row].uri;
}

static void run_uri(size_t row)
{
	const struct uri_row *r = &uri_rows[row];
	struct nbd_uri uri;
	char *exact = copy_text(r->uri), *result;

	check(is_uri(exact), "it is not known to be a URI");
	if (!r->result)
		be_quiet();
	if (!uri_parse(exact, &uri)) {
		check(!r->result, "it is refused");
		free(exact);
		return;
	}
	check(r->result, "it is not refused: %s, %s",
	      uri.path ? uri.path : uri.host, uri.export);
	check(uri_resolve(&uri), "the host is not resolved");
	result = make_text("%s|%s|%s", uri.path, uri.session, uri.export);
	check_text("result", result, r->result);
	free(result);
	free(exact);
	uri_free(&uri);
}

const struct unit_suite tool_uri_suite = {
	"tool URI", ARRAY_SIZE(uri_rows), uri_name, run_uri, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Strings that are shown                                             */

static const struct show_row {
	const char *name;
	const char *text;
	const char *json;
	const char *safe;	/* NULL: as it is */
} show_rows[] = {
	{ "plain", "vol0", "\"vol0\"", NULL },
	{ "empty", "", "\"\"", NULL },
	{ "quote and backslash", "a\"b\\c", "\"a\\\"b\\\\c\"", NULL },
	{ "control", "a\nb\t\x01\x7f", "\"a\\u000ab\\u0009\\u0001\\u007f\"",
	  "a\\x0ab\\x09\\x01\\x7f" },
	{ "escape", "\033[2J", "\"\\u001b[2J\"", "\\x1b[2J" },
	{ "UTF-8", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe",
	  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x92\xbe\"", NULL },
	{ "C1 control", "a\xc2\x9b" "2J", "\"a\xc2\x9b" "2J\"",
	  "a\\xc2\\x9b2J" },
	{ "cut off", "a\xe2\x82", "\"a\\ufffd\\ufffd\"", "a\\xe2\\x82" },
	{ "continuation alone", "\x80" "a", "\"\\ufffda\"", "\\x80a" },
	{ "overlong", "\xc0\xaf", "\"\\ufffd\\ufffd\"", "\\xc0\\xaf" },
	{ "overlong of three", "\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"",
	  "\\xe0\\x80\\xaf" },
	{ "surrogate", "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"",
	  "\\xed\\xa0\\x80" },
	{ "beyond Unicode", "\xf4\x90\x80\x80",
	  "\"\\ufffd\\ufffd\\ufffd\\ufffd\"", "\\xf4\\x90\\x80\\x80" },
	{ "no first byte", "\xff", "\"\\ufffd\"", "\\xff" },
};

static const char *show_name(size_t row)
{
	return show_rows[row].name;
}

static void run_show(size_t row)
{
	const struct show_row *r = &show_rows[row];
	char *exact = copy_text(r->text), *out = NULL;
	struct text safe = { 0 };
	struct json j = { 0 };
	size_t len;

	j.out = open_memstream(&out, &len);
	json_open(&j, NULL, '[');
	json_text(&j, NULL, exact);
	fflush(j.out);
	check(starts_with(out, "[\n  "), "the array begins with %s", out);
	check_text("JSON", out + 4, r->json);
	fclose(j.out);
	free(out);
	text_add_safe(&safe, exact);
	check_text("on the terminal", text_get(&safe),
		   r->safe ? r->safe : r->text);
	text_free(&safe);
	free(exact);
}

const struct unit_suite tool_show_suite = {
	"tool text", ARRAY_SIZE(show_rows), show_name, run_show, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* JSON documents and tables                                          */

static void write_json(struct json *j)
{
	json_open(j, NULL, '{');
	json_open(j, "none", '[');
	json_close(j, ']');
	json_open(j, "two", '[');
	json_number(j, NULL, "%d", 1);
	json_open(j, NULL, '{');
	json_bool(j, "a", true);
	json_bool(j, "b", false);
	json_close(j, '}');
	json_close(j, ']');
	json_close(j, '}');
}

static void run_json(bool compact, const char *wanted)
{
	struct json j = { .compact = compact };
	char *out = NULL;
	size_t len;

	j.out = open_memstream(&out, &len);
	write_json(&j);
	write_json(&j);
	fclose(j.out);
	check_int("length", len, 2 * strlen(wanted));
	check_text("second document", out + len / 2, wanted);
	out[len / 2] = '\0';
	check_text("first document", out, wanted);
	free(out);
}

static void run_table(size_t lines, size_t width, const char *wanted)
{
	static const char * const heads[] = { "NAME", ">SIZE", "X" };
	struct table t = { .heads = heads, .columns = 3 };
	char *out = NULL;
	size_t len;
	FILE *file = open_memstream(&out, &len);

	table_row(&t);
	table_set(&t, 0, "\xc3\xa4");
	table_set(&t, 1, "%d", 7);
	table_row(&t);
	table_set(&t, 0, "%s", "a\tb");
	table_set(&t, 1, "12345");
	table_set(&t, 2, "once");
	table_set(&t, 2, "twice");
	table_print(&t, file, lines, width);
	fclose(file);
	check_text("table", out, wanted);
	table_free(&t);
	free(out);
}

static void run_empty_table(void)
{
	static const char * const heads[] = { "NAME", ">SIZE" };
	struct table t = { .heads = heads, .columns = 2 };
	char *out = NULL;
	size_t len;
	FILE *file = open_memstream(&out, &len);

	table_print(&t, file, 0, 0);
	fclose(file);
	check_text("table", out, "NAME  SIZE\n");
	table_free(&t);
	free(out);
}

static const char * const layout_names[] = {
	"JSON", "JSON on a line", "table", "table of two lines",
	"table of eight columns", "table without rows",
};

static const char *layout_name(size_t row)
{
	return layout_names[row];
}

static void run_layout(size_t row)
{
	switch (row) {
	case 0:
		run_json(false, "{\n  \"none\": [],\n  \"two\": [\n    1,\n"
			 "    {\n      \"a\": true,\n      \"b\": false\n    }\n"
			 "  ]\n}\n");
		break;
	case 1:
		run_json(true, "{\"none\": [], \"two\": [1, "
			 "{\"a\": true, \"b\": false}]}\n");
		break;
	case 2:
		run_table(0, 0, "NAME     SIZE  X\n\xc3\xa4           7\n"
			  "a\\x09b  12345  twice\n");
		break;
	case 3:
		run_table(2, 0, "NAME     SIZE  X\n\xc3\xa4           7\n");
		break;
	case 4:
		run_table(0, 10, "NAME     S\n\xc3\xa4\na\\x09b  12\n");
		break;
	default:
		run_empty_table();
	}
}

const struct unit_suite tool_layout_suite = {
	"tool layout", ARRAY_SIZE(layout_names), layout_name, run_layout,
	NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Sizes                                                              */

static const struct size_row {
	const char *text;
	bool ok;
	unsigned long long bytes;
	const char *shown;
} size_rows[] = {
	{ "0", true, 0, "0B" },
	{ "512", true, 512, "512B" },
	{ "1023", true, 1023, "1023B" },
	{ "1024", true, 1024, "1K" },
	{ "1536", true, 1536, "1.5K" },
	{ "1M", true, 1 << 20, "1M" },
	{ "10g", true, 10ULL << 30, "10G" },
	{ "2T", true, 2ULL << 40, "2T" },
	{ "1073741824000", true, 1073741824000, "1000G" },
	{ "16383P", true, 16383ULL << 50, "16383P" },
	{ "18446744073709551615", true, ~0ULL, "16383.9P" },
	{ "16384P", false, 0, NULL },
	{ "18446744073709551616", false, 0, NULL },
	{ "", false, 0, NULL },
	{ "K", false, 0, NULL },
	{ "-1", false, 0, NULL },
	{ "+1", false, 0, NULL },
	{ "1.5K", false, 0, NULL },
	{ "1KB", false, 0, NULL },
	{ "1x", false, 0, NULL },
	{ " 1", false, 0, NULL },
};

static const char *size_name(size_t row)
{
	return size_rows[row].text;
}

static void run_size(size_t row)
{
	const struct size_row *r = &size_rows[row];
	char *exact = copy_text(r->text);
	unsigned long long bytes = 0;
	struct text shown = { 0 };

	check_int("parsed", parse_size(exact, &bytes), r->ok);
	free(exact);
	if (!r->ok)
		return;
	check(bytes == r->bytes, "it is %llu", bytes);
	text_add_size(&shown, bytes);
	check_text("shown", shown.at, r->shown);
	text_free(&shown);
}

const struct unit_suite tool_size_suite = {
	"tool size", ARRAY_SIZE(size_rows), size_name, run_size, NULL, NULL,
};

/* ------------------------------------------------------------------ */
/* Words of lines, and reasons in the log                             */

static const struct quote_row {
	const char *word;
	const char *line;	/* NULL: refused */
} quote_rows[] = {
	{ "device_path=vol0", "a device_path=vol0" },
	{ "device_path=", "a device_path=" },
	{ "device_path=two words", "a device_path=\"two words\"" },
	{ "device_path=\"two words\"", "a device_path=\"two words\"" },
	{ "tab\there", "a \"tab\there\"" },
	{ "", "a \"\"" },
	{ "new\nline", NULL },
	{ "\"new\nline\"", NULL },
};

static const char *quote_name(size_t row)
{
	return printable(quote_rows[row].word);
}

static void run_quote(size_t row)
{
	const struct quote_row *r = &quote_rows[row];
	struct text line = { 0 };
	const char *at;
	char *word;

	if (!r->line)
		be_quiet();
	text_add(&line, "a", 1);
	check_int("taken", words_add_raw(&line, r->word), !!r->line);
	if (r->line) {
		check_text("line", line.at, r->line);
		at = line.at;
		free(words_next(&at));
		word = words_next(&at);
		check_int("length of the word", strlen(word),
			  strlen(r->word) - (strchr(r->word, '"') ? 2 : 0));
		free(word);
		check(!words_next(&at), "there are more words");
	}
	text_free(&line);
}

const struct unit_suite tool_quote_suite = {
	"tool quoting", ARRAY_SIZE(quote_rows), quote_name, run_quote,
	NULL, NULL,
};

static const struct kmsg_row {
	const char *record;
	const char *reason;
} kmsg_rows[] = {
	{ "3,9,9,-;unbd: map_device: path= is bad (-22)\n", "path= is bad" },
	{ "3,9,9,-;unbd-server: map_device: no (-22)\n", "no" },
	{ "3,9,9,-;unbd: a b: map_device: no (-22)\n SUBSYSTEM=block\n", "no" },
	{ "3,9,9,-;unbd: map_device: : (-22)\n", ":" },
	{ "3,9,9,-;unbd: map_device: no (-2)\n", NULL },
	{ "3,9,9,-;unbd: map_device: no (-22)x\n", NULL },
	{ "3,9,9,-;unbd: map_device: (-22)\n", NULL },
	{ "3,9,9,-;unbd: add_path: no (-22)\n", NULL },
	{ "3,9,9,-;sd: map_device: no (-22)\n", NULL },
	{ "3,9,9,-;\n", NULL },
	{ "no semicolon", NULL },
};

static const char *kmsg_name(size_t row)
{
	return printable(kmsg_rows[row].record);
}

/* Each read gives one record, as with the log; another one comes before. */
static void run_kmsg(size_t row)
{
	static const char older[] = "3,8,8,-;unbd: map_device: older (-22)\n";
	const struct kmsg_row *r = &kmsg_rows[row];
	char *reason;
	int fds[2];

	check(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), "no socket pair");
	check(write(fds[1], older, strlen(older)) > 0, "write");
	check(write(fds[1], r->record, strlen(r->record)) > 0, "write");
	close(fds[1]);
	reason = kmsg_reason(fds[0], "map_device", EINVAL);
	close(fds[0]);
	check_text("reason", reason ? reason : "", r->reason ? r->reason :
		   "older");
	free(reason);
}

const struct unit_suite tool_kmsg_suite = {
	"tool log", ARRAY_SIZE(kmsg_rows), kmsg_name, run_kmsg, NULL, NULL,
};
