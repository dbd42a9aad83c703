// SPDX-License-Identifier: GPL-2.0
/*
 * When to try to connect again, and for how long: of a path whose legs share
 * something, or of a leg.
 */

#include <linux/minmax.h>

#include "client.h"

/* From one attempt's beginning to the next one's */
#define FIRST_DELAY		msecs_to_jiffies(100)
#define LONGEST_DELAY		(1 * HZ)

/*
 * Who maps will wait that long for each step; a reconnect tries again soon. A
 * server that has become slower than that, maybe by all that its clients want
 * of it at a time, would never be done if nobody ever waited for it.
 */
#define MAP_TIMEOUT		(10 * HZ)
#define RECONNECT_TIMEOUT	(3 * HZ)
#define LONGEST_TIMEOUT		(60 * HZ)

/*
 * A server that came back is in use again within two seconds: what was sent
 * when it was not there is lost, and may be sent again only by a new attempt.
 * Now and then one has more time, for servers that have become slow.
 */
#define REACH_TIMEOUT		(1 * HZ)
#define LONG_REACH_TIMEOUT	(3 * HZ / 2)

/* What breaks sooner than this after it came up has not recovered. */
#define PROVEN_AFTER		(1 * HZ)

/* How many times as long as the last time it may take */
#define SLOWER			3

/**
 * unbd_attempts_next() - an attempt begins
 * @a: whose
 * @first: somebody waits for it, who would rather wait than be told no
 * @alone: nothing else has to wait meanwhile
 * @reached: jiffies that the peer's first answer has taken, at most
 * @took: jiffies that the slowest step has taken when it last succeeded
 *
 * Sets the limits of the attempt. A server that has once taken long to open an
 * export will do so again.
 */
void unbd_attempts_next(struct unbd_attempts *a, bool first, bool alone,
			unsigned long reached, unsigned long took)
{
	unsigned long most = alone ? LONGEST_TIMEOUT : MAP_TIMEOUT;
	unsigned long connect = RECONNECT_TIMEOUT;
	unsigned long reach = REACH_TIMEOUT;

	if (a->failed % 16 == 15)
		reach = RECONNECT_TIMEOUT;
	else if (a->failed % 4 == 3)
		reach = LONG_REACH_TIMEOUT;
	if (a->failed % 16 == 15)
		connect = most;
	else if (a->failed % 4 == 3)
		connect = MAP_TIMEOUT;
	a->reach_timeout = first ? MAP_TIMEOUT :
		clamp(SLOWER * reached, reach, RECONNECT_TIMEOUT);
	a->connect_timeout = first ? MAP_TIMEOUT :
		clamp(SLOWER * took, connect, most);
	a->began = jiffies;
}

/**
 * unbd_attempts_lost() - what had come up, or was to, has broken
 * @a: whose
 * @live: it was up
 * @since: jiffies, since when
 *
 * What breaks soon after it came up is not tried again at once.
 */
void unbd_attempts_lost(struct unbd_attempts *a, bool live,
			unsigned long since)
{
	if (live && time_after(jiffies, since + PROVEN_AFTER))
		a->failed = 0;
	else
		a->failed++;
}

/**
 * unbd_attempts_pause() - jiffies until the next attempt
 * @a: whose
 */
unsigned long unbd_attempts_pause(const struct unbd_attempts *a)
{
	unsigned long pause, since = jiffies - a->began;

	if (!a->failed)
		return 0;
	pause = min_t(unsigned long, LONGEST_DELAY,
		      FIRST_DELAY << min(a->failed - 1, 8U));
	return pause > since ? max(pause - since, FIRST_DELAY) : FIRST_DELAY;
}
