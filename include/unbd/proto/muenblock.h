/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The block protocol 2.0 of Muen: requests in one SHMStream channel,
 * responses in another one, data in a buffer that both ends may write.
 *
 * All integers in the elements are little-endian. Nothing here needs the
 * kernel: <linux/types.h> exists in user space too.
 */
#ifndef UNBD_PROTO_MUENBLOCK_H
#define UNBD_PROTO_MUENBLOCK_H

#include <linux/types.h>

/* What Muen's own ends expect in the header of either channel */
#define MUENBLOCK_PROTOCOL	0x5155684453516f3dULL

/* Sizes of the channels' regions that those ends insist upon, in bytes */
#define MUENBLOCK_REQUEST_REGION	0x8000
#define MUENBLOCK_RESPONSE_REGION	0x4000

/*
 * What no server is sure to take more of in one request: 255 blocks of data,
 * 65536 blocks to discard.
 */
#define MUENBLOCK_SAFE_SECTORS		255
#define MUENBLOCK_SAFE_DISCARD		65536

/* Where SMART data go, whatever the request says */
#define MUENBLOCK_SMART_OFFSET		0

/**
 * enum muenblock_kind - what a request asks for
 * @MUENBLOCK_NONE: nothing; is not answered
 * @MUENBLOCK_READ: device to buffer
 * @MUENBLOCK_WRITE: buffer to device
 * @MUENBLOCK_DISCARD: the blocks may be forgotten, or zeroed
 * @MUENBLOCK_SYNC: what was written before shall be stable
 * @MUENBLOCK_GET_SMART: the disk's health, status is a
 *	&enum muenblock_smart
 * @MUENBLOCK_MEDIA_BLOCKS: status is the number of blocks
 * @MUENBLOCK_BLOCK_LENGTH: status is the size of a block in bytes
 * @MUENBLOCK_MAX_REQUESTS: reserved, servers do not answer it
 * @MUENBLOCK_MAX_BLOCKS: status is the most blocks of one request
 * @MUENBLOCK_MAX_DEVICES: status is the number of devices
 * @MUENBLOCK_RESET: nothing is pending when it has been answered
 */
enum muenblock_kind {
	MUENBLOCK_NONE		= 0x0000,
	MUENBLOCK_READ		= 0x0001,
	MUENBLOCK_WRITE		= 0x0002,
	MUENBLOCK_DISCARD	= 0x0003,
	MUENBLOCK_SYNC		= 0x0004,
	MUENBLOCK_GET_SMART	= 0x0005,
	MUENBLOCK_MEDIA_BLOCKS	= 0x0010,
	MUENBLOCK_BLOCK_LENGTH	= 0x0011,
	MUENBLOCK_MAX_REQUESTS	= 0x0019,
	MUENBLOCK_MAX_BLOCKS	= 0x001a,
	MUENBLOCK_MAX_DEVICES	= 0x001b,
	MUENBLOCK_RESET		= 0x001f,
};

/*
 * Status of READ, WRITE, DISCARD and SYNC: numbers of the Linux block layer.
 * Muen's own servers know the first, the second and the last.
 */
enum muenblock_status {
	MUENBLOCK_OK		= 0,
	MUENBLOCK_NOTSUPP	= 1,
	MUENBLOCK_TIMEOUT	= 2,
	MUENBLOCK_NOSPC		= 3,
	MUENBLOCK_TARGET	= 5,
	MUENBLOCK_MEDIUM	= 7,
	MUENBLOCK_PROTECTION	= 8,
	MUENBLOCK_IOERR		= 10,
};

/**
 * enum muenblock_unbd_kind - what only a server of unbd's is asked for
 * @MUENBLOCK_UNBD_FENCE: the buffer has keys from @buffer on, @length bytes of
 *	them: the first names the client's requests to this device from now on,
 *	those with the others must have ended before it is answered. Then there
 *	are 16 bytes at @buffer, which tell of the life of the server's machine;
 *	all 0 if the device has no volatile cache.
 */
enum muenblock_unbd_kind {
	MUENBLOCK_UNBD_FENCE	= 0x7501,
};

enum muenblock_smart {
	MUENBLOCK_SMART_FAILED	  = 0,
	MUENBLOCK_SMART_OK	  = 1,
	MUENBLOCK_SMART_EXCEEDED  = 2,
	MUENBLOCK_SMART_UNDEFINED = 3,
};

/**
 * struct muenblock_request - an element of the request channel
 * @kind: &enum muenblock_kind
 * @device: number of the device, from 0
 * @tag: the client's choice, comes back with the response
 * @length: bytes, a multiple of the block size
 * @offset: the first block on the device, counted in blocks (so do all that
 *	are in use; its author's text says bytes)
 * @buffer: where data begin in the buffer, in bytes
 */
struct muenblock_request {
	__le16 kind;
	__le16 device;
	__le32 tag;
	__le64 length;
	__le64 offset;
	__le64 buffer;
};

/**
 * struct muenblock_response - an element of the response channel
 * @kind: as in the request
 * @device: as in the request
 * @tag: as in the request
 * @status: depends on @kind
 */
struct muenblock_response {
	__le16 kind;
	__le16 device;
	__le32 tag;
	__le64 status;
};

#endif
