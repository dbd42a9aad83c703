// SPDX-License-Identifier: GPL-2.0
/*
 * The client's handshake against scripted servers.
 *
 * Each one is played three times: as it is; cut off after every byte; and with
 * every byte of the server's changed, where only an end is asked for.
 */
#include "script.h"

/* ------------------------------------------------------------------ */
/* The servers                                                        */

void nbdkit(void)
{
	structured_until_go();
	hear_go("disk");
	info_export(100 * MIB, 0x0ded);
	info_block_size(1, 4096, NBD_NO_PAYLOAD_LIMIT);
	ack(NBD_OPT_GO);
}

void nbdkit_no_sr(void)
{
	simple_until_go(3);
	hear_go("disk");
	info_export(100 * MIB, 0x0ded);
	ack(NBD_OPT_GO);
}

static void nbdkit_mask_0(void)
{
	greet(0);
	hear_flags(0);
	hear_export_name("disk");
	join_last_two();
	export_reply(5 * MIB, 0x0041, false);
}

static void nbdkit_mask_1(void)
{
	simple_until_go(1);
	hear_go("disk");
	reply_text(NBD_OPT_GO, NBD_REP_ERR_UNSUP, "");
	hear_export_name("disk");
	export_reply(5 * MIB, 0x0041, false);
}

void nbdkit_mask_2(void)
{
	greet(2);
	hear_flags(2);
	hear_export_name("disk");
	join_last_two();
	export_reply(5 * MIB, 0x0041, true);
}

void oldstyle(void)
{
	struct bytes *b;

	say_magic(NBD_INIT_MAGIC, NBD_OLDSTYLE_MAGIC);
	b = item(false);
	put64(b, 3 * MIB);
	put32(b, 0x0003);
	put_zeroes(b, NBD_PADDING);
}

static void nbd_server(void)
{
	structured_until_go();
	hear_go("disk");
	info_export(64 * MIB, 0x01c1);
	ack(NBD_OPT_GO);
}

static void nbd_server_without_go(void)
{
	structured_until_go();
	hear_go("disk");
	reply_text(NBD_OPT_GO, NBD_REP_ERR_UNSUP, "unknown option");
	hear_export_name("disk");
	export_reply(64 * MIB, 0x01c1, true);
}

static void qemu(void)
{
	greet(3);
	hear_flags(3);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	join_last_two();
	ack(NBD_OPT_EXTENDED_HEADERS);
	hear_go("disk");
	info_export(1ULL << 40, 0x1ded);
	reply_text(NBD_OPT_GO, NBD_REP_INFO, "\377\377from the future");
	reply_text(NBD_OPT_GO, NBD_REP_INFO, "\377\002a disk");
	info_block_size(512, 65536, 32 * MIB);
	ack(NBD_OPT_GO);
}

static void many_infos(void)
{
	int i;

	simple_until_go(3);
	hear_go("disk");
	for (i = 0; i < 61; i++)
		reply_text(NBD_OPT_GO, NBD_REP_INFO, "\377\003x");
	info_export(MIB, 1);
	info_block_size(4096, 4096, 4096 + 4095);
	ack(NBD_OPT_GO);
}

static void endless_infos(void)
{
	int i;

	simple_until_go(3);
	hear_go("disk");
	for (i = 0; i < 65; i++)
		reply_text(NBD_OPT_GO, NBD_REP_INFO, "\377\003x");
}

static void longest_description(void)
{
	struct bytes *b;

	simple_until_go(3);
	hear_go("disk");
	b = reply(NBD_OPT_GO, NBD_REP_INFO, 2 + NBD_MAX_STRING);
	put16(b, NBD_INFO_DESCRIPTION);
	put_zeroes(b, NBD_MAX_STRING);
	info_export(MIB, 1);
	ack(NBD_OPT_GO);
}

static void description_too_long(void)
{
	simple_until_go(3);
	hear_go("disk");
	reply(NBD_OPT_GO, NBD_REP_INFO, 3 + NBD_MAX_STRING);
}

static void refused(u32 error, const char *text)
{
	structured_until_go();
	hear_go("disk");
	reply_text(NBD_OPT_GO, error, text);
	hear_option(NBD_OPT_ABORT, NULL);
}

void err_unknown(void)
{
	refused(NBD_REP_ERR_UNKNOWN, "no \033[31mexport\nhere");
}

