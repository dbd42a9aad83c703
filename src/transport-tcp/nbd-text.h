/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol's numbers as words, and a peer's words made fit for a log.
 */
#ifndef UNBD_NBD_TEXT_H
#define UNBD_NBD_TEXT_H

#include <linux/types.h>

#include <unbd/proto/nbd.h>

static inline const char *nbd_opt_name(u32 option)
{
	switch (option) {
	case NBD_OPT_EXPORT_NAME:
		return "EXPORT_NAME";
	case NBD_OPT_ABORT:
		return "ABORT";
	case NBD_OPT_LIST:
		return "LIST";
	case NBD_OPT_STARTTLS:
		return "STARTTLS";
	case NBD_OPT_INFO:
		return "INFO";
	case NBD_OPT_GO:
		return "GO";
	case NBD_OPT_STRUCTURED_REPLY:
		return "STRUCTURED_REPLY";
	case NBD_OPT_LIST_META_CONTEXT:
		return "LIST_META_CONTEXT";
	case NBD_OPT_SET_META_CONTEXT:
		return "SET_META_CONTEXT";
	case NBD_OPT_EXTENDED_HEADERS:
		return "EXTENDED_HEADERS";
	case NBD_OPT_UNBD_FENCE:
		return "UNBD_FENCE";
	}
	return "an unknown option";
}

static inline const char *nbd_rep_name(u32 type)
{
	switch (type) {
	case NBD_REP_ACK:
		return "ACK";
	case NBD_REP_SERVER:
		return "SERVER";
	case NBD_REP_INFO:
		return "INFO";
	case NBD_REP_META_CONTEXT:
		return "META_CONTEXT";
	case NBD_REP_UNBD_INSTANCE:
		return "UNBD_INSTANCE";
	case NBD_REP_ERR_UNSUP:
		return "ERR_UNSUP";
	case NBD_REP_ERR_POLICY:
		return "ERR_POLICY";
	case NBD_REP_ERR_INVALID:
		return "ERR_INVALID";
	case NBD_REP_ERR_PLATFORM:
		return "ERR_PLATFORM";
	case NBD_REP_ERR_TLS_REQD:
		return "ERR_TLS_REQD";
	case NBD_REP_ERR_UNKNOWN:
		return "ERR_UNKNOWN";
	case NBD_REP_ERR_SHUTDOWN:
		return "ERR_SHUTDOWN";
	case NBD_REP_ERR_BLOCK_SIZE_REQD:
		return "ERR_BLOCK_SIZE_REQD";
	case NBD_REP_ERR_TOO_BIG:
		return "ERR_TOO_BIG";
	case NBD_REP_ERR_EXT_HEADER_REQD:
		return "ERR_EXT_HEADER_REQD";
	}
	return type & NBD_REP_ERROR_BIT ? "an unknown error" :
		"an unknown reply";
}

static inline const char *nbd_cmd_name(u16 cmd)
{
	switch (cmd) {
	case NBD_CMD_READ:
		return "READ";
	case NBD_CMD_WRITE:
		return "WRITE";
	case NBD_CMD_DISC:
		return "DISC";
	case NBD_CMD_FLUSH:
		return "FLUSH";
	case NBD_CMD_TRIM:
		return "TRIM";
	case NBD_CMD_CACHE:
		return "CACHE";
	case NBD_CMD_WRITE_ZEROES:
		return "WRITE_ZEROES";
	case NBD_CMD_BLOCK_STATUS:
		return "BLOCK_STATUS";
	case NBD_CMD_RESIZE:
		return "RESIZE";
	case NBD_CMD_UNBD_WATCH:
		return "UNBD_WATCH";
	}
	return "an unknown command";
}

/**
 * nbd_clean_text() - a peer's string for the log
 * @out: result, NUL-terminated
 * @size: of @out, at least 1
 * @text: @len bytes from the wire
 * @len: what does not fit is left out
 *
 * A log line is one line of printable ASCII, whoever wrote part of it.
 */
static inline void nbd_clean_text(char *out, size_t size, const u8 *text,
				  size_t len)
{
	size_t i;

	for (i = 0; i < len && i + 1 < size; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[i] = '\0';
}

#endif
