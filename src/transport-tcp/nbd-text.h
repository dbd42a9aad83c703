/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol's numbers as words.
 */
#ifndef UNBD_TCP_NBD_TEXT_H
#define UNBD_TCP_NBD_TEXT_H

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

#endif