static void err_policy(void)
{
	refused(NBD_REP_ERR_POLICY, "");
}

static void err_platform(void)
{
	refused(NBD_REP_ERR_PLATFORM, "");
}

static void err_invalid(void)
{
	refused(NBD_REP_ERR_INVALID, "");
}

static void err_shutdown(void)
{
	refused(NBD_REP_ERR_SHUTDOWN, "");
}

static void err_block_size(void)
{
	refused(NBD_REP_ERR_BLOCK_SIZE_REQD, "");
}

static void err_too_big(void)
{
	refused(NBD_REP_ERR_TOO_BIG, "");
}

static void err_ext_header(void)
{
	refused(NBD_REP_ERR_EXT_HEADER_REQD, "");
}

static void err_new(void)
{
	refused(NBD_REP_ERROR_BIT | 99, "");
}

static void err_tls(void)
{
	greet(3);
	hear_flags(3);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	join_last_two();
	reply_text(NBD_OPT_EXTENDED_HEADERS, NBD_REP_ERR_TLS_REQD,
		   "TLS first, please");
	hear_option(NBD_OPT_ABORT, NULL);
}

static void error_text_too_long(void)
{
	simple_until_go(3);
	hear_go("disk");
	reply(NBD_OPT_GO, NBD_REP_ERR_UNKNOWN, NBD_MAX_STRING + 1);
}

static void unsup_after_extended(void)
{
	greet(3);
	hear_flags(3);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	join_last_two();
	ack(NBD_OPT_EXTENDED_HEADERS);
	hear_go("disk");
	reply_text(NBD_OPT_GO, NBD_REP_ERR_UNSUP, "");
	hear_option(NBD_OPT_ABORT, NULL);
}

static void ssh(void)
{
	put_text(item(false), "SSH-2.0-OpenSSH_9.2p1 Debian\r\n");
}

static void new_version(void)
{
	say_magic(NBD_INIT_MAGIC, 0x1234);
}

static void reply_magic(void)
{
	struct bytes *b;

	simple_until_go(3);
	hear_go("disk");
	b = item(false);
	put64(b, NBD_OPTION_REPLY_MAGIC + 1);
	put32(b, NBD_OPT_GO);
	put32(b, NBD_REP_ACK);
	put32(b, 0);
}

static void reply_to_other(void)
{
	simple_until_go(3);
	hear_go("disk");
	ack(NBD_OPT_INFO);
}

static void ack_with_data(void)
{
	simple_until_go(3);
	hear_go("disk");
	reply(NBD_OPT_GO, NBD_REP_ACK, 4);
}

static void ack_without_export(void)
{
	simple_until_go(3);
	hear_go("disk");
	ack(NBD_OPT_GO);
}

static void list_reply(void)
{
	simple_until_go(3);
	hear_go("disk");
	reply(NBD_OPT_GO, NBD_REP_SERVER, 8);
}

static void info_to_structured(void)
{
	greet(3);
	hear_flags(3);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	join_last_two();
	reply(NBD_OPT_EXTENDED_HEADERS, NBD_REP_INFO, 12);
}

static void info_of_one_byte(void)
{
	simple_until_go(3);
	hear_go("disk");
	reply(NBD_OPT_GO, NBD_REP_INFO, 1);
}

static void info_export_short(void)
{
	struct bytes *b;

	simple_until_go(3);
	hear_go("disk");
	b = reply(NBD_OPT_GO, NBD_REP_INFO, 11);
	put16(b, NBD_INFO_EXPORT);
	put_zeroes(b, 9);
}

static void info_block_size_long(void)
{
	struct bytes *b;

	simple_until_go(3);
	hear_go("disk");
	b = reply(NBD_OPT_GO, NBD_REP_INFO, 15);
	put16(b, NBD_INFO_BLOCK_SIZE);
	put_zeroes(b, 13);
}

static void sized(u64 size, u32 min, u32 preferred, u32 max)
{
	simple_until_go(3);
	hear_go("disk");
	info_block_size(min, preferred, max);
	info_export(size, 1);
	ack(NBD_OPT_GO);
}

static void absurd_size(void)
{
	sized(1ULL << 63, 512, 4096, MIB);
}

static void greatest_size(void)
{
	sized((1ULL << 63) - 1, 512, 4096, MIB);
}

static void empty_export(void)
{
	sized(0, 1, 4096, MIB);
}

