// SPDX-License-Identifier: MIT
// time: 600
/*
 * What debugfs says of a stranger's image: any text; and a list of entries whose
 * names are the input's, of which one that is taken for good gives each as it is.
 */
#include <limits.h>
#include <stdlib.h>

#include "bake/ext4_list.h"
#include "fuzz/bake_input.h"

#define ENTRIES 8
#define BANNER	"debugfs 1.47.0\ndebugfs: ls -p \"/\"\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct line {
	char name[TEXT_SIZE];
	struct ext4_entry entry;
};

static bool is_plain(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < ' ' || *name == '/')
			return false;
	return true;
}

/* No line's end in a name: that would be lines as good as others. */
static void line_make(struct line *line, struct input *in)
{
	line->name[take_bytes(in, line->name, TEXT_SIZE - 1)] = '\0';
	for (char *c = line->name; *c; c++)
		if (*c == '\n')
			*c = '/';
	line->entry = (struct ext4_entry){
		.mode = (unsigned int)take_number(in) & 0177777,
		.uid = (unsigned int)take_number(in),
		.gid = (unsigned int)take_number(in),
		.size = take_number(in),
	};
}

static size_t line_print(const struct line *line, char *out, size_t size)
{
	const struct ext4_entry *e = &line->entry;

	return (size_t)snprintf(out, size, "/12/%06o/%d/%d/%s/%llu/\n", e->mode,
				(int)e->uid, (int)e->gid, line->name, e->size);
}

static bool is_same(const struct ext4_entry *a, const struct ext4_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->size == b->size;
}

/* The first of a name counts. */
static void check(const char *text, const struct line *lines, int num)
{
	struct ext4_entry entry;

	for (int i = 0; i < num; i++) {
		int first = 0;

		if (!is_plain(lines[i].name))
			abort();
		while (strcmp(lines[first].name, lines[i].name) != 0)
			first++;
		if (!ext4_list_find(text, lines[i].name, &entry) ||
		    !is_same(&entry, &lines[first].entry))
			abort();
	}
}

static void list(struct input *in)
{
	struct line lines[ENTRIES];
	char text[ENTRIES * (TEXT_SIZE + 80)] = BANNER;
	size_t len = strlen(text);
	/* a lone one may say why there is none */
	int num = 2 + take(in) % (ENTRIES - 1);
	bool plain = true;

	for (int i = 0; i < num; i++) {
		line_make(&lines[i], in);
		plain = plain && is_plain(lines[i].name);
		len += line_print(&lines[i], text + len, sizeof(text) - len);
	}
	if (ext4_list_is_good(text) != plain)
		abort();
	if (plain)
		check(text, lines, num);
}

static void any(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "etc", "a", "" };
	char *target = malloc(PATH_MAX), *text = malloc(size + 1);
	struct ext4_entry entry;

	if (!target || !text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	ext4_list_is_good(text);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ext4_list_find(text, names[i], &entry);
	if (ext4_list_link(text, target) &&
	    (strlen(target) >= PATH_MAX || !strstr(text, target)))
		abort();
	free(target);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	any(data, size);
	list(&in);
	return 0;
}
