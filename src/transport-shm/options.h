/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module parameters of both ends, taken apart.
 *
 *	connections=ID:REQUEST:RESPONSE:BUFFER[:PROTOCOL:PROTOCOL][,...]
 *	devices=DEVICE:ID[,...]
 *
 * REQUEST, RESPONSE and BUFFER name regions of memory: "NAME", or with the
 * provider "PROVIDER/NAME" or "PROVIDER@PLACE/NAME", or as a window of what
 * the provider has, "PROVIDER@PLACE+OFFSET+LENGTH".
 */
#ifndef UNBD_SHM_OPTIONS_H
#define UNBD_SHM_OPTIONS_H

#include <linux/types.h>

#define SHM_PROVIDER_LEN	16
#define SHM_PLACE_LEN		64
#define SHM_NAME_LEN		64
#define SHM_DEVICE_LEN		256

/* Connections of a module, devices of a connection */
#define SHM_MAX_CONNECTIONS	32
#define SHM_MAX_DEVICES		64

/**
 * struct shm_region_name - what names a region
 * @provider: who has it; "muen" where none is named
 * @place: where it has it, "" when it has one place only
 * @name: at that place; "" for a window
 * @offset: of a window, in bytes
 * @length: of a window, in bytes; 0 when @name names the region
 */
struct shm_region_name {
	char provider[SHM_PROVIDER_LEN];
	char place[SHM_PLACE_LEN];
	char name[SHM_NAME_LEN];
	u64 offset;
	u64 length;
};

/**
 * struct shm_connection_option - one of connections=
 * @id: what shm:ID and devices= call it
 * @request: channel that the client writes
 * @response: channel that the server writes
 * @buffer: that both write
 * @request_protocol: number in the header of @request
 * @response_protocol: likewise
 */
struct shm_connection_option {
	u32 id;
	struct shm_region_name request;
	struct shm_region_name response;
	struct shm_region_name buffer;
	u64 request_protocol;
	u64 response_protocol;
};

/**
 * struct shm_device_option - one of devices=
 * @id: connection that it is offered on
 * @path: of a block device or file if it begins with '/', else the name of
 *	an export that exists
 */
struct shm_device_option {
	u32 id;
	char path[SHM_DEVICE_LEN];
};

int shm_parse_connection(const char **text, struct shm_connection_option *o,
			 char *why, size_t len);
int shm_parse_device(const char **text, struct shm_device_option *o,
		     char *why, size_t len);
int shm_parse_id(const char *text, u32 *id);
int shm_parse_remove(const char *text, u32 *id, bool *force,
		     char *why, size_t len);

#endif
