// SPDX-License-Identifier: GPL-2.0
/*
 * What is exported: exports come, are opened by connections, and go.
 *
 * An export with access_mode=rw may be open on any number of connections:
 * NBD spreads one client over many, and several clients that share a disk
 * know what they do (a cluster file system, a live migration). What may not
 * be is a second export, or anybody on this machine, writing beside it; that
 * is what the claim on the device is for. access_mode=migration gives way to
 * other migration exports of the same device.
 *
 * Ad-hoc exports are those that clients make by naming a device below
 * dev_search_path (search.c). Each belongs to the one connection that opened
 * it and goes with it; no other client finds it. Who may write beside whom is
 * for them as in RNBD: they share one claim and are counted.
 */
#define pr_fmt(fmt) "unbd-server: " fmt

#include <linux/file.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "server.h"

/* How long unexport waits for the storage; what is left goes by itself. */
#define REMOVE_TIMEOUT	(5 * HZ)

/* Which exports and connections there are; see server.h. */
DEFINE_MUTEX(unbd_server_mutex);

struct kobject *unbd_exports_kobj;
const struct kobj_type *unbd_export_ktype;

static unsigned int max_connections_per_export = 256;
module_param(max_connections_per_export, uint, 0644);
MODULE_PARM_DESC(max_connections_per_export,
		 "connections that have one export open (default 256)");

/* Directories of exports; the module must outlive the last one's release. */
static atomic_t nr_exports = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(exports_gone);

static LIST_HEAD(exports);		/* sorted by name */

/* Room for names that are told at a time */
#define NAMES_BYTES	4096

static struct unbd_export *find_export(const char *name)
{
	struct unbd_export *export;

	lockdep_assert_held(&unbd_server_mutex);

	list_for_each_entry(export, &exports, entry)
		if (!strcmp(export->name, name))
			return export;
	return NULL;
}

static bool has_storage(const struct unbd_export *export)
{
	return export->state != UNBD_EXPORT_STARTING;
}

/* Has its storage, and its directory */
static bool is_made(const struct unbd_export *export)
{
	return has_storage(export) && export->state != UNBD_EXPORT_CLAIMED;
}

static void free_export(struct unbd_export *export)
{
	if (export->wq)
		destroy_workqueue(export->wq);
	kfree(export->clients);
	kfree(export->device_path);
	kfree(export->name);
	kfree(export);
}

/**
 * unbd_export_release() - nobody knows an export any more
 * @export: export without storage
 */
void unbd_export_release(struct unbd_export *export)
{
	free_export(export);
	if (atomic_dec_and_test(&nr_exports))
		wake_up_all(&exports_gone);
}

static struct unbd_export *alloc_export(const struct unbd_export_options *o)
{
	struct unbd_export *export = kzalloc(sizeof(*export), GFP_KERNEL);

	if (!export)
		return NULL;
	INIT_LIST_HEAD(&export->conns);
	init_completion(&export->gone);
	export->access_mode = o->access_mode;
	export->adhoc = o->adhoc;
	export->name = kstrdup(o->name, GFP_KERNEL);
	export->device_path = kstrdup(o->device_path, GFP_KERNEL);
	export->wq = alloc_workqueue("unbd-%.16s", WQ_UNBOUND | WQ_MEM_RECLAIM,
				     0, o->name);
	if (!export->name || !export->device_path || !export->wq ||
	    unbd_acl_set(export, o->clients, o->nr_clients)) {
		free_export(export);
		return NULL;
	}
	return export;
}

static int open_backend(struct unbd_export *export, char *why, size_t len)
{
	const char *name = export->device_path;
	struct path path;
	umode_t mode;
	int err;

	err = kern_path(name, LOOKUP_FOLLOW, &path);
	if (err)
		return unbd_why(why, len, err, "%.120s: %s", name,
				err == -ENOENT ? "no such device or file" :
				"cannot be looked up");
	mode = d_backing_inode(path.dentry)->i_mode;
	path_put(&path);

	if (S_ISBLK(mode))
		return unbd_blockio_open_backend(export, why, len);
	if (export->adhoc)
		return unbd_why(why, len, -ENOTBLK, "%.120s is no block device",
				name);
	if (S_ISREG(mode))
		return unbd_file_open_backend(export, why, len);
	return unbd_why(why, len, S_ISDIR(mode) ? -EISDIR : -ENOTBLK,
			"%.120s is neither a block device nor a regular file",
			name);
}

