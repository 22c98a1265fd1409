// SPDX-License-Identifier: MIT
/* Not compiled: a linter that has no word to say about it has not read it. */
#include "base/json.h"

static int wrong(json_t *list)
{
	int sums[2] = { 0, 0 };
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		sums[0]++;
	return sums[2];
}