static void min_0(void)
{
	sized(MIB, 0, 4096, MIB);
}

static void min_3(void)
{
	sized(MIB, 3, 4096, MIB);
}

static void min_128k(void)
{
	sized(MIB, 128 * 1024, 128 * 1024, MIB);
}

static void preferred_below_min(void)
{
	sized(MIB, 4096, 2048, MIB);
}

static void preferred_256(void)
{
	sized(MIB, 1, 256, MIB);
}

static void preferred_odd(void)
{
	sized(MIB, 1, 5000, MIB);
}

static void preferred_64m(void)
{
	sized(MIB, 1, 64 * MIB, 64 * MIB);
}

static void max_0(void)
{
	sized(MIB, 1, 4096, 0);
}

static void max_below_preferred(void)
{
	sized(MIB, 512, 4096, 2048);
}

static void small_export_small_max(void)
{
	sized(1000, 1, 4096, 1000);
}

static void unknown_flags(void)
{
	simple_until_go(3);
	hear_go("disk");
	info_export(MIB, 0xffff);
	ack(NBD_OPT_GO);
}

static void no_has_flags(void)
{
	simple_until_go(3);
	hear_go("disk");
	info_export(MIB, 0xfffe);
	ack(NBD_OPT_GO);
}

static void default_export(void)
{
	structured_until_go();
	hear_go("");
	info_export(MIB, 1);
	ack(NBD_OPT_GO);
}

static void only_structured(void)
{
	greet(3);
	hear_flags(3);
	hear_option(NBD_OPT_STRUCTURED_REPLY, NULL);
	join_last_two();
	ack(NBD_OPT_STRUCTURED_REPLY);
	hear_go("disk");
	info_export(MIB, 1);
	ack(NBD_OPT_GO);
}

static void only_simple(void)
{
	greet(3);
	hear_flags(3);
	hear_go("disk");
	join_last_two();
	info_export(MIB, 1);
	ack(NBD_OPT_GO);
}

/* What a server tells of itself, @len bytes of it */
static const char third_life[] = "my third life...";

static void instance(u32 option, u32 len)
{
	put(reply(option, NBD_REP_UNBD_INSTANCE, len), third_life, len);
}

static void info_stable(void)
{
	put16(reply(NBD_OPT_GO, NBD_REP_INFO, 2), NBD_INFO_UNBD_STABLE);
}

static void fences_until_go(void)
{
	greet(3);
	hear_flags(3);
	hear_fence(UNBD_MAX_KEYS);
	join_last_two();
	instance(NBD_OPT_UNBD_FENCE, sizeof(struct unbd_instance));
	ack(NBD_OPT_UNBD_FENCE);
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	ack(NBD_OPT_EXTENDED_HEADERS);
	hear_go("disk");
	info_export(MIB, 1);
}

/* Our own server with as many keys as there can be, and one of others' */
static void fences(void)
{
	fences_until_go();
	ack(NBD_OPT_GO);
}

static void fences_and_is_stable(void)
{
	fences_until_go();
	info_stable();
	ack(NBD_OPT_GO);
}

static void fences_not(void)
{
	greet(3);
	hear_flags(3);
	hear_fence(1);
	join_last_two();
	reply_text(NBD_OPT_UNBD_FENCE, NBD_REP_ERR_UNSUP, "what is that?");
	hear_option(NBD_OPT_EXTENDED_HEADERS, NULL);
	reply_text(NBD_OPT_EXTENDED_HEADERS, NBD_REP_ERR_UNSUP, "");
	hear_option(NBD_OPT_STRUCTURED_REPLY, NULL);
	reply_text(NBD_OPT_STRUCTURED_REPLY, NBD_REP_ERR_UNSUP, "");
	hear_go("disk");
	info_export(MIB, 1);
	/* Whatever that number may be to this one */
	info_stable();
	ack(NBD_OPT_GO);
}

static void begin_fence(void)
{
	greet(3);
	hear_flags(3);
	hear_fence(1);
	join_last_two();
}

static void short_instance(void)
{
	begin_fence();
	instance(NBD_OPT_UNBD_FENCE, sizeof(struct unbd_instance) - 1);
}

static void long_instance(void)
{
	begin_fence();
	instance(NBD_OPT_UNBD_FENCE, sizeof(struct unbd_instance) + 1);
}

static void instance_for_go(void)
{
	simple_until_go(3);
	hear_go("disk");
	instance(NBD_OPT_GO, sizeof(struct unbd_instance));
}