/* Files cannot be claimed as devices are: two writers are told apart here. */
static struct unbd_export *other_writer(const struct unbd_export *export)
{
	struct unbd_export *other;

	lockdep_assert_held(&unbd_server_mutex);

	if (unbd_export_read_only(export))
		return NULL;
	list_for_each_entry(other, &exports, entry) {
		if (!has_storage(other) || unbd_export_read_only(other) ||
		    !unbd_file_is_same(export, other))
			continue;
		if (export->access_mode == UNBD_ACCESS_RW ||
		    other->access_mode == UNBD_ACCESS_RW)
			return other;
	}
	return NULL;
}

/* One writer, or two for the time of a migration, as RNBD counts them */
static struct unbd_export *adhoc_writer(const struct unbd_export *export)
{
	unsigned int room = export->access_mode == UNBD_ACCESS_MIGRATION ?
		2 : 1;
	struct unbd_export *other;

	lockdep_assert_held(&unbd_server_mutex);

	if (unbd_export_read_only(export))
		return NULL;
	list_for_each_entry(other, &exports, entry) {
		if (!has_storage(other) || !other->adhoc ||
		    unbd_export_read_only(other) ||
		    !unbd_blockio_is_same(export, other))
			continue;
		if (!--room)
			return other;
	}
	return NULL;
}

/*
 * Opening a device may take for ever. Nobody else waits for that: the name is
 * taken meanwhile, and that is all there is of the export.
 */
static bool reserve_name(struct unbd_export *export)
{
	struct list_head *behind = &exports;
	struct unbd_export *other;
	int order = -1;

	mutex_lock(&unbd_server_mutex);
	list_for_each_entry(other, &exports, entry) {
		order = strcmp(export->name, other->name);
		if (order <= 0) {
			behind = &other->entry;
			break;
		}
	}
	if (order)
		list_add_tail(&export->entry, behind);
	mutex_unlock(&unbd_server_mutex);
	return order;
}

static void give_name_back(struct unbd_export *export)
{
	mutex_lock(&unbd_server_mutex);
	list_del(&export->entry);
	mutex_unlock(&unbd_server_mutex);
}

static int claim_storage(struct unbd_export *export, char *why, size_t len)
{
	struct unbd_export *other;
	int err = 0;

	mutex_lock(&unbd_server_mutex);
	other = export->adhoc ? adhoc_writer(export) : other_writer(export);
	if (other)
		err = unbd_why(why, len, export->adhoc ? -EPERM : -EBUSY,
			       "%.100s is exported for writing as %.60s",
			       export->device_path, other->name);
	else
		WRITE_ONCE(export->state, UNBD_EXPORT_CLAIMED);
	mutex_unlock(&unbd_server_mutex);
	return err;
}

static void set_state(struct unbd_export *export, enum unbd_export_state state)
{
	mutex_lock(&unbd_server_mutex);
	WRITE_ONCE(export->state, state);
	mutex_unlock(&unbd_server_mutex);
}

/*
 * The directory is made without the mutex: if that fails half way it waits for
 * who reads its files, and they wait for the mutex.
 */
static int publish(struct unbd_export *export, char *why, size_t len)
{
	int err = claim_storage(export, why, len);

	if (err)
		return err;
	err = kobject_add(&export->kobj, unbd_exports_kobj, "%s",
			  export->name);
	if (err)
		snprintf(why, len, "cannot make its directory");
	set_state(export, err ? UNBD_EXPORT_STARTING : UNBD_EXPORT_LIVE);
	return err;
}

