// SPDX-License-Identifier: GPL-2.0
/*
 * Where a request's data are: in the pages of the buffer; or in copies, where
 * it has none, or where the client could change what must stay. The storage is
 * asked for one piece after the other, so that a request needs no memory
 * however much a client asks for.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "server.h"

/* Both are multiples of any block. */
#define PIECE_BYTES	(SRV_PIECE_PAGES * PAGE_SIZE)
#define COPY_PAGES	DIV_ROUND_UP(SHM_MAX_BLOCK, PAGE_SIZE)

/* So many pieces are copied at a time. */
#define COPIES		64

/**
 * struct srv_copy - room for a piece
 * @next: in conn->copies
 * @pages: the room
 */
struct srv_copy {
	struct srv_copy *next;
	struct page *pages[COPY_PAGES];
};

static int alloc_copy(struct srv_copy *copy)
{
	unsigned int i;

	for (i = 0; i < COPY_PAGES; i++) {
		copy->pages[i] = alloc_page(GFP_NOIO);
		if (!copy->pages[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * srv_data_make_room() - from now on data are copied
 * @conn: connection; nobody else looks at its copies
 *
 * The room stays until srv_data_free(). Return: 0 or -ENOMEM.
 */
int srv_data_make_room(struct srv_conn *conn)
{
	unsigned int i;

	if (conn->all_copies)
		return 0;
	conn->all_copies = kvcalloc(COPIES, sizeof(*conn->all_copies),
				    GFP_NOIO);
	if (!conn->all_copies)
		return -ENOMEM;
	for (i = 0; i < COPIES; i++) {
		if (alloc_copy(&conn->all_copies[i])) {
			srv_data_free(conn);
			return -ENOMEM;
		}
		conn->all_copies[i].next = conn->copies;
		conn->copies = &conn->all_copies[i];
	}
	return 0;
}

/**
 * srv_data_init() - prepare for the data of a connection
 * @conn: connection whose regions are open
 *
 * Return: 0, or -ENOMEM; srv_data_free() is due in any case.
 */
int srv_data_init(struct srv_conn *conn)
{
	conn->last_hungry = &conn->hungry;
	conn->has_pages = shm_region_page(&conn->base.regions.buffer, 0);
	return conn->has_pages ? 0 : srv_data_make_room(conn);
}

/**
 * srv_data_free() - undo srv_data_init()
 * @conn: connection that does not serve
 */
void srv_data_free(struct srv_conn *conn)
{
	unsigned int i, n;

	for (i = 0; conn->all_copies && i < COPIES; i++)
		for (n = 0; n < COPY_PAGES; n++)
			if (conn->all_copies[i].pages[n])
				__free_page(conn->all_copies[i].pages[n]);
	kvfree(conn->all_copies);
	conn->all_copies = NULL;
	conn->copies = NULL;
}

static void move(struct srv_request *req, bool to_buffer)
{
	void *at = req->conn->base.regions.buffer.addr + req->place;
	u64 left = req->io.length;
	unsigned int i, n;

	for (i = 0; left; i++, at += n, left -= n) {
		n = min_t(u64, left, PAGE_SIZE);
		if (to_buffer)
			memcpy(at, page_address(req->copy->pages[i]), n);
		else
			memcpy(page_address(req->copy->pages[i]), at, n);
	}
}

static void use_copy(struct srv_request *req)
{
	u64 left = req->io.length;
	unsigned int i, n;

	for (i = 0; left; i++, left -= n) {
		n = min_t(u64, left, PAGE_SIZE);
		bvec_set_page(&req->vecs[i], req->copy->pages[i], n, 0);
	}
	req->io.nr_bvec = i;
	if (req->io.op == UNBD_IO_WRITE)
		move(req, false);
}

static void use_buffer(struct srv_request *req)
{
	struct shm_region *buffer = &req->conn->base.regions.buffer;
	u64 at = req->place, left = req->io.length;
	struct bio_vec *bv;
	unsigned int n;

	for (bv = req->vecs; left; bv++) {
		n = min_t(u64, left, PAGE_SIZE - offset_in_page(at));
		bvec_set_page(bv, shm_region_page(buffer, at), n,
			      offset_in_page(at));
		at += n;
		left -= n;
	}
	req->io.nr_bvec = bv - req->vecs;
}

static bool needs_copy(const struct srv_request *req)
{
	return !req->conn->has_pages ||
	       (req->io.op == UNBD_IO_WRITE && req->device->stable);
}

/* Returns whether there is any. */
static bool take_copy(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	req->copy = conn->copies;
	if (req->copy) {
		conn->copies = req->copy->next;
		return true;
	}
	req->next = NULL;
	*conn->last_hungry = req;
	conn->last_hungry = &req->next;
	return false;
}

/**
 * srv_data_next() - prepare the next piece of a request
 * @req: READ or WRITE that has data left; its io has the place of all of them
 *
 * Return: whether it is ready. If not, srv_data_hungry() will return it.
 */
bool srv_data_next(struct srv_request *req)
{
	u64 done = req->wire.length - req->left;
	struct unbd_io *io = &req->io;
	bool copies = needs_copy(req);
	u64 most = copies ? COPY_PAGES * PAGE_SIZE : PIECE_BYTES;

	if (copies && !req->copy && !take_copy(req))
		return false;
	/* From where the one before ended */
	if (done)
		io->offset += io->length;
	io->length = min(req->left, most);
	io->bvec = req->vecs;
	req->place = req->wire.buffer + done;
	req->left -= io->length;
	if (copies)
		use_copy(req);
	else
		use_buffer(req);
	return true;
}

/**
 * srv_data_came() - a piece has come back from the storage
 * @req: any request
 */
void srv_data_came(struct srv_request *req)
{
	if (unlikely(req->copy) && req->io.op == UNBD_IO_READ && !req->error)
		move(req, true);
}

/**
 * srv_data_exit() - a request needs its data no more
 * @req: any request
 */
void srv_data_exit(struct srv_request *req)
{
	struct srv_conn *conn = req->conn;

	if (likely(!req->copy))
		return;
	req->copy->next = conn->copies;
	conn->copies = req->copy;
	req->copy = NULL;
}

/**
 * srv_data_hungry() - a request that can go on now
 * @conn: connection
 *
 * Return: the first that waited, or NULL.
 */
struct srv_request *srv_data_hungry(struct srv_conn *conn)
{
	struct srv_request *req = conn->hungry;

	if (likely(!req) || !conn->copies)
		return NULL;
	conn->hungry = req->next;
	if (!conn->hungry)
		conn->last_hungry = &conn->hungry;
	return req;
}
