// SPDX-License-Identifier: GPL-2.0
/*
 * A message to the server: its memory, and its end.
 *
 * Whoever waits for an answer may lose patience; the buffers then stay until
 * it comes or the connection ends.
 */
#include <linux/slab.h>

#include "client.h"

/**
 * clt_message_put() - drop a reference
 * @message: message; may be gone when this returns
 */
void clt_message_put(struct clt_message *message)
{
	if (!refcount_dec_and_test(&message->refs))
		return;
	kfree(message->answer);
	kfree(message->buf);
	kfree(message);
}

/**
 * clt_message_make() - room for a message and its answer
 * @path: path that it is to go over
 * @data_len: bytes of data that go with it
 *
 * Whoever frees memory may be waiting for the path: see clt_connect_path().
 * Return: a reference, or NULL.
 */
struct clt_message *clt_message_make(struct clt_path *path, u32 data_len)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_MEMALLOC | __GFP_ZERO;
	struct clt_message *message = kmalloc(sizeof(*message), gfp);

	if (!message)
		return NULL;
	refcount_set(&message->refs, 1);
	message->path = path;
	message->result = -EINPROGRESS;
	message->data_len = data_len;
	message->buf = kmalloc(data_len + CLT_MSG_ROOM, gfp);
	message->msg = message->buf + data_len;
	message->answer = kmalloc(CLT_ANSWER_ROOM, gfp);
	if (message->buf && message->answer)
		return message;
	clt_message_put(message);
	return NULL;
}

/**
 * clt_message_map() - let the adapter see a message
 * @message: message
 *
 * Return: 0 or -ENOMEM.
 */
int clt_message_map(struct clt_message *message)
{
	struct ib_device *dev = message->path->dev;

	message->buf_addr = ib_dma_map_single(dev, message->buf,
					      message->data_len + CLT_MSG_ROOM,
					      DMA_TO_DEVICE);
	return ib_dma_mapping_error(dev, message->buf_addr) ? -ENOMEM : 0;
}

/**
 * clt_message_done() - a message has its answer, or never will
 * @message: message; its io does not use it any more
 * @err: 0 or -errno
 *
 * Any context.
 */
void clt_message_done(struct clt_message *message, int err)
{
	struct clt_path *path = message->path;

	ib_dma_unmap_single(path->dev, message->buf_addr,
			    message->data_len + CLT_MSG_ROOM, DMA_TO_DEVICE);
	/* Pairs with clt_wait_for(). */
	smp_store_release(&message->result, err);
	wake_up_all(&path->wait);
	clt_message_put(message);
}
