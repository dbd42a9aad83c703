// SPDX-License-Identifier: GPL-2.0
/*
 * The block protocol in shared memory: elements that clients and servers
 * write, and what is believed of them.
 */
#include "transport-shm/client/block-codec.h"
#include "transport-shm/server/block-codec.h"

#include "fuzz.h"

static void check_offset(u64 offset, u32 block, enum shm_offset_unit unit)
{
	u64 bytes;
	int err = srv_byte_offset(offset, block, unit, &bytes);

	must(!err || err == -EINVAL);
	if (err)
		return;
	must(!(bytes >> 63) && !(bytes % block));
	must(bytes >= offset);
	must(clt_wire_offset(bytes, block, unit) == offset);
}

static void check_range(const struct shm_request *rq, u32 block, u64 room)
{
	int err = srv_check_range(rq, block, room);

	must(!err || err == -EINVAL);
	if (err)
		return;
	must(rq->length && !(rq->length % block) && !(rq->buffer % block));
	must(rq->length <= room && rq->buffer <= room);
	must(rq->buffer + rq->length >= rq->length);
	must(rq->buffer + rq->length <= room);
}

/* What clients ask the server for */
static void get_request(struct fuzz_input *in)
{
	struct muenblock_request element, again;
	enum shm_offset_unit unit;
	struct shm_request rq;
	u32 block;
	u64 room;

	fuzz_take(in, &element, sizeof(element));
	room = fuzz_u64(in);
	block = SHM_MIN_BLOCK << fuzz_u8(in) % 8;
	unit = fuzz_u8(in) % (SHM_OFFSET_BYTES + 1);
	must(block <= SHM_MAX_BLOCK);
	srv_unpack_request(&rq, &element);
	clt_pack_request(&again, &rq);
	must(!memcmp(&again, &element, sizeof(element)));
	must(*clt_kind_name(rq.kind));
	check_offset(rq.offset, block, unit);
	check_range(&rq, block, room);
}

/* What servers answer to the client: never success that was none. */
static void get_response(struct fuzz_input *in)
{
	struct muenblock_response element, again;
	struct shm_response rp;
	int err;

	fuzz_take(in, &element, sizeof(element));
	clt_unpack_response(&rp, &element);
	srv_pack_response(&again, &rp);
	must(!memcmp(&again, &element, sizeof(element)));
	must(*clt_kind_name(rp.kind));
	err = clt_error_of_status(rp.kind, rp.status);
	must(!err == (rp.status == MUENBLOCK_OK));
	must(err != -EOPNOTSUPP || rp.kind == MUENBLOCK_DISCARD);
	must(err <= 0 && err > -4096 && err != -EAGAIN);
	must(!srv_status_of_error(err) == !err);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct fuzz_input in = { data, size };

	get_request(&in);
	get_response(&in);
	return 0;
}
