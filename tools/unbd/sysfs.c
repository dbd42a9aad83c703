// SPDX-License-Identifier: GPL-2.0
/*
 * Reading and writing the modules' files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unbd.h"

const char *sysfs_root = "/sys";

char *sysfs_path(const char *dir, const char *file)
{
	return make_text("%s/%s%s%s", sysfs_root, dir, *file ? "/" : "", file);
}

/* More than a page is in no file of sysfs. */
static ssize_t read_whole(int fd, char *page, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, page + len, size - 1 - len)) > 0)
		len += n;
	page[len] = '\0';
	return n < 0 ? n : (ssize_t)len;
}

char *sysfs_read(const char *dir, const char *file)
{
	char *path = sysfs_path(dir, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char page[65537];
	ssize_t len;

	free(path);
	if (fd < 0)
		return NULL;
	len = read_whole(fd, page, sizeof(page));
	close(fd);
	if (len < 0)
		return NULL;
	if (len && page[len - 1] == '\n')
		page[len - 1] = '\0';
	return copy_text(page);
}

long long sysfs_number(const char *dir, const char *file, long long missing)
{
	char *text = sysfs_read(dir, file);
	long long number = missing;
	char *end;

	if (text && *text) {
		errno = 0;
		number = strtoll(text, &end, 10);
		if (errno || *end)
			number = missing;
	}
	free(text);
	return number;
}

bool sysfs_exists(const char *dir, const char *file)
{
	char *path = sysfs_path(dir, file);
	bool there = !access(path, F_OK);

	free(path);
	return there;
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

size_t sysfs_list(const char *dir, const char *file, char ***names)
{
	char *path = sysfs_path(dir, file);
	struct dirent **entries;
	int count, i;

	*names = NULL;
	count = scandir(path, &entries, is_entry, versionsort);
	free(path);
	if (count < 0)
		return 0;
	for (i = 0; i < count; i++) {
		*names = grow_array(*names, i, sizeof(**names));
		(*names)[i] = copy_text(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return count;
}

void free_names(char **names, size_t count)
{
	while (count--)
		free(names[count]);
	free(names);
}

/* As the kernel itself does it; modprobe says what is wrong. */
static int load_module(const char *module)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		execl("/sbin/modprobe", "modprobe", module, NULL);
		complain("/sbin/modprobe: %s", strerror(errno));
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

int (*sysfs_load)(const char *module) = load_module;

int sysfs_need(const char *dir, const char *module)
{
	if (sysfs_exists(dir, ""))
		return EXIT_OK;
	if (!sysfs_load(module) && sysfs_exists(dir, ""))
		return EXIT_OK;
	complain("the module %s is not loaded and cannot be", module);
	return EXIT_NO_MODULE;
}

int sysfs_write(const char *dir, const char *file, const char *line)
{
	char *path = sysfs_path(dir, file);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t len = strlen(line), n;
	int err = 0;

	free(path);
	if (fd < 0)
		return errno;
	n = write(fd, line, len);
	if (n < 0)
		err = errno;
	else if (n != len)
		err = EIO;
	close(fd);
	return err;
}

/* Five tries, with growing pauses between them, take a second and a half. */
#define BUSY_TRIES	5
#define FIRST_PAUSE_US	100000

static int write_patiently(const char *dir, const char *file, const char *line,
			   unsigned int tries)
{
	useconds_t pause = FIRST_PAUSE_US;
	int err = sysfs_write(dir, file, line);

	while (err == EBUSY && --tries) {
		usleep(pause);
		pause *= 2;
		err = sysfs_write(dir, file, line);
	}
	return err;
}

static int order(const char *dir, const char *file, const char *line,
		 const char *what, unsigned int tries)
{
	int log = kmsg_open();
	int err = write_patiently(dir, file, line, tries);
	char *reason = err ? kmsg_reason(log, file, err) : NULL;

	if (log >= 0)
		close(log);
	if (!err)
		return EXIT_OK;
	complain("%s: %s", what, strerror(err));
	if (reason)
		complain("the kernel says: %s", reason);
	free(reason);
	return sysfs_exists(dir, file) ? EXIT_REFUSED : EXIT_ABSENT;
}

int sysfs_order(const char *dir, const char *file, const char *line,
		const char *what)
{
	return order(dir, file, line, what, 1);
}

int sysfs_order_patiently(const char *dir, const char *file, const char *line,
			  const char *what)
{
	return order(dir, file, line, what, BUSY_TRIES);
}