static int open_and_publish(struct unbd_export *export, char *why, size_t len)
{
	int err = open_backend(export, why, len);

	if (err)
		return err;
	/* Afterwards it may be removed at once, but is looked at here. */
	kobject_get(&export->kobj);
	err = publish(export, why, len);
	if (!err)
		return 0;
	kobject_put(&export->kobj);
	export->ops->close(export);
	return err;
}

/* @made comes with a reference. */
static int add_export(const struct unbd_export_options *o,
		      struct unbd_export **made, char *why, size_t len)
{
	struct unbd_export *export = alloc_export(o);
	int err;

	if (!export)
		return unbd_why(why, len, -ENOMEM, "no memory");
	atomic_inc(&nr_exports);
	kobject_init(&export->kobj, unbd_export_ktype);
	if (!reserve_name(export)) {
		err = unbd_why(why, len, -EEXIST, "the name is taken");
		goto put;
	}
	err = open_and_publish(export, why, len);
	if (err) {
		give_name_back(export);
		goto put;
	}
	pr_info("exported %s: %s %s, %s, %llu bytes\n", o->name,
		export->ops->kind, o->device_path,
		unbd_access_mode_name(o->access_mode),
		export->ops->size(export));
	*made = export;
	return 0;

put:
	kobject_put(&export->kobj);
	return err;
}

/**
 * unbd_export_add() - offer a block device or file to clients
 * @o: what the administrator wrote
 * @why: one sentence on error
 * @len: its size
 *
 * In the context of the process that wants it, whose namespaces and rights
 * count. Return: 0 or -errno, and then nothing is left behind.
 */
int unbd_export_add(const struct unbd_export_options *o, char *why, size_t len)
{
	struct unbd_export *export;
	int err = add_export(o, &export, why, len);

	if (!err)
		kobject_put(&export->kobj);
	return err;
}

/* The last connection of an export that is being removed has gone. */
static void finish_removal(struct unbd_export *export)
{
	kobject_del(&export->kobj);
	flush_workqueue(export->wq);
	export->ops->close(export);

	mutex_lock(&unbd_server_mutex);
	list_del(&export->entry);
	mutex_unlock(&unbd_server_mutex);
	pr_info("%s is no longer exported\n", export->name);
	complete_all(&export->gone);
	kobject_put(&export->kobj);
}

/* Returns whether finish_removal() is the caller's to call. */
static bool begin_removal(struct unbd_export *export)
{
	struct unbd_conn *conn;

	lockdep_assert_held(&unbd_server_mutex);

	export->state = UNBD_EXPORT_REMOVING;
	list_for_each_entry(conn, &export->conns, export_entry)
		unbd_conn_close(conn);
	return list_empty(&export->conns);
}

static int check_removal(struct unbd_export *export, bool force, char *why,
			 size_t len)
{
	if (!export)
		return unbd_why(why, len, -ENOENT, "no such export");
	if (!is_made(export))
		return unbd_why(why, len, -EBUSY,
				"its storage is still being opened");
	if (export->state == UNBD_EXPORT_REMOVING)
		return unbd_why(why, len, -EBUSY, "is being removed already");
	if (export->nr_conns && !force)
		return unbd_why(why, len, -EBUSY,
				"%u connections are using it",
				export->nr_conns);
	return 0;
}

static int wait_gone(struct unbd_export *export, char *why, size_t len)
{
	long left = wait_for_completion_killable_timeout(&export->gone,
							 REMOVE_TIMEOUT);

	if (left > 0)
		return 0;
	if (left < 0)
		return unbd_why(why, len, -EINTR,
				"interrupted; goes when its storage is done");
	return unbd_why(why, len, -ETIMEDOUT,
			"its storage is busy; goes as soon as that is done");
}

/**
 * unbd_export_remove() - take an export away
 * @name: which
 * @force: close the connections that have it open
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0, and the storage has been closed; -ENOENT; -EBUSY; -ETIMEDOUT, or
 * -EINTR for a fatal signal, when requests at the storage are still under way:
 * then no client can use the export any more and it is gone when they are done.
 */
