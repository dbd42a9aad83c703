// SPDX-License-Identifier: GPL-2.0
/*
 * A device behind a connection: what its server says of it, and its way up.
 */
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "client.h"

/* What the server says of a device, before it is believed */
struct answers {
	u64 blocks;
	u64 block;
	u64 most;
};

static int ask(struct clt_leg *leg, struct answers *a, char *why, size_t len)
{
	struct clt_path *path = to_clt_path(leg->base.path);
	int err;

	err = clt_control(path, MUENBLOCK_MEDIA_BLOCKS, leg->device,
			  &a->blocks, why, len);
	if (!err)
		err = clt_control(path, MUENBLOCK_BLOCK_LENGTH, leg->device,
				  &a->block, why, len);
	if (!err)
		err = clt_control(path, MUENBLOCK_MAX_BLOCKS, leg->device,
				  &a->most, why, len);
	return err;
}

static int check_answers(const struct answers *a, unsigned int device,
			 char *why, size_t len)
{
	if (!a->blocks)
		return unbd_why(why, len, -ENOENT,
				"the server has no device %u", device);
	if (a->block < SHM_MIN_BLOCK || a->block > SHM_MAX_BLOCK ||
	    !is_power_of_2(a->block))
		return unbd_why(why, len, -EPROTO,
				"blocks of %llu bytes make no sense", a->block);
	if (a->blocks > (u64)S64_MAX >> ilog2(a->block))
		return unbd_why(why, len, -EPROTO,
				"%llu blocks of %llu bytes make no sense",
				a->blocks, a->block);
	return 0;
}

/*
 * The protocol tells nothing of caches, and has a command for them: so there
 * is one. What is not told is left at what is always right.
 */
static int set_geometry(struct clt_leg *leg, const struct answers *a,
			char *why, size_t len)
{
	struct clt_conn *conn = conn_of(leg);
	struct unbd_geometry g = {};
	u64 most = a->most;

	if (!most || most > MUENBLOCK_SAFE_DISCARD)
		most = MUENBLOCK_SAFE_DISCARD;
	g.size = a->blocks * a->block;
	g.logical_block_size = a->block;
	g.physical_block_size = max_t(u32, a->block, 4096);
	g.max_io = min_t(u64, most * a->block,
			 conn->slot_bytes - CLT_SLOT_SPARE);
	g.max_io = min_t(u32, g.max_io,
			 MUENBLOCK_SAFE_SECTORS << SECTOR_SHIFT);
	/* Whole pages, and whole blocks, which may be larger */
	if (g.max_io > PAGE_SIZE)
		g.max_io = round_down(g.max_io, PAGE_SIZE);
	g.max_io = round_down(g.max_io, g.logical_block_size);
	if (g.max_io < PAGE_SIZE)
		return unbd_why(why, len, -EOPNOTSUPP,
				"no request of a page fits: the server takes %llu blocks of %llu bytes, a slot %u bytes",
				most, a->block, conn->slot_bytes);
	g.max_discard = min_t(u64, most * a->block,
			      round_down(U32_MAX, g.logical_block_size));
	g.discard_granularity = a->block;
	g.features = UNBD_FEAT_WRITE_CACHE | UNBD_FEAT_MULTI_QUEUE;
	leg->block = a->block;
	leg->base.geometry = g;
	return 0;
}

int clt_fence(struct unbd_leg *base, char *why, size_t len)
{
	struct unbd_instance instance;

	return clt_control_fence(to_clt_leg(base), &instance, why, len);
}

/* With a server of ours: fences, and helps its memory */
static int introduce(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct unbd_instance instance;
	int err;

	if (!base->nr_keys || !shm_reader_of_ours(&conn_of(leg)->reader))
		return 0;
	err = clt_control_fence(leg, &instance, why, len);
	if (err)
		return err;
	base->fences = true;
	/* Who loses nothing does not tell which life it is in. */
	if (!memchr_inv(&instance, 0, sizeof(instance)))
		return 0;
	return unbd_leg_recover(base, &instance, &clt_replay_ops, why, len);
}

static int learn(struct clt_leg *leg, char *why, size_t len)
{
	struct answers a;
	int err;

	err = ask(leg, &a, why, len);
	if (!err)
		err = check_answers(&a, leg->device, why, len);
	if (!err)
		err = set_geometry(leg, &a, why, len);
	return err;
}

int clt_attach(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	u32 device = 0;
	int err;

	if (*base->export_name && shm_parse_id(base->export_name, &device))
		return unbd_why(why, len, -ENOENT,
				"device_path=%.64s: devices have numbers here",
				base->export_name);
	if (device >= SHM_MAX_DEVICES)
		return unbd_why(why, len, -ENOENT,
				"device numbers are below %u",
				SHM_MAX_DEVICES);
	leg->device = device;
	leg->rank = bitmap_weight(conn_of(leg)->valid, device);
	err = learn(leg, why, len);
	if (!err)
		err = introduce(base, why, len);
	if (err)
		return err;
	/* One channel for all; blk-mq has its own reasons for queues. */
	base->nr_queues = base->want_queues;
	base->nr_poll_queues = base->want_poll_queues;
	return 0;
}

void clt_detach(struct unbd_leg *base)
{
	clt_slots_orphan(to_clt_leg(base));
}

/*
 * Only the size may be another one: what is in flight counts in the blocks that
 * there were. With others the device has to be attached anew, or not at all.
 */
int clt_refresh(struct unbd_leg *base, char *why, size_t len)
{
	struct clt_leg *leg = to_clt_leg(base);
	struct clt_conn *conn = conn_of(leg);
	struct answers a;
	int err;

	err = ask(leg, &a, why, len);
	if (!err)
		err = check_answers(&a, leg->device, why, len);
	if (!err && a.block != leg->block) {
		err = unbd_why(why, len, -ESTALE,
			       "device %u has blocks of %llu bytes now, not of %u",
			       leg->device, a.block, leg->block);
		mutex_lock(&conn->recv_mutex);
		clt_conn_fail(conn, err, "%s", why);
		mutex_unlock(&conn->recv_mutex);
	}
	return err ? err : set_geometry(leg, &a, why, len);
}