/* ------------------------------------------------------------------ */
/* What is to come out                                                */

#define SIMPLE		NBD_HEADERS_SIMPLE
#define STRUCTURED	NBD_HEADERS_STRUCTURED
#define EXTENDED	NBD_HEADERS_EXTENDED

static const struct row {
	const char *name;
	void (*write)(void);
	int error;
	const char *why;	/* error or warning */
	u64 size;
	u16 flags;
	u32 min, preferred, max;
	enum nbd_header_style headers;
	enum nbd_server_style style;
	const char *export_name;
	int max_headers;	/* 0: EXTENDED, else the value plus 1 */
	bool fences;
	bool stable;
} rows[] = {
	{ "like nbdkit", nbdkit, 0, NULL, 100 * MIB, 0x0ded, 1, 4096,
	  NBD_NO_PAYLOAD_LIMIT, STRUCTURED, NBD_FIXED_NEWSTYLE },
	{ "like nbdkit --no-sr", nbdkit_no_sr, 0, NULL, 100 * MIB, 0x0d6d, 1,
	  4096, 32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "like nbdkit --mask-handshake=0", nbdkit_mask_0, 0, NULL, 5 * MIB,
	  0x0041, 1, 4096, 32 * MIB, SIMPLE, NBD_PLAIN_NEWSTYLE },
	{ "like nbdkit --mask-handshake=1, without GO", nbdkit_mask_1, 0, NULL,
	  5 * MIB, 0x0041, 1, 4096, 32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "like nbdkit --mask-handshake=2", nbdkit_mask_2, 0, NULL, 5 * MIB,
	  0x0041, 1, 4096, 32 * MIB, SIMPLE, NBD_PLAIN_NEWSTYLE },
	{ "oldstyle, a name is asked for", oldstyle, 0,
	  "\"disk\" cannot be asked for", 3 * MIB, 0x0003, 1, 4096, 32 * MIB,
	  SIMPLE, NBD_OLDSTYLE },
	{ "oldstyle, default export", oldstyle, 0, NULL, 3 * MIB, 0x0003, 1,
	  4096, 32 * MIB, SIMPLE, NBD_OLDSTYLE, "" },
	{ "like nbd-server", nbd_server, 0, NULL, 64 * MIB, 0x01c1, 1, 4096,
	  32 * MIB, STRUCTURED, NBD_FIXED_NEWSTYLE },
	{ "like nbd-server without GO", nbd_server_without_go, 0, NULL,
	  64 * MIB, 0x01c1, 1, 4096, 32 * MIB, STRUCTURED,
	  NBD_FIXED_NEWSTYLE },
	{ "like qemu 8.2", qemu, 0, NULL, 1ULL << 40, 0x0ded, 512, 65536,
	  32 * MIB, EXTENDED, NBD_FIXED_NEWSTYLE },
	{ "default export", default_export, 0, NULL, MIB, 1, 1, 4096, 32 * MIB,
	  STRUCTURED, NBD_FIXED_NEWSTYLE, "" },
	{ "asked for structured replies at most", only_structured, 0, NULL,
	  MIB, 1, 1, 4096, 32 * MIB, STRUCTURED, NBD_FIXED_NEWSTYLE, NULL,
	  STRUCTURED + 1 },
	{ "asked for simple replies only", only_simple, 0, NULL, MIB, 1, 1,
	  4096, 32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE, NULL, SIMPLE + 1 },
	{ "as many replies as are allowed", many_infos, 0, NULL, MIB, 1, 4096,
	  4096, 4096, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "endless replies", endless_infos, -EPROTO, "more than 64 replies" },
	{ "longest description", longest_description, 0, NULL, MIB, 1, 1, 4096,
	  32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "description too long", description_too_long, -EPROTO,
	  "INFO (0x3) with 4099 bytes" },
	{ "no such export", err_unknown, -ENOENT,
	  "GO with ERR_UNKNOWN: no ?[31mexport?here" },
	{ "policy", err_policy, -EACCES, "GO with ERR_POLICY" },
	{ "platform", err_platform, -EOPNOTSUPP, "ERR_PLATFORM" },
	{ "invalid", err_invalid, -EINVAL, "ERR_INVALID" },
	{ "shutdown", err_shutdown, -ESHUTDOWN, "ERR_SHUTDOWN" },
	{ "block size wanted", err_block_size, -EINVAL, "BLOCK_SIZE_REQD" },
	{ "too big", err_too_big, -ENAMETOOLONG, "ERR_TOO_BIG" },
	{ "extended headers wanted", err_ext_header, -EOPNOTSUPP,
	  "EXT_HEADER_REQD" },
	{ "TLS wanted", err_tls, -ENOKEY,
	  "EXTENDED_HEADERS with ERR_TLS_REQD: TLS first, please" },
	{ "unknown error", err_new, -EPROTO, "GO with an unknown error" },
	{ "error text too long", error_text_too_long, -EPROTO,
	  "ERR_UNKNOWN (0x80000006) with 4097 bytes" },
	{ "no GO after extended headers", unsup_after_extended, -EOPNOTSUPP,
	  "GO with ERR_UNSUP" },
	{ "an SSH server", ssh, -EPROTO, "\"SSH-2.0-OpenSSH_\"" },
	{ "unknown version", new_version, -EPROTO, "magic 0x1234" },
	{ "wrong reply magic", reply_magic, -EPROTO, "0x3e889045565aa" },
	{ "reply to another option", reply_to_other, -EPROTO,
	  "reply to GO is for option 6" },
	{ "ACK with data", ack_with_data, -EPROTO, "ACK (0x1) with 4 bytes" },
	{ "ACK without the size", ack_without_export, -EPROTO,
	  "without the export's size" },
	{ "LIST's reply to GO", list_reply, -EPROTO, "reply to GO is SERVER" },
	{ "INFO for another option", info_to_structured, -EPROTO,
	  "reply to EXTENDED_HEADERS is INFO" },
	{ "information of one byte", info_of_one_byte, -EPROTO,
	  "INFO (0x3) with 1 bytes" },
	{ "INFO_EXPORT too short", info_export_short, -EPROTO,
	  "information 0 about the export has 11 bytes" },
	{ "INFO_BLOCK_SIZE too long", info_block_size_long, -EPROTO,
	  "information 3 about the export has 15 bytes" },
	{ "absurd size", absurd_size, -EFBIG, "9223372036854775808 is absurd" },
	{ "greatest size", greatest_size, 0, NULL, (1ULL << 63) - 1, 1, 512,
	  4096, MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "no size", empty_export, 0, NULL, 0, 1, 1, 4096, MIB, SIMPLE,
	  NBD_FIXED_NEWSTYLE },
	{ "minimum block 0", min_0, -EPROTO, "block sizes 0/4096/" },
	{ "minimum block 3", min_3, -EPROTO, "block sizes 3/" },
	{ "minimum block 128 KiB", min_128k, -EPROTO, "block sizes 131072/" },
	{ "preferred below minimum", preferred_below_min, -EPROTO,
	  "4096/2048/" },
	{ "preferred block 256", preferred_256, -EPROTO, "1/256/" },
	{ "preferred block 5000", preferred_odd, -EPROTO, "1/5000/" },
	{ "preferred block 64 MiB", preferred_64m, -EPROTO, "1/67108864/" },
	{ "maximum payload 0", max_0, -EPROTO, "1/4096/0" },
	{ "maximum below preferred", max_below_preferred, -EPROTO,
	  "512/4096/2048" },
	{ "small export, small maximum", small_export_small_max, 0, NULL, 1000,
	  1, 1, 4096, 1000, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "unknown flags are dropped", unknown_flags, 0, NULL, MIB, 0x0d7f, 1,
	  4096, 32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "a server that fences", fences, 0, NULL, MIB, 1, 1, 4096, 32 * MIB,
	  EXTENDED, NBD_FIXED_NEWSTYLE, .fences = true },
	{ "a server that fences, without a cache", fences_and_is_stable, 0,
	  NULL, MIB, 1, 1, 4096, 32 * MIB, EXTENDED, NBD_FIXED_NEWSTYLE,
	  .fences = true, .stable = true },
	{ "an instance too short", short_instance, -EPROTO,
	  "UNBD_INSTANCE (0x756e6264) with 15 bytes" },
	{ "an instance too long", long_instance, -EPROTO,
	  "UNBD_INSTANCE (0x756e6264) with 17 bytes" },
	{ "an instance for another option", instance_for_go, -EPROTO,
	  "reply to GO is UNBD_INSTANCE" },
	{ "a server that does not fence", fences_not, 0, NULL, MIB, 1, 1, 4096,
	  32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
	{ "flags that say they are none", no_has_flags, 0, NULL, MIB,
	  NBD_FLAG_READ_ONLY, 1, 4096, 32 * MIB, SIMPLE, NBD_FIXED_NEWSTYLE },
};

static const char *row_name(size_t row)
{
	return rows[row].name;
}

/* ------------------------------------------------------------------ */
/* The tests                                                          */

static enum nbd_handshake_step start(struct play *p, const struct row *r,
				     size_t left, size_t changed)
{
	return play(p, r->export_name ?: "disk", r->max_headers ?
		    (enum nbd_header_style)(r->max_headers - 1) :
		    NBD_HEADERS_EXTENDED, left, changed);
}

static void check_result(const struct play *p, const struct row *r)
{
	const struct nbd_export_info *info = &p->hs->info;

	check_int("error", p->hs->error, r->error);
	if (r->why)
		check_why(p->why, r->why);
	else
		check_text("message", p->why, "");
	if (r->error)
		return;
	check_int("items played", p->item, script.count);
	check_int("size", info->size, r->size);
	check_int("flags", info->flags, r->flags);
	check_int("minimum block", info->min_block, r->min);
	check_int("preferred block", info->preferred_block, r->preferred);
	check_int("maximum payload", info->max_payload, r->max);
	check_int("headers", info->headers, r->headers);
	check_int("style", info->style, r->style);
	check_int("fences", info->fences, r->fences);
	check_int("instance", info->has_instance, r->fences);
	check_int("stable", info->stable, r->stable);
	if (r->fences)
		check_int("bytes of the instance",
			  memcmp(&info->instance, third_life,
				 sizeof(info->instance)), 0);
}

static void check_end_is_final(struct nbd_handshake *hs,
			       enum nbd_handshake_step end)
{
	int error = hs->error;

	check_int("step after the end", nbd_handshake_next(hs), end);
	check_int("error after the end", hs->error, error);
}

static size_t script_length(void)
{
	size_t len = 0, i;

	for (i = 0; i < script.count; i++)
		if (!script.items[i].hear)
			len += script.items[i].b.len;
	return len;
}

/* A server that closes early: always an error, always with a reason. */
static void cut_everywhere(const struct row *r, size_t len)
{
	enum nbd_handshake_step end;
	struct play p;
	size_t cut;

	for (cut = 0; cut < len; cut++) {
		end = start(&p, r, cut, SIZE_MAX);
		check(end == NBD_HANDSHAKE_FAILED && p.hs->error < 0,
		      "cut after %zu bytes: step %d, error %d", cut, end,
		      p.hs->error);
		check_why(p.why, "");
		free(p.hs);
	}
}

/* One wrong byte: an end, and a sound result if it is taken for good. */
static void change_everywhere(const struct row *r, size_t len)
{
	const struct nbd_export_info *info;
	struct play p;
	size_t at;

	for (at = 0; at < len; at++) {
		if (start(&p, r, SIZE_MAX, at) == NBD_HANDSHAKE_DONE) {
			info = &p.hs->info;
			check(!(info->size >> 63), "byte %zu: size", at);
			check(info->min_block && info->min_block <= 65536 &&
			      !(info->max_payload % info->min_block) &&
			      info->max_payload, "byte %zu: block sizes", at);
		} else {
			check(p.hs->error < 0, "byte %zu: no error", at);
		}
		free(p.hs);
	}
}

static void run(size_t row)
{
	const struct row *r = &rows[row];
	enum nbd_handshake_step end;
	struct play p;
	size_t len;

	r->write();
	end = start(&p, r, SIZE_MAX, SIZE_MAX);
	check_result(&p, r);
	check_end_is_final(p.hs, end);
	free(p.hs);

	len = script_length();
	if (!r->error)
		cut_everywhere(r, len);
	change_everywhere(r, len);
	release_script();
}

static void seed(size_t row, struct bytes *b)
{
	size_t i;

	put8(b, NBD_HEADERS_EXTENDED);
	rows[row].write();
	for (i = 0; i < script.count; i++)
		if (!script.items[i].hear)
			put(b, script.items[i].b.at, script.items[i].b.len);
	release_script();
}

const struct unit_suite handshake_suite = {
	"client handshake", ARRAY_SIZE(rows), row_name, run, "handshake", seed,
};
