// SPDX-License-Identifier: MIT
#include "cmd/lists.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 1048576

static int list_add(struct bench_list *list, unsigned int item)
{
	if (bench_list_has(list, item))
		return 0;
	if (list->num == BENCH_LIST_MAX)
		return -1;
	list->item[list->num++] = item;
	return 0;
}

static int find(const char *word, const char *const *names, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		if (!strcmp(names[i], word))
			return (int)i;
	return -1;
}

static int parse_number(const char *word)
{
	char *end;
	long value = strtol(word, &end, 10);

	return *word < '0' || *word > '9' || *end || value > NUMBER_MAX
		       ? -1
		       : (int)value;
}

int lists_parse(struct cmd *cmd, const char *option, const char *text,
		const char *const *names, unsigned int num, const char *unit,
		struct bench_list *list, struct vf_err *err)
{
	char word[32];
	size_t len;

	for (const char *p = text;; p += len + 1) {
		int item;

		len = strcspn(p, ",");
		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		item = names ? find(word, names, num) : parse_number(word);
		if (item < 0 || len >= sizeof(word))
			return cmd_usage_error(cmd, err, "%s '%s': not %s",
					       option, word,
					       names ? "one of them" : unit);
		if (list_add(list, (unsigned int)item) < 0)
			return cmd_usage_error(cmd, err,
					       "%s: more than %d of them",
					       option, BENCH_LIST_MAX);
		if (!p[len])
			return 0;
	}
}
