/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Servers as seen from here: addresses, connections and what an NBD server
 * tells before it serves.
 */
#ifndef UNBD_TOOL_REMOTE_H
#define UNBD_TOOL_REMOTE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "unbd.h"

/* ------------------------------------------------------------------ */
/* address.c                                                          */

enum address_kind {
	ADDRESS_TCP,
	ADDRESS_UNIX,
	ADDRESS_VSOCK,
	ADDRESS_RDMA,
	ADDRESS_SHM,
};

/**
 * struct address - what stands behind path=, taken apart
 * @kind: which of the others count
 * @host: without brackets; a file, or a number, of what has no host
 * @port: as text
 * @source: where to come from, NULL if it was not said
 * @sa: of @host and @port, after address_resolve()
 * @len: bytes of @sa
 * @from: of @source
 * @from_len: bytes of @from, 0 for none
 */
struct address {
	enum address_kind kind;
	char *host;
	char *port;
	char *source;
	struct sockaddr_storage sa;
	socklen_t len;
	struct sockaddr_storage from;
	socklen_t from_len;
};

/**
 * address_parse() - take apart what stands behind path=
 * @a: to be freed by address_free() in any case
 *
 * A host may also be a name. Return: NULL, or what is wrong with it.
 */
const char *address_parse(const char *text, struct address *a);

/** address_resolve() - fill @sa and @from; NULL, or what is wrong */
const char *address_resolve(struct address *a);

/** address_is_numeric() - is the host what the kernel takes? */
bool address_is_numeric(const struct address *a);

/** address_print() - a socket's address without its port; to be freed */
char *address_print(const struct sockaddr_storage *sa);
void address_free(struct address *a);

/* ------------------------------------------------------------------ */
/* stream.c                                                           */

/**
 * struct refusal - why there is no connection
 * @err: errno
 * @icmp: by such a message; the others are of it
 * @type: of the message
 * @code: of the message
 * @sender: who has sent it
 */
struct refusal {
	int err;
	bool icmp;
	unsigned int type;
	unsigned int code;
	char sender[INET6_ADDRSTRLEN];
};

/** stream_connect() - to a resolved address; its descriptor, or -1 */
int stream_connect(const struct address *a, struct refusal *why);

/* Seconds that a peer has for a connection, and for all that it says */
#define STREAM_PATIENCE		5

/** stream_deadline() - when the time of a peer is over that is asked now */
long long stream_deadline(void);

/** stream_receive() - exactly @len bytes; 0, ETIMEDOUT, EPIPE or an errno */
int stream_receive(int fd, void *bytes, size_t len, size_t *got,
		   long long deadline);
bool stream_send(int fd, const void *bytes, size_t len);

/* ------------------------------------------------------------------ */
/* nbd.c                                                              */

/**
 * struct nbd_export - what a server says of an export
 * @name: what clients ask for
 * @description: for people
 * @size: bytes, if @known
 * @read_only: if @known
 * @known: it has told these
 */
struct nbd_export {
	char *name;
	char *description;
	unsigned long long size;
	bool read_only;
	bool known;
};

enum nbd_greeting_kind {
	NBD_SILENT,		/* has said nothing in time */
	NBD_CLOSES,		/* has closed the connection */
	NBD_STRANGER,		/* speaks something else */
	NBD_OLDSTYLE,
	NBD_PLAIN_NEWSTYLE,	/* takes no options */
	NBD_FIXED_NEWSTYLE,
};

/**
 * struct nbd_server - what a server says of itself
 * @kind: by its greeting
 * @first: of a stranger, what it has begun with
 * @broken: it has broken the protocol, or off, while it was asked
 * @refused: type of the reply with which it refuses to list its exports, or 0
 * @wanted: type of the reply that refuses the export that was asked for, or 0
 * @fences: it is one of ours
 * @exports: what it lists; of oldstyle the one that it has
 * @nr_exports: how many
 */
struct nbd_server {
	enum nbd_greeting_kind kind;
	char first[33];
	bool broken;
	unsigned int refused;
	unsigned int wanted;
	bool fences;
	struct nbd_export *exports;
	size_t nr_exports;
};

/**
 * nbd_ask() - all that it tells; sends no request and opens no export
 * @wanted: an export to ask for, also if it is not listed, or NULL
 */
void nbd_ask(int fd, const char *wanted, struct nbd_server *s);

/** nbd_refusal() - why it does not list, for @refused */
const char *nbd_refusal(unsigned int type);
void nbd_free(struct nbd_server *s);

#endif
