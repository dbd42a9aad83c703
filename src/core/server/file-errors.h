/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who has been told that writing back has failed.
 *
 * The kernel tells that once for an open file. All connections share that, but
 * each of them has data to worry about, and so each has to hear of it; and a
 * client whose connection broke before it has heard has to by its next one.
 */
#ifndef UNBD_SERVER_FILE_ERRORS_H
#define UNBD_SERVER_FILE_ERRORS_H

#include <linux/errseq.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/socket.h>

struct unbd_conn;

/**
 * struct file_errors - what a file's clients know
 * @mapping: the file's pages
 * @mutex: all of this, and what connections have seen
 * @owed: somebody went without having heard of an error
 * @to_all: several clients
 * @to: or the one with this address
 * @since: what was seen before that
 * @age: how often somebody went so
 */
struct file_errors {
	struct address_space *mapping;
	struct mutex mutex;		/* see above */
	bool owed;
	bool to_all;
	struct sockaddr_storage to;
	errseq_t since;
	unsigned int age;
};

void file_errors_init(struct file_errors *e, struct address_space *mapping);
int file_errors_tell(struct file_errors *e, struct unbd_conn *conn, int error);
void file_errors_opened(struct file_errors *e, struct unbd_conn *conn);
void file_errors_told(struct file_errors *e, struct unbd_conn *conn);
void file_errors_closed(struct file_errors *e, struct unbd_conn *conn);

#endif /* UNBD_SERVER_FILE_ERRORS_H */
