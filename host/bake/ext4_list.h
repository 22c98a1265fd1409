/* SPDX-License-Identifier: MIT */
/*
 * What debugfs says of a directory and of a link. The image's names are in it as
 * they are, and those may be such as no kernel makes.
 */
#ifndef BAKE_EXT4_LIST_H
#define BAKE_EXT4_LIST_H

#include <stdbool.h>

/* What a list says of a name. */
struct ext4_entry {
	unsigned int mode, uid, gid;
	unsigned long long size;
};

/**
 * ext4_list_is_good() - Is a list what names of a kernel give?
 * @text:	what "ls -p" said, after banner and command:
 *		"/INODE/MODE/UID/GID/NAME/SIZE/", a line each, or a lone line that
 *		says why there is none
 *
 * Return: true if each line is whole, so that no name has what ends a field. One with
 * a line's end may be lines of its own, as other names could be.
 */
bool ext4_list_is_good(const char *text);

/**
 * ext4_list_find() - Look for a name
 * @text:	a list that is good
 * @name:	name
 * @entry:	out: what it says of it
 *
 * Return: true if it is there
 */
bool ext4_list_find(const char *text, const char *name,
		    struct ext4_entry *entry);

/**
 * ext4_list_link() - Where does a link lead?
 * @text:	what "stat" said
 * @target:	out: PATH_MAX bytes
 *
 * Return: true if the target stands in the inode
 */
bool ext4_list_link(const char *text, char *target);

#endif
