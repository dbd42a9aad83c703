// SPDX-License-Identifier: GPL-2.0
/*
 * What an export's description means to a block device.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/sizes.h>

#include "client.h"

static u32 features_of(u16 flags)
{
	static const struct {
		u16 flag;
		u32 feature;
	} map[] = {
		{ NBD_FLAG_READ_ONLY,	   UNBD_FEAT_READ_ONLY },
		{ NBD_FLAG_SEND_FLUSH,	   UNBD_FEAT_WRITE_CACHE },
		{ NBD_FLAG_SEND_FUA,	   UNBD_FEAT_FUA },
		{ NBD_FLAG_ROTATIONAL,	   UNBD_FEAT_ROTATIONAL },
		{ NBD_FLAG_CAN_MULTI_CONN, UNBD_FEAT_MULTI_QUEUE },
	};
	u32 features = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (flags & map[i].flag)
			features |= map[i].feature;
	return features;
}

/*
 * The server's preferred size is what a request should be a multiple of:
 * a physical block, as long as it looks like one. Optimal is the same. The
 * largest payload is not: readahead and the stripes of file systems follow
 * the optimal size, and nobody wants them to be 32 MiB.
 */
static void set_sizes(struct unbd_geometry *g,
		      const struct nbd_export_info *info)
{
	g->logical_block_size = max_t(u32, info->min_block, SECTOR_SIZE);
	g->physical_block_size = g->logical_block_size;
	if (info->has_block_size) {
		g->physical_block_size = clamp_t(u32, info->preferred_block,
						 g->logical_block_size,
						 SZ_64K);
		g->io_min = max(info->preferred_block,
				g->physical_block_size);
		g->io_opt = g->io_min;
	}
	g->size = round_down(info->size, (u64)g->logical_block_size);
	g->max_io = round_down(min_t(u32, info->max_payload,
				     NBD_DEFAULT_MAX_PAYLOAD),
			       g->logical_block_size);
}

/*
 * The effect of TRIM and WRITE_ZEROES is not limited by the payload, but the
 * length is a 32-bit number: of compact headers, and of a block request even
 * where extended headers could carry more.
 */
static void set_commands(struct unbd_geometry *g, u16 flags)
{
	u64 most = round_down(U32_MAX, g->logical_block_size);

	if (flags & NBD_FLAG_SEND_TRIM)
		g->max_discard = most;
	g->discard_granularity = g->logical_block_size;
	if (flags & NBD_FLAG_SEND_WRITE_ZEROES)
		g->max_write_zeroes = most;
	g->features = features_of(flags);
}

/**
 * clt_set_geometry() - fill in leg->geometry
 * @leg: leg
 * @info: from the handshake
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, or -EOPNOTSUPP if no request of Linux would fit.
 */
int clt_set_geometry(struct clt_leg *leg, const struct nbd_export_info *info,
		     char *why, size_t len)
{
	struct unbd_geometry g = {};

	set_sizes(&g, info);
	set_commands(&g, info->flags);
	if (info->stable)
		g.features |= UNBD_FEAT_STABLE;
	if (g.max_io < PAGE_SIZE)
		return unbd_why(why, len, -EOPNOTSUPP,
				"the server takes %u bytes of data at most, less than a page",
				info->max_payload);
	if (g.size != info->size && !leg->remarked)
		pr_notice("%s: size %llu is not a multiple of %u bytes, the rest is out of reach\n",
			  leg->base.path->name, info->size,
			  g.logical_block_size);
	leg->remarked = true;
	leg->base.geometry = g;
	return 0;
}
