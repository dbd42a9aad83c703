/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words an administrator writes to the client's sysfs files.
 *
 * Plain C without kernel services: compiled into unbd-client and, unchanged,
 * into tests/unit and tests/fuzz. Nothing here logs or allocates.
 */
#ifndef UNBD_CLIENT_OPTIONS_H
#define UNBD_CLIENT_OPTIONS_H

#include <unbd/parse.h>

#define UNBD_MAX_PATHS			16

#define UNBD_DEFAULT_QUEUE_DEPTH	128
#define UNBD_DEFAULT_IO_TIMEOUT		30
#define UNBD_DEFAULT_FAIL_TIMEOUT	60
#define UNBD_DEFAULT_KEEPALIVE		5
#define UNBD_DEFAULT_REPLAY		(64 << 20)

#define UNBD_MAX_QUEUES			1024
#define UNBD_MAX_QUEUE_DEPTH		4096
#define UNBD_MAX_TIMEOUT		86400
#define UNBD_MAX_REPLAY			(1024 << 20)

/* fail_timeout=-1: I/O waits for ever */
#define UNBD_FAIL_NEVER			(-1)

/* nr_poll_queues=-1: one per CPU, as RNBD has it */
#define UNBD_POLL_QUEUE_PER_CPU		(-1)

/**
 * enum unbd_policy - how a session chooses among its live paths
 * @UNBD_POLICY_MIN_INFLIGHT: fewest requests in flight
 * @UNBD_POLICY_ROUND_ROBIN: one after the other
 * @UNBD_POLICY_MIN_LATENCY: quickest to answer the last probe
 * @UNBD_POLICY_PREFER: the first live one in the order given
 */
enum unbd_policy {
	UNBD_POLICY_MIN_INFLIGHT,
	UNBD_POLICY_ROUND_ROBIN,
	UNBD_POLICY_MIN_LATENCY,
	UNBD_POLICY_PREFER,
};

/**
 * enum unbd_tls_mode - tls=
 * @UNBD_TLS_OFF: plain text
 * @UNBD_TLS_X509: certificates
 * @UNBD_TLS_PSK: pre-shared key
 */
enum unbd_tls_mode {
	UNBD_TLS_OFF,
	UNBD_TLS_X509,
	UNBD_TLS_PSK,
};

/**
 * struct unbd_path_option - one path=, taken apart
 * @transport: "tcp", "rdma" or "shm": the module to load is unbd-NAME-client
 * @src: source address with its prefix, or NULL if none was given
 * @dst: destination address with its prefix
 * @port: from dest_port=, for an RDMA address that names none; else 0
 *
 * @src and @dst point into the structure itself, which so cannot be copied.
 */
struct unbd_path_option {
	const char *transport;
	const char *src;
	const char *dst;
	u16 port;

	/* private: */
	char src_text[UNBD_ADDRESS_LEN];
	char dst_text[UNBD_ADDRESS_LEN];
};

/* Bits of struct unbd_map_options.given: keys that stood in the line */
enum unbd_map_key {
	UNBD_KEY_SESSNAME,
	UNBD_KEY_PATH,
	UNBD_KEY_DEVICE_PATH,
	UNBD_KEY_ACCESS_MODE,
	UNBD_KEY_NR_QUEUES,
	UNBD_KEY_NR_POLL_QUEUES,
	UNBD_KEY_QUEUE_DEPTH,
	UNBD_KEY_POLICY,
	UNBD_KEY_IO_TIMEOUT,
	UNBD_KEY_FAIL_TIMEOUT,
	UNBD_KEY_KEEPALIVE,
	UNBD_KEY_TLS,
	UNBD_KEY_REPLAY,
	UNBD_KEY_DEST_PORT,
	UNBD_NR_KEYS,
};

