/* SPDX-License-Identifier: MIT */
/* What of several things is to be measured. */
#ifndef VF_BENCH_LIST_H
#define VF_BENCH_LIST_H

#include <stdbool.h>

#define BENCH_LIST_MAX 8

/* Numbers, or some of what there is to choose from, each once. */
struct bench_list {
	unsigned int num;
	unsigned int item[BENCH_LIST_MAX];
};

/**
 * bench_list_has() - Is it one of them?
 * @list:	list
 * @item:	what is asked for
 *
 * Return: true if so
 */
static inline bool bench_list_has(const struct bench_list *list,
				  unsigned int item)
{
	for (unsigned int i = 0; i < list->num; i++)
		if (list->item[i] == item)
			return true;
	return false;
}

#endif
