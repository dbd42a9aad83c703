/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words an administrator writes to the server's sysfs files.
 *
 * Plain C without kernel services: compiled into unbd-server and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here logs or allocates.
 */
#ifndef UNBD_SERVER_OPTIONS_H
#define UNBD_SERVER_OPTIONS_H

#include <unbd/parse.h>

#define UNBD_MAX_CLIENTS	64

struct sockaddr;

/**
 * struct unbd_cidr - a range of Internet addresses
 * @addr: network byte order; an IPv4 address uses the first four bytes
 * @prefix: bits that must agree
 * @v6: IPv6; a v4-mapped range of at least 96 bits is stored as IPv4
 */
struct unbd_cidr {
	u8 addr[16];
	u8 prefix;
	bool v6;
};

/**
 * struct unbd_export_options - a line written to export_device, taken apart
 * @name: points into the line
 * @device_path: points into the line; absolute path
 * @access_mode: rw if not given
 * @nr_clients: 0 lets everybody in
 * @clients: who may connect
 * @adhoc: for one connection; never set by a line
 */
struct unbd_export_options {
	const char *name;
	const char *device_path;
	enum unbd_access_mode access_mode;
	unsigned int nr_clients;
	struct unbd_cidr clients[UNBD_MAX_CLIENTS];
	bool adhoc;
};

/**
 * struct unbd_unexport_options - a line written to unexport_device
 * @name: points into the line
 * @force: drop the connections that use it
 */
struct unbd_unexport_options {
	const char *name;
	bool force;
};

/**
 * struct unbd_listen_options - a line written to listen or unlisten
 * @transport: "tcp", "rdma" or "shm": the module to load is unbd-NAME-server
 * @address: the address with its prefix; points into the line
 */
struct unbd_listen_options {
	const char *transport;
	const char *address;
};

/**
 * unbd_parse_export() - take a line written to export_device apart
 * @line: NUL-terminated; modified, and @o points into it afterwards
 * @o: result; only valid if 0 is returned; some 1.2 KiB
 * @why: one sentence on error, naming key and value
 * @whylen: its size; UNBD_WHY_LEN suffices
 *
 * name= and device_path= must be there. clients= may be repeated.
 *
 * Return: 0; -EINVAL (unknown, double, missing or senseless), -ENAMETOOLONG,
 * -ERANGE (prefix length), or -E2BIG (too many clients).
 */
int unbd_parse_export(char *line, struct unbd_export_options *o,
		      char *why, size_t whylen);

/**
 * unbd_parse_unexport() - take "NAME [force]" apart
 * @line: NUL-terminated; modified
 * @o: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int unbd_parse_unexport(char *line, struct unbd_unexport_options *o,
			char *why, size_t whylen);

/**
 * unbd_parse_listen() - take one address with its prefix apart
 * @line: NUL-terminated; modified
 * @o: result
 * @why: message on error
 * @whylen: its size
 *
 * The address itself is the transport's to check.
 *
 * Return: 0, -EINVAL, -ENAMETOOLONG, or -EPROTONOSUPPORT for an unknown prefix.
 */
int unbd_parse_listen(char *line, struct unbd_listen_options *o,
		      char *why, size_t whylen);

/**
 * unbd_check_search_path() - is this a value for dev_search_path?
 * @pattern: absolute path, maybe with %SESSNAME%; "" is off
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int unbd_check_search_path(const char *pattern, char *why, size_t whylen);

/**
 * unbd_search_path() - where the device is that a client names
 * @pattern: dev_search_path, checked; each %SESSNAME% becomes @session
 * @session: name of the client's session
 * @name: what it asks for, below that; may begin with a '/'
 * @path: result, UNBD_DEVICE_PATH_MAX + 1 bytes, without double slashes
 * @why: message on error
 * @whylen: its size
 *
 * Neither @session nor @name can lead out of the pattern: symbolic links can,
 * but those are the administrator's.
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int unbd_search_path(const char *pattern, const char *session,
		     const char *name, char *path, char *why, size_t whylen);

/**
 * unbd_parse_cidr() - "ADDRESS[/BITS]"
 * @text: IPv4 or IPv6; without BITS one single address
 * @cidr: result; bits behind the prefix are cleared
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EINVAL or -ERANGE.
 */
int unbd_parse_cidr(const char *text, struct unbd_cidr *cidr,
		    char *why, size_t whylen);

/**
 * unbd_cidr_match() - is a peer inside a range?
 * @cidr: the range
 * @peer: any family; only AF_INET and AF_INET6 can match. A v4-mapped IPv6
 *	peer (an IPv4 client of a dual-stack listener) counts as IPv4.
 */
bool unbd_cidr_match(const struct unbd_cidr *cidr, const struct sockaddr *peer);

/**
 * unbd_cidr_print() - the range as text, for sysfs and the log
 * @cidr: the range
 * @buf: gets "10.0.0.0/8" or "fe80:0:0:0:0:0:0:0/10"
 * @len: its size; 48 suffices
 *
 * Return: bytes written, without the NUL.
 */
int unbd_cidr_print(const struct unbd_cidr *cidr, char *buf, size_t len);

#endif
