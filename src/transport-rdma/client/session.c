// SPDX-License-Identifier: GPL-2.0
/*
 * What the paths of a session share: its name to the server, and the slots.
 */
#define pr_fmt(fmt) "unbd: " fmt

#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/uuid.h>

#include "client.h"

/*
 * A server notices by its heartbeats that a path is dead; the kernel's takes
 * 35 seconds at most, and then finishes what it has begun.
 */
#define REST_TIME	(40 * HZ)

/* Another path's first connection request is waited for that long. */
#define CREATE_TIME	(1 * HZ)

/*
 * One in so many slots is kept for who would wait for the others in vain, up to
 * CLT_MAX_KEPT. Whichever part of the slots is used, it is the same ones.
 */
#define KEPT_PART	4

/**
 * struct clt_stale - why a slot rests
 * @path: number of the one that broke with the slot in flight, 0: it does not
 *	rest
 * @key: what named its connections to the server
 * @since: jiffies
 */
struct clt_stale {
	u64 path;
	struct unbd_key key;
	unsigned long since;
};

/*
 * When a path of a session was closed, by a hash of the session's name; 0 is
 * never. Of two names with the same hash the server is asked in vain for some
 * seconds, at worst.
 */
static unsigned long left_at[256];

static DEFINE_MUTEX(sessions_mutex);
static LIST_HEAD(sessions);

static struct clt_session *find_session(struct unbd_session *owner)
{
	struct clt_session *session;

	list_for_each_entry(session, &sessions, entry)
		if (session->owner == owner)
			return session;
	return NULL;
}

static struct clt_session *make_session(struct unbd_session *owner)
{
	struct clt_session *session = kzalloc(sizeof(*session), GFP_KERNEL);

	if (!session)
		return NULL;
	session->owner = owner;
	generate_random_uuid(session->uuid);
	mutex_init(&session->mutex);
	INIT_LIST_HEAD(&session->legs);
	init_waitqueue_head(&session->wait);
	spin_lock_init(&session->stale_lock);
	list_add(&session->entry, &sessions);
	return session;
}

/**
 * clt_session_get() - what the RDMA paths of a session share
 * @owner: the core's session
 *
 * Return: a reference, or NULL.
 */
struct clt_session *clt_session_get(struct unbd_session *owner)
{
	struct clt_session *session;

	mutex_lock(&sessions_mutex);
	session = find_session(owner);
	if (!session)
		session = make_session(owner);
	if (session)
		session->users++;
	mutex_unlock(&sessions_mutex);
	return session;
}

static void forget_slots(struct clt_session *session)
{
	if (session->queue_depth)
		sbitmap_queue_free(&session->slots);
	session->queue_depth = 0;
	kvfree(session->stale);
	session->stale = NULL;
	session->nr_stale = 0;
}

/**
 * clt_session_put() - drop a reference
 * @session: session
 */
void clt_session_put(struct clt_session *session)
{
	mutex_lock(&sessions_mutex);
	if (--session->users) {
		mutex_unlock(&sessions_mutex);
		return;
	}
	list_del(&session->entry);
	mutex_unlock(&sessions_mutex);
	forget_slots(session);
	mutex_destroy(&session->mutex);
	kfree(session);
}

/* With a path connected the server knows the session. */
static bool claim_creation(struct clt_session *session)
{
	return READ_ONCE(session->connected) ||
	       !atomic_cmpxchg(&session->creating, 0, 1);
}

/**
 * clt_session_begin() - a path is about to name the session to the server
 * @path: path that is being connected
 *
 * The kernel's server makes two sessions of one if two paths come at once.
 */
void clt_session_begin(struct clt_path *path)
{
	struct clt_session *session = path->session;

	wait_event_timeout(session->wait, claim_creation(session) ||
			   READ_ONCE(path->aborted), CREATE_TIME);
}

/**
 * clt_session_end() - the server has answered, or has not
 * @path: path that has called clt_session_begin()
 */
void clt_session_end(struct clt_path *path)
{
	atomic_set(&path->session->creating, 0);
	wake_up_all(&path->session->wait);
}

static unsigned long *left_entry(const char *name)
{
	return &left_at[full_name_hash(NULL, name, strlen(name)) %
			ARRAY_SIZE(left_at)];
}

/**
 * clt_name_left() - a path was closed that the server knew
 * @name: of its session
 */
