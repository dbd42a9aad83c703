// SPDX-License-Identifier: GPL-2.0
/*
 * Block requests: what they are to RNBD, and where their data go.
 *
 * Data of a write are sent from where they are. Memory is registered if the
 * server writes to it, or if it has more pieces than the adapter sends at once:
 * registering costs more than the pieces.
 */
#include <linux/blk-mq.h>

#include "client.h"

static int fill_io(struct request *rq, struct rnbd_io *io)
{
	io->sector = blk_rq_pos(rq);
	io->bytes = blk_rq_bytes(rq);
	io->flags = rq_is_sync(rq) ? RNBD_F_SYNC : 0;
	if (rq->cmd_flags & REQ_FUA)
		io->flags |= RNBD_F_FUA;
	io->prio = req_get_ioprio(rq);
	switch (req_op(rq)) {
	case REQ_OP_READ:
		io->op = RNBD_OP_READ;
		return 0;
	case REQ_OP_WRITE:
		io->op = RNBD_OP_WRITE;
		return 0;
	case REQ_OP_FLUSH:
		/* Newer kernels' servers refuse a sector that is none. */
		io->op = RNBD_OP_FLUSH;
		io->sector = 0;
		io->bytes = 0;
		return 0;
	case REQ_OP_DISCARD:
		io->op = RNBD_OP_DISCARD;
		return 0;
	case REQ_OP_SECURE_ERASE:
		io->op = RNBD_OP_SECURE_ERASE;
		return 0;
	case REQ_OP_WRITE_ZEROES:
		io->op = RNBD_OP_WRITE_ZEROES;
		if (rq->cmd_flags & REQ_NOUNMAP)
			io->flags |= RNBD_F_NOUNMAP;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int map_data(struct clt_io *io, struct request *rq, bool read)
{
	unsigned int nr = blk_rq_nr_phys_segments(rq);
	int err;

	if (WARN_ON_ONCE(!nr || nr > io->path->max_segments ||
			 blk_rq_bytes(rq) > io->path->max_io))
		return -EINVAL;
	sg_init_table(io->sg, nr);
	io->nents = blk_rq_map_sg(rq, io->sg);
	err = clt_io_map(io, read ? DMA_FROM_DEVICE : DMA_TO_DEVICE);
	/* One more is for the header. */
	if (!err && (read || io->mapped >= io->path->max_sge))
		err = clt_io_register(io);
	return err;
}

/* Packs the header; returns its length. */
static u32 put_header(struct clt_io *io, const struct rnbd_io *msg)
{
	u8 *hdr = io->hdr;
	u32 usr_len = sizeof(struct rnbd_msg_io);
	u32 len;

	rnbd_put_io((struct rnbd_msg_io *)hdr, msg);
	if (!rnbd_op_is_read(msg->op))
		len = usr_len + rtrs_put_write(hdr + usr_len, usr_len);
	else if (!io->registered)
		len = usr_len + rtrs_put_read(hdr + usr_len, usr_len, 0, 0, 0);
	else
		len = usr_len + rtrs_put_read(hdr + usr_len, usr_len,
					      io->mr->length, io->mr->iova,
					      io->mr->rkey);
	ib_dma_sync_single_for_device(io->path->dev, io->hdr_addr, len,
				      DMA_TO_DEVICE);
	return len;
}

/* Returns how many there are. */
static unsigned int put_data(struct clt_io *io, struct ib_sge *sge)
{
	struct scatterlist *sg;
	int i;

	if (io->registered) {
		sge->addr = io->mr->iova;
		sge->length = io->mr->length;
		sge->lkey = io->mr->lkey;
		return 1;
	}
	for_each_sg(io->sg, sg, io->mapped, i) {
		sge[i].addr = sg_dma_address(sg);
		sge[i].length = sg_dma_len(sg);
		sge[i].lkey = io->path->pd->local_dma_lkey;
	}
	return i;
}

static int post(struct clt_io *io, const struct rnbd_io *msg, u32 data_len)
{
	struct ib_sge sge[CLT_MAX_SGE];
	unsigned int n = 0;

	if (msg->op == RNBD_OP_WRITE)
		n = put_data(io, sge);
	sge[n].addr = io->hdr_addr;
	sge[n].length = put_header(io, msg);
	sge[n++].lkey = io->path->pd->local_dma_lkey;
	return clt_io_post(io, sge, n, data_len, sizeof(struct rnbd_msg_io));
}

static blk_status_t failed(struct clt_io *io, int err)
{
	io->registered = false;
	clt_io_free(io);
	if (err == -ENOMEM)
		return BLK_STS_RESOURCE;
	return err == -EINVAL ? BLK_STS_IOERR : BLK_STS_TRANSPORT;
}

/* A disk may have fewer queues than the path connections. */
static struct clt_conn *conn_of(struct clt_leg *leg, unsigned int queue)
{
	struct clt_path *path = path_of(leg);
	unsigned int nr_queues = leg->base.nr_queues;

	if (queue >= nr_queues)
		queue += path->nr_irq - nr_queues;
	return path->conns[1 + queue];
}

blk_status_t clt_queue_rq(struct unbd_leg *base, unsigned int queue,
			  struct request *rq, bool last)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_path *path = path_of(leg);
	struct rnbd_io msg = { .device_id = leg->device_id };
	struct clt_request *req = unbd_request_priv(rq);
	struct clt_io *io;
	u32 data_len = 0;
	int err = 0;

	if (clt_path_broken(path))
		return BLK_STS_TRANSPORT;
	if (fill_io(rq, &msg))
		return BLK_STS_NOTSUPP;
	io = clt_io_get(conn_of(leg, queue), leg);
	if (!io)
		return BLK_STS_RESOURCE;
	io->rq = rq;
	req->io = io;
	if (rnbd_op_has_data(msg.op)) {
		data_len = msg.bytes;
		err = map_data(io, rq, msg.op == RNBD_OP_READ);
	}
	if (!err)
		err = post(io, &msg, data_len);
	if (unlikely(err))
		return failed(io, err);
	return BLK_STS_OK;
}

/* Nothing is ever kept back. */
void clt_commit_rqs(struct unbd_leg *leg, unsigned int queue)
{
}

int clt_poll(struct unbd_leg *base, unsigned int queue)
{
	struct clt_conn *conn = conn_of(to_clt_leg(base), queue);

	return conn->polled ? clt_conn_poll(conn) : 0;
}