/**
 * struct unbd_map_options - a line written to map_device, taken apart
 * @sessname: points into the line
 * @device_path: points into the line; "" is NBD's default export
 * @access_mode: rw if not given
 * @nr_queues: 0 if not given: the core's choice
 * @nr_poll_queues: 0 if not given, or UNBD_POLL_QUEUE_PER_CPU
 * @queue_depth: requests in flight per queue
 * @policy: path policy of a new session
 * @io_timeout: seconds
 * @fail_timeout: seconds, or UNBD_FAIL_NEVER
 * @keepalive: seconds; 0 turns probing off
 * @tls: encryption
 * @replay: bytes of answered writes to keep until they are flushed, 0 for none
 * @dest_port: 0 if not given
 * @given: bit per enum unbd_map_key, to tell a default from a wish
 * @nr_paths: paths given; 0 means "the session exists already"
 * @paths: in the order given
 *
 * Some 5 KiB: allocate it, do not put it on a kernel stack.
 */
struct unbd_map_options {
	const char *sessname;
	const char *device_path;
	enum unbd_access_mode access_mode;
	int nr_queues;
	int nr_poll_queues;
	int queue_depth;
	enum unbd_policy policy;
	int io_timeout;
	int fail_timeout;
	int keepalive;
	enum unbd_tls_mode tls;
	int replay;
	int dest_port;
	unsigned long given;
	unsigned int nr_paths;
	struct unbd_path_option paths[UNBD_MAX_PATHS];
};

static inline bool unbd_map_given(const struct unbd_map_options *o,
				  enum unbd_map_key key)
{
	return o->given & (1UL << key);
}

/**
 * unbd_parse_map() - take a line written to map_device apart
 * @line: NUL-terminated; modified, and @o points into it afterwards
 * @o: result; only valid if 0 is returned
 * @why: one sentence on error, naming key and value
 * @whylen: its size; UNBD_WHY_LEN suffices
 *
 * Keys may come in any order. sessname= and device_path= must be there.
 *
 * Return: 0; -EINVAL (unknown, double, missing or senseless), -ENAMETOOLONG,
 * -ERANGE (a number out of its bounds), -E2BIG (too many paths) or
 * -EPROTONOSUPPORT (a path of an unknown kind).
 */
int unbd_parse_map(char *line, struct unbd_map_options *o,
		   char *why, size_t whylen);

/**
 * unbd_parse_path() - take one path apart: "[SRC,]DST" or "SRC@DST"
 * @text: without "path="; blanks around it are not part of it
 * @path: result; its port is 0
 * @why: message on error
 * @whylen: its size
 *
 * Either part may carry the prefix; if both do they must agree. The result has
 * it on both.
 *
 * Return: as unbd_parse_map().
 */
int unbd_parse_path(const char *text, struct unbd_path_option *path,
		    char *why, size_t whylen);

/**
 * unbd_parse_unmap() - what was written to unmap_device
 * @text: "normal" or "force", maybe with a newline
 * @force: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EINVAL.
 */
int unbd_parse_unmap(const char *text, bool *force, char *why, size_t whylen);

/**
 * unbd_parse_resize() - what was written to resize
 * @text: number of 512-byte sectors, as with RNBD
 * @sectors: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0, -EINVAL, or -ERANGE if the size in bytes has no place in loff_t.
 */
int unbd_parse_resize(const char *text, u64 *sectors, char *why, size_t whylen);

/**
 * unbd_parse_policy() - name of a policy to its number
 * @text: a name of unbd_policy_name() or RNBD's "mi", "rr", "ml"; maybe with a
 *	newline
 * @policy: result
 * @why: message on error
 * @whylen: its size
 *
 * Return: 0 or -EINVAL.
 */
int unbd_parse_policy(const char *text, enum unbd_policy *policy,
		      char *why, size_t whylen);

/** unbd_policy_name() - as in policy= and in the session's policy file */
const char *unbd_policy_name(enum unbd_policy policy);

/** unbd_tls_mode_name() - as in tls= */
const char *unbd_tls_mode_name(enum unbd_tls_mode tls);

#endif