void clt_name_left(const char *name)
{
	WRITE_ONCE(*left_entry(name), jiffies | 1);
}

/**
 * clt_name_lingers() - may the server be closing a path still?
 * @name: of a session
 *
 * Return: whether this client has closed one lately. If not, whoever has the
 * name is not about to give it back.
 */
bool clt_name_lingers(const char *name)
{
	unsigned long left = READ_ONCE(*left_entry(name));

	return left && time_before(jiffies, left + REST_TIME);
}

static u32 kept_id(u32 nr)
{
	return nr * KEPT_PART + KEPT_PART - 1;
}

static bool is_kept(u32 id)
{
	return id % KEPT_PART == KEPT_PART - 1 &&
	       id / KEPT_PART < CLT_MAX_KEPT;
}

static u32 nr_kept(u32 nr_slots)
{
	return min_t(u32, nr_slots / KEPT_PART, CLT_MAX_KEPT);
}

static int make_slots(struct clt_session *session, u32 depth)
{
	int err;
	u32 nr;

	forget_slots(session);
	session->stale = kvcalloc(depth, sizeof(*session->stale), GFP_KERNEL);
	if (!session->stale)
		return -ENOMEM;
	err = sbitmap_queue_init_node(&session->slots, depth, -1, false,
				      GFP_KERNEL, NUMA_NO_NODE);
	if (err)
		return err;
	session->queue_depth = depth;
	/* Nobody finds them there. */
	for (nr = 0; nr < nr_kept(depth); nr++)
		sbitmap_set_bit(&session->slots.sb, kept_id(nr));
	bitmap_zero(session->kept, CLT_MAX_KEPT);
	return 0;
}

static void divide_slots(struct clt_session *session, u32 nr)
{
	u32 kept = nr_kept(nr);

	session->nr_slots = nr;
	session->nr_messages = min_t(u32, (kept + 1) / 2, CLT_MAX_MESSAGES);
	session->nr_owners = (kept - session->nr_messages) / CLT_OWN_SLOTS;
	sbitmap_queue_resize(&session->slots, nr);
}

/*
 * The first path that comes decides how many slots are used. Nobody takes one
 * yet, so that this may change.
 */
static int set_slots(struct clt_path *path, u32 nr)
{
	struct clt_session *session = path->session;
	u32 depth = path->pool.queue_depth;
	int err = 0;

	if (session->queue_depth != depth)
		err = make_slots(session, depth);
	if (err)
		return err;
	if (nr < depth)
		pr_warn("%s: memory is short, %u requests at a time instead of %u\n",
			path->base.name, nr, depth);
	divide_slots(session, nr);
	return 0;
}

/**
 * clt_session_join() - a path may use the slots
 * @path: path that has path->pool; gets path->nr_ios
 * @nr: requests at a time that there is memory for
 * @why: reason of a failure
 * @len: size of @why
 *
 * Return: 0, or -errno.
 */
int clt_session_join(struct clt_path *path, u32 nr, char *why, size_t len)
{
	struct clt_session *session = path->session;
	u32 depth = path->pool.queue_depth;
	int err = 0;

	mutex_lock(&session->mutex);
	if (!session->connected && set_slots(path, nr))
		err = unbd_why(why, len, -ENOMEM, "out of memory");
	else if (session->queue_depth != depth)
		err = unbd_why(why, len, -EPROTO,
			       "server has %u chunks, over another path %u",
			       depth, session->queue_depth);
	else if (nr < session->nr_slots)
		err = unbd_why(why, len, -ENOMEM,
			       "no memory for %u requests at a time",
			       session->nr_slots);
	if (!err) {
		path->nr_ios = session->nr_slots;
		session->connected++;
	}
	mutex_unlock(&session->mutex);
	return err;
}

/**
 * clt_session_leave() - a path uses no slots any more
 * @path: path that has joined
 */
void clt_session_leave(struct clt_path *path)
{
	mutex_lock(&path->session->mutex);
	path->session->connected--;
	mutex_unlock(&path->session->mutex);
}

static int take_kept(struct clt_session *session, u32 first, u32 end)
{
	u32 nr = first;

	do {
		nr = find_next_zero_bit(session->kept, end, nr);
		if (nr < end && !test_and_set_bit_lock(nr, session->kept))
			return kept_id(nr);
	} while (nr < end);
	return -1;
}