int unbd_export_remove(const char *name, bool force, char *why, size_t len)
{
	struct unbd_export *export;
	bool last = false;
	int err;

	mutex_lock(&unbd_server_mutex);
	export = find_export(name);
	err = check_removal(export, force, why, len);
	if (!err) {
		kobject_get(&export->kobj);
		last = begin_removal(export);
	}
	mutex_unlock(&unbd_server_mutex);
	if (err)
		return err;

	if (last)
		finish_removal(export);
	else
		err = wait_gone(export, why, len);
	/*
	 * A file that a connection's work has closed is let go of a moment
	 * later by another work; the file system shall be free now. Waiting
	 * for that is not for the former, which reclaim may depend on.
	 */
	flush_delayed_fput();
	kobject_put(&export->kobj);
	return err;
}

/**
 * unbd_export_remove_all() - take all exports away, and wait until they are
 *
 * When the module goes: no transport is there, so neither are connections,
 * and nothing can be exported any more.
 */
void unbd_export_remove_all(void)
{
	struct unbd_export *export, *next;

	list_for_each_entry_safe(export, next, &exports, entry) {
		mutex_lock(&unbd_server_mutex);
		begin_removal(export);
		mutex_unlock(&unbd_server_mutex);
		finish_removal(export);
	}
	wait_event(exports_gone, !atomic_read(&nr_exports));
}

/**
 * unbd_export_allows_some() - is there anything that a client may use?
 * @conn: the client's connection
 */
bool unbd_export_allows_some(const struct unbd_conn *conn)
{
	struct unbd_export *export;

	lockdep_assert_held(&unbd_server_mutex);

	list_for_each_entry(export, &exports, entry)
		if (is_made(export) && !export->adhoc &&
		    unbd_acl_allows(export, conn->admission, &conn->peer))
			return true;
	return false;
}

/* What "" stands for: the only one, or the one called "default" */
static struct unbd_export *find_default(const struct unbd_conn *conn)
{
	struct unbd_export *export, *only = NULL;
	unsigned int nr = 0;

	list_for_each_entry(export, &exports, entry) {
		if (export->state != UNBD_EXPORT_LIVE || export->adhoc ||
		    !unbd_acl_allows(export, conn->admission, &conn->peer))
			continue;
		only = export;
		nr++;
	}
	return nr == 1 ? only : find_export("default");
}

static int find_for(struct unbd_conn *conn, const char *name,
		    struct unbd_export **found)
{
	struct unbd_export *export;

	lockdep_assert_held(&unbd_server_mutex);

	export = *name ? find_export(name) : find_default(conn);
	if (!export || !is_made(export) || export->adhoc)
		return -ENOENT;
	if (!unbd_acl_allows(export, conn->admission, &conn->peer))
		return -EACCES;
	if (export->state != UNBD_EXPORT_LIVE)
		return -ESHUTDOWN;
	*found = export;
	return 0;
}

static void forbid_changes(struct unbd_export_info *info)
{
	info->features |= UNBD_EXPORT_READ_ONLY;
	info->features &= ~(UNBD_EXPORT_DISCARD | UNBD_EXPORT_WRITE_ZEROES |
			    UNBD_EXPORT_FAST_ZERO | UNBD_EXPORT_SECURE_ERASE);
}

/**
 * unbd_export_info() - what an export is at this moment
 * @export: the export
 * @info: filled in
 */
void unbd_export_info(struct unbd_export *export,
		      struct unbd_export_info *info)
{
	memset(info, 0, sizeof(*info));
	info->size = export->ops->size(export);
	export->ops->info(export, info);
	if (unbd_export_read_only(export))
		forbid_changes(info);
}

