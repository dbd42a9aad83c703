// SPDX-License-Identifier: GPL-2.0
/*
 * Where a request's data are in memory.
 *
 * Data move straight between the socket and the pages of the request's bios.
 * A request has one position in them: a write sends from there, a read
 * receives to there, and neither does the other. It moves on with the data;
 * only a server that answers a read out of order makes it go back.
 */
#include <linux/sched.h>

#include "client.h"

static void enter_bio(struct clt_request *req, struct bio *bio)
{
	struct bvec_iter start = bio->bi_iter;
	unsigned int nr = 0;
	struct bvec_iter bi;
	struct bio_vec bv;

	bio_for_each_bvec(bv, bio, bi)
		nr++;
	iov_iter_bvec(&req->iter,
		      op_is_write(bio_op(bio)) ? ITER_SOURCE : ITER_DEST,
		      __bvec_iter_bvec(bio->bi_io_vec, start), nr,
		      start.bi_size);
	req->iter.iov_offset = unbd_bvec_iter_offset(&start);
	req->bio = bio;
}

/**
 * clt_request_seek() - point req->iter to a place in a request's data
 * @req: request
 * @pos: bytes from the start of its data
 *
 * Whoever moves req->iter on by some bytes adds them to req->pos.
 *
 * Return: bytes that req->iter is good for, 0 behind the end of the data.
 */
size_t clt_request_seek(struct clt_request *req, u32 pos)
{
	size_t step;

	if (!req->bio || pos < req->pos) {
		if (!req->rq->bio)
			return 0;
		enter_bio(req, req->rq->bio);
		req->pos = 0;
	}
	for (;;) {
		step = min_t(size_t, pos - req->pos,
			     iov_iter_count(&req->iter));
		iov_iter_advance(&req->iter, step);
		req->pos += step;
		if (iov_iter_count(&req->iter))
			return iov_iter_count(&req->iter);
		if (!req->bio->bi_next)
			return 0;
		enter_bio(req, req->bio->bi_next);
	}
}

/**
 * clt_request_zero() - zero a part of a read's data
 * @req: request
 * @pos: bytes from the start of its data
 * @len: bytes
 * @may_sleep: nothing is locked that must not be held for long
 *
 * Return: 0, or -EFAULT if there is not so much data.
 */
int clt_request_zero(struct clt_request *req, u32 pos, u32 len, bool may_sleep)
{
	size_t n;

	while (len) {
		n = min_t(size_t, len, clt_request_seek(req, pos));
		if (!n || iov_iter_zero(n, &req->iter) != n)
			return -EFAULT;
		req->pos += n;
		pos += n;
		len -= n;
		if (may_sleep)
			cond_resched();
	}
	return 0;
}