static int take_common(struct clt_session *session)
{
	unsigned int cpu;

	return sbitmap_queue_get(&session->slots, &cpu);
}

/**
 * clt_slot_get() - take a slot for a request
 * @session: session that the caller's path has joined
 * @leg: leg that the request is for
 *
 * When others have all that there are for everybody, a leg has a few of its
 * own. Any context. Return: its number, or -1 if there is none.
 */
int clt_slot_get(struct clt_session *session, const struct clt_leg *leg)
{
	int id = take_common(session);
	u32 first;

	if (likely(id >= 0) || leg->owner >= session->nr_owners)
		return id;
	first = session->nr_messages + leg->owner * CLT_OWN_SLOTS;
	return take_kept(session, first, first + CLT_OWN_SLOTS);
}

/**
 * clt_slot_get_message() - take a slot for a message
 * @session: session that the caller's path has joined
 *
 * Any context. Return: its number, or -1 if there is none.
 */
int clt_slot_get_message(struct clt_session *session)
{
	int id = take_kept(session, 0, session->nr_messages);

	/* A server may have so few that none are kept. */
	return id >= 0 || session->nr_messages ? id : take_common(session);
}

/**
 * clt_slot_put() - give a slot back
 * @session: session
 * @id: number of the slot, which the server is done with
 */
void clt_slot_put(struct clt_session *session, u32 id)
{
	if (is_kept(id))
		clear_bit_unlock(id / KEPT_PART, session->kept);
	else
		sbitmap_queue_clear(&session->slots, id,
				    raw_smp_processor_id());
}

/**
 * clt_session_own() - give a leg slots of its own, if there are any left
 * @leg: leg that is being attached; in session->legs it is not yet
 */
void clt_session_own(struct clt_leg *leg)
{
	struct clt_session *session = path_of(leg)->session;
	DECLARE_BITMAP(owners, CLT_MAX_OWNERS) = {};
	struct clt_leg *other;

	lockdep_assert_held(&session->mutex);

	list_for_each_entry(other, &session->legs, entry)
		if (other->owner < CLT_MAX_OWNERS)
			set_bit(other->owner, owners);
	leg->owner = find_first_zero_bit(owners, CLT_MAX_OWNERS);
}

/**
 * clt_slot_rest() - give a slot back that the server may not be done with
 * @path: path that it was in flight on
 * @id: number of the slot
 */
void clt_slot_rest(struct clt_path *path, u32 id)
{
	struct clt_session *session = path->session;

	spin_lock(&session->stale_lock);
	session->stale[id].path = path->number;
	session->stale[id].key = path->key;
	session->stale[id].since = jiffies;
	session->nr_stale++;
	spin_unlock(&session->stale_lock);
}

static void wake(struct clt_session *session, u32 id)
{
	session->stale[id].path = 0;
	session->nr_stale--;
	clt_slot_put(session, id);
}

/**
 * clt_slots_wake() - use slots again that have rested
 * @session: session
 * @path: a path whose predecessor the server is done with, or NULL
 */
void clt_slots_wake(struct clt_session *session,
		    const struct clt_path *path)
{
	u64 number = path ? path->number : 0;
	unsigned long now = jiffies;
	struct clt_stale *stale;
	u32 id;

	if (!READ_ONCE(session->nr_stale))
		return;
	spin_lock(&session->stale_lock);
	for (id = 0; id < session->queue_depth && session->nr_stale; id++) {
		stale = &session->stale[id];
		if (stale->path && (stale->path == number ||
				    time_after(now, stale->since + REST_TIME)))
			wake(session, id);
	}
	spin_unlock(&session->stale_lock);
}

/**
 * clt_slots_fenced() - the server has ended connections, and is done with them
 * @session: session
 * @keys: what named them
 * @nr: how many there are
 */
void clt_slots_fenced(struct clt_session *session,
		      const struct unbd_key *keys, unsigned int nr)
{
	unsigned int i;
	u32 id;

	if (!READ_ONCE(session->nr_stale))
		return;
	spin_lock(&session->stale_lock);
	for (id = 0; id < session->queue_depth && session->nr_stale; id++)
		for (i = 0; i < nr && session->stale[id].path; i++)
			if (!memcmp(&session->stale[id].key, &keys[i],
				    sizeof(keys[i])))
				wake(session, id);
	spin_unlock(&session->stale_lock);
}
