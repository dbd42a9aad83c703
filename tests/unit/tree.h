/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command lines of unbd, in a tree of files that looks like sysfs.
 */
#ifndef UNBD_UNIT_TREE_H
#define UNBD_UNIT_TREE_H

#include "../../tools/unbd/unbd.h"
#include "unit.h"

/** begin_tree() - an empty one, where modules cannot be loaded */
void begin_tree(void);
void end_tree(void);

/** make_file() - makes the directories that lead to it, too */
void make_file(const char *path, const char *text);

/** read_file() - of the tree, without its last newline; to be freed */
char *read_file(const char *name);

/**
 * run_line() - a command line; output goes to "out" and "err" in the tree
 * @args: separated by '|'; "%" stands for the tree
 *
 * Return: its exit status.
 */
int run_line(const char *args);

/** check_output() - all that is in a file of the tree */
void check_output(const char *what, const char *name, const char *wanted);

#endif