static int attach(struct unbd_conn *conn, struct unbd_export *export)
{
	lockdep_assert_held(&unbd_server_mutex);

	if (WARN_ON_ONCE(conn->export))
		return -EBUSY;
	if (READ_ONCE(conn->closing) || export->state != UNBD_EXPORT_LIVE)
		return -ESHUTDOWN;
	if (export->nr_conns >= READ_ONCE(max_connections_per_export))
		return -EUSERS;
	conn->export = export;
	list_add_tail(&conn->export_entry, &export->conns);
	export->nr_conns++;
	if (export->ops->opened)
		export->ops->opened(export, conn);
	return 0;
}

static int open_export(struct unbd_conn *conn, const char *name,
		       enum unbd_access_mode mode)
{
	struct unbd_export *export;
	int err;

	lockdep_assert_held(&unbd_server_mutex);

	err = find_for(conn, name, &export);
	if (err)
		return err;
	/* A protocol that tells its client afterwards asks for no mode. */
	if (conn->ops->searches && mode != UNBD_ACCESS_RO &&
	    unbd_export_read_only(export))
		return -EROFS;
	conn->read_only = mode == UNBD_ACCESS_RO;
	return attach(conn, export);
}

/**
 * unbd_export_has_former() - has a closing connection something at the storage?
 * @conn: connection, whose client's others are looked at
 * @name: of the export that it is about to open
 */
bool unbd_export_has_former(struct unbd_conn *conn, const char *name)
{
	struct unbd_export *export;
	struct unbd_conn *other;

	lockdep_assert_held(&unbd_server_mutex);

	if (find_for(conn, name, &export))
		return false;
	list_for_each_entry(other, &export->conns, export_entry)
		if (other != conn && READ_ONCE(other->closing) &&
		    other->ops == conn->ops &&
		    unbd_same_host(&other->peer, &conn->peer))
			return true;
	return false;
}

/**
 * unbd_export_refusal() - why an export cannot be opened
 * @name: as the client has given it
 * @err: the error
 */
const char *unbd_export_refusal(const char *name, int err)
{
	switch (err) {
	case -ENOENT:
		return *name ? "there is no such export" :
			"there is not exactly one, and none is called default";
	case -EACCES:
		return "clients= does not list it";
	case -EUSERS:
		return "max_connections_per_export are open";
	case -EROFS:
		return "it can only be read";
	default:
		return "it is closing";
	}
}

void unbd_export_current(struct unbd_conn *conn, struct unbd_export_info *info)
{
	unbd_export_info(conn->export, info);
	if (conn->read_only)
		forbid_changes(info);
}
EXPORT_SYMBOL_UNBD(unbd_export_current);

/**
 * unbd_export_open_named() - unbd_export_open() without a line in the log
 * @conn: connection, with nothing open
 * @name: name the client asks for
 * @mode: UNBD_ACCESS_RO opens it for reading only
 * @info: what the export is
 *
 * Return: 0 or -errno.
 */
int unbd_export_open_named(struct unbd_conn *conn, const char *name,
			   enum unbd_access_mode mode,
			   struct unbd_export_info *info)
{
	int err;

	mutex_lock(&unbd_server_mutex);
	err = open_export(conn, name, mode);
	mutex_unlock(&unbd_server_mutex);
	if (!err)
		unbd_export_current(conn, info);
	return err;
}

/* Since it was added, others may have begun to remove it. */
static int attach_adhoc(struct unbd_conn *conn, struct unbd_export *export)
{
	bool unused;
	int err;

	mutex_lock(&unbd_server_mutex);
	err = attach(conn, export);
	unused = err && export->state == UNBD_EXPORT_LIVE;
	if (unused)
		export->state = UNBD_EXPORT_REMOVING;
	mutex_unlock(&unbd_server_mutex);
	if (unused)
		finish_removal(export);
	return err;
}

/**
 * unbd_export_open_adhoc() - make an export for one connection, and open it
 * @conn: connection, with nothing open
 * @o: what to export, with @o->adhoc set
 * @info: what it is
 * @why: one sentence on error
 * @len: its size
 *
 * Return: 0 or -errno; -EPERM when others write.
 */
