// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bake/ext4_list.h"

#define LIST_SLASHES 7

bool ext4_list_is_good(const char *text)
{
	const char *line = strstr(text, "debugfs: ls -p"), *end;
	int bad = 0, num = 0;

	for (line = line ? strchr(line, '\n') : NULL; line; line = end) {
		int slashes = 0;

		end = strchr(++line, '\n');
		for (const char *c = line; *c && c != end; c++) {
			bad += (unsigned char)*c < ' ';
			slashes += *c == '/';
		}
		/* an empty one ends it */
		num += *line && line != end;
		bad += *line && line != end && slashes != LIST_SLASHES;
	}
	return bad == 0 || num == 1;
}

/* A field, and what ends it. Large owners are printed as negative numbers. */
static bool field(const char **at, int base, unsigned long long *value)
{
	char *end;

	if (**at != '/' || !strchr("-0123456789", (*at)[1]))
		return false;
	*value = strtoull(*at + 1, &end, base);
	*at = end;
	return *end == '/';
}

/* No sscanf() here: it looks for the end of all that follows, for each line. */
static bool line_is(const char *at, const char *name, struct ext4_entry *entry)
{
	unsigned long long inode, mode, uid, gid;
	size_t len = strlen(name);
	const char *end;

	if (!field(&at, 10, &inode) || !field(&at, 8, &mode) ||
	    !field(&at, 10, &uid) || !field(&at, 10, &gid) || !inode ||
	    strncmp(at + 1, name, len) != 0 || at[1 + len] != '/')
		return false;
	at += 1 + len;
	*entry = (struct ext4_entry){ .mode = (unsigned int)mode,
				      .uid = (unsigned int)uid,
				      .gid = (unsigned int)gid };
	end = at;
	/* a directory has none */
	return field(&end, 10, &entry->size) || at[1] == '/';
}

bool ext4_list_find(const char *text, const char *name,
		    struct ext4_entry *entry)
{
	for (; text; text = strchr(text, '\n'), text = text ? text + 1 : NULL)
		if (line_is(text, name, entry))
			return true;
	return false;
}

bool ext4_list_link(const char *text, char *target)
{
	static const char mark[] = "Fast link dest: \"";
	const char *at = strstr(text, mark);
	const char *end = at ? strrchr(at, '"') : NULL;

	if (!at || end < at + strlen(mark))
		return false;
	at += strlen(mark);
	if (end - at >= PATH_MAX)
		return false;
	snprintf(target, PATH_MAX, "%.*s", (int)(end - at), at);
	return true;
}
