/* SPDX-License-Identifier: MIT */
/*
 * Small root file systems to bake into, what is baked, and a listing of all that
 * counts: two that are equal are of trees that nobody can tell apart.
 */
#ifndef TEST_BAKE_ROOT_H
#define TEST_BAKE_ROOT_H

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bake/bake.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "crc32c.h"
#include "unit/scratch.h"

#define ROOT_INITTAB "::sysinit:/bin/true\nttyS0::respawn:-/bin/sh\n"

/* A time that no file gets by itself, with nanoseconds. */
static inline void root_age(const char *path)
{
	const struct timespec at[2] = { { 1000000000, 1 }, { 1000000000, 2 } };

	utimensat(AT_FDCWD, path, at, AT_SYMLINK_NOFOLLOW);
}

/* A file and the directories above it, all of them old. */
static inline int root_file(const char *root, const char *name,
			    const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')); c++) {
		*c = '\0';
		mkdir(path, 0755);
		*c = '/';
	}
	file = fopen(path, "we");
	if (!file || fputs(text, file) < 0 || fclose(file))
		return -1;
	for (char *c; (c = strrchr(path, '/')); *c = '\0') {
		root_age(path);
		if (c <= path + strlen(root))
			break;
	}
	root_age(root);
	return 0;
}

static char *root_text;
static size_t root_base;

static inline int root_line(const char *path, const struct stat *st, int type,
			    struct FTW *ftw)
{
	__free char *text = NULL, *line = NULL, *all = NULL;
	char link[256] = "";
	struct vf_err err;
	size_t len = 0;

	(void)type;
	/* the journal comes and goes in the directory that holds the tree */
	if (!ftw->level)
		return 0;
	if (S_ISLNK(st->st_mode) && readlink(path, link, sizeof(link) - 1) < 0)
		return -1;
	if (S_ISREG(st->st_mode) &&
	    vf_read_file(AT_FDCWD, path, 1 << 20, &text, &len, &err) < 0)
		return -1;
	if (asprintf(&line, "%s %o %u:%u %zu %lld.%ld %ld %s %x\n",
		     path + root_base, st->st_mode, st->st_uid, st->st_gid, len,
		     (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		     S_ISREG(st->st_mode) ? (long)st->st_nlink : 0, link,
		     len ? crc32c(0, text, len) : 0) < 0 ||
	    asprintf(&all, "%s%s", root_text, line) < 0)
		return -1;
	free(root_text);
	root_text = vf_steal(&all);
	return 0;
}

static inline int root_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/**
 * root_list() - All that counts of a tree, in an order of its own
 * @root:	directory
 *
 * Return: text, which the caller frees; NULL on failure
 */
static inline char *root_list(const char *root)
{
	char *lines[512], *sorted, *line;
	size_t num = 0;

	root_text = strdup("");
	root_base = strlen(root);
	if (nftw(root, root_line, 16, FTW_PHYS) != 0)
		return NULL;
	for (line = strtok(root_text, "\n"); line && num < ARRAY_SIZE(lines);
	     line = strtok(NULL, "\n"))
		lines[num++] = line;
	qsort(lines, num, sizeof(*lines), root_compare);
	sorted = calloc(1, 1 << 16);
	for (size_t i = 0; i < num; i++)
		strcat(strcat(sorted, lines[i]), "\n");
	free(root_text);
	return sorted;
}

/**
 * root_source() - What is baked, and $VMFORK_DATA
 * @dir:	directory, which is made
 *
 * Return: 0 or -1
 */
static inline int root_source(const char *dir)
{
	mkdir(dir, 0755);
	setenv("VMFORK_DATA", dir, 1);
	if (root_file(dir, "vmfork-agent", "the agent") < 0 ||
	    root_file(dir, "modules/6.12/version", "6.12.1-test\n") < 0 ||
	    root_file(dir, "modules/6.12/vmfork_mailbox.ko", "one") < 0 ||
	    root_file(dir, "modules/6.12/vmfork_vmclock.ko", "two") < 0 ||
	    root_file(dir, "init/vmfork-network.service", "[Unit]\n") < 0 ||
	    root_file(dir, "init/vmfork-network.conf", "f+ /run/x\n") < 0 ||
	    root_file(dir, "init/vmfork-mail.conf", "[Unit]\n") < 0 ||
	    root_file(dir, "init/vmfork-agent.busybox",
		      "#!\n/usr/sbin/vmfork-agent run\n") < 0 ||
	    root_file(dir, "init/vmfork-journal.path", "[Path]\n") < 0 ||
	    root_file(dir, "init/vmfork-journal.service", "[Unit]\n") < 0 ||
	    root_file(dir, "init/vmfork-journal.sh", "#!\n") < 0 ||
	    root_file(dir, "init/vmfork-agent.service",
		      "[Service]\nExecStart=/usr/sbin/vmfork-agent run\n") < 0)
		return -1;
	return root_file(dir, "init/vmfork-modules.service",
			 "[Unit]\nConditionPathExists=/usr/lib/vmfork/modules"
			 "/%v\n") < 0 ||
			       root_file(dir, "init/vmfork-agent.openrc",
					 "#!\ncommand_args=\"run\"\n") < 0
		       ? -1
		       : 0;
}

#endif