int unbd_export_open_adhoc(struct unbd_conn *conn,
			   const struct unbd_export_options *o,
			   struct unbd_export_info *info, char *why,
			   size_t len)
{
	struct unbd_export *export;
	int err = add_export(o, &export, why, len);

	if (err)
		return err;
	err = attach_adhoc(conn, export);
	kobject_put(&export->kobj);
	if (err)
		return unbd_why(why, len, err, "it is closing");
	unbd_export_current(conn, info);
	return 0;
}

int unbd_export_open(struct unbd_conn *conn, const char *name,
		     struct unbd_export_info *info)
{
	int err = unbd_export_open_named(conn, name, UNBD_ACCESS_RW, info);

	if (err)
		pr_warn_ratelimited("refused %s export \"%*pE\": %s\n",
				    conn->peer_name, unbd_logged_len(name), name,
				    unbd_export_refusal(name, err));
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_export_open);

int unbd_export_probe(struct unbd_conn *conn, const char *name,
		      struct unbd_export_info *info)
{
	struct unbd_export *export;
	int err;

	mutex_lock(&unbd_server_mutex);
	err = find_for(conn, name, &export);
	if (!err)
		unbd_export_info(export, info);
	mutex_unlock(&unbd_server_mutex);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_export_probe);

/**
 * unbd_export_close() - a connection goes: close what is open on it
 * @conn: connection without requests at the storage
 *
 * Process context, may sleep: it may be the one that an export waits for.
 */
void unbd_export_close(struct unbd_conn *conn)
{
	struct unbd_export *export;
	unsigned int which;
	bool last;

	mutex_lock(&unbd_server_mutex);
	conn->removed = true;
	WRITE_ONCE(conn->closing, true);
	export = conn->export;
	if (!export) {
		mutex_unlock(&unbd_server_mutex);
		return;
	}
	for (which = 0; which < UNBD_NR_COUNTERS; which++)
		export->closed[which] += unbd_conn_count(conn, which);
	if (export->ops->closed)
		export->ops->closed(export, conn);
	list_del(&conn->export_entry);
	export->nr_conns--;
	conn->export = NULL;
	if (export->adhoc)
		export->state = UNBD_EXPORT_REMOVING;
	last = export->state == UNBD_EXPORT_REMOVING && !export->nr_conns;
	mutex_unlock(&unbd_server_mutex);
	if (last)
		finish_removal(export);
}

/*
 * The next names behind @last that the client may know, one behind the other, as
 * many as fit; returns how many bytes.
 */
static size_t next_names(struct unbd_conn *conn, const char *last, char *names)
{
	struct unbd_export *export;
	size_t len, used = 0;

	mutex_lock(&unbd_server_mutex);
	list_for_each_entry(export, &exports, entry) {
		if (export->state != UNBD_EXPORT_LIVE || export->adhoc ||
		    strcmp(export->name, last) <= 0 ||
		    !unbd_acl_allows(export, conn->admission, &conn->peer))
			continue;
		len = strlen(export->name) + 1;
		if (used + len > NAMES_BYTES)
			break;
		memcpy(names + used, export->name, len);
		used += len;
	}
	mutex_unlock(&unbd_server_mutex);
	return used;
}

int unbd_export_list(struct unbd_conn *conn,
		     int (*fn)(const char *name, void *arg), void *arg)
{
	char *names = kmalloc(NAMES_BYTES + UNBD_EXPORT_NAME_LEN, GFP_KERNEL);
	char *last = names + NAMES_BYTES;
	char *name, *end;
	int err = 0;

	if (!names)
		return -ENOMEM;
	*last = '\0';
	/* By name, so that it does not matter what goes while @fn sleeps. */
	do {
		end = names + next_names(conn, last, names);
		for (name = names; !err && name < end; name += strlen(name) + 1) {
			err = fn(name, arg);
			strscpy(last, name, UNBD_EXPORT_NAME_LEN);
		}
	} while (!err && end > names);
	kfree(names);
	return err;
}
EXPORT_SYMBOL_UNBD(unbd_export_list);
