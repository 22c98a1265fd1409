// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/extent.h"

#define ROOM_MIN 64

int extents_add(struct extents *set, uint64_t page, uint64_t num)
{
	struct extent *last = set->num ? &set->runs[set->num - 1] : NULL;

	if (!num)
		return 0;
	if (page + num < page || (last && page < last->page + last->num))
		return -EINVAL;
	set->pages += num;
	if (last && page == last->page + last->num) {
		last->num += num;
		return 0;
	}
	if (!set->runs || set->num == set->room) {
		size_t room = set->room ? 2 * set->room : ROOM_MIN;
		struct extent *runs =
			reallocarray(set->runs, room, sizeof(*runs));

		if (!runs) {
			set->pages -= num;
			return -ENOMEM;
		}
		set->runs = runs;
		set->room = room;
	}
	set->runs[set->num++] = (struct extent){ page, num };
	return 0;
}

const struct extent *extents_next(const struct extents *set, uint64_t page)
{
	size_t low = 0, high = set->num;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct extent *e = &set->runs[mid];

		if (page >= e->page && page - e->page >= e->num)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->num ? &set->runs[low] : NULL;
}

bool extent_is_zero(const uint8_t *page)
{
	return !page[0] && !memcmp(page, page + 1, EXTENT_PAGE - 1);
}

void extents_exit(struct extents *set)
{
	free(set->runs);
	*set = (struct extents){ 0 };
}
