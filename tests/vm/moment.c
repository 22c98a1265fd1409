// SPDX-License-Identifier: MIT
/*
 * Is the memory of a snapshot that of one moment? Its guest ran tests/vm/guest/
 * invariant, whose pages are written in turn, each with the number of its write:
 *
 *	moment SNAPSHOT PAGES	print "pages=N wrong=N"
 *
 * All of the last PAGES writes have to be there, each on one page, and at most
 * the very last may have been under way.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/chain.h"

#define MARK	    (UINT64_C(0x5eed) << 48) /* of the guest's program */
#define NUMBER_MASK UINT64_C(0xffffffffffff)
#define PAGE_WORDS  (EXTENT_PAGE / sizeof(uint64_t))
#define PIECE_PAGES 256
#define PAGES_MAX   (1 << 20)

/* A page that was written, from its beginning on, where @old was. */
struct write {
	uint64_t number;
	uint64_t old; /* the same, if that was done */
};

struct moment {
	struct write *writes;
	uint64_t num, room; /* wanted */
};

/* Does the page belong to the program? Anything but two numbers is not one. */
static bool page_parse(const uint64_t *words, struct write *w)
{
	size_t i = 1;

	if ((words[0] & ~NUMBER_MASK) != MARK)
		return false;
	while (i < PAGE_WORDS && words[i] == words[0])
		i++;
	w->number = words[0] & NUMBER_MASK;
	w->old = words[PAGE_WORDS - 1] & NUMBER_MASK;
	for (; i < PAGE_WORDS; i++)
		if (words[i] != words[PAGE_WORDS - 1])
			return false;
	return true;
}

static int moment_read(struct moment *m, const struct chain *chain)
{
	static uint64_t buf[PIECE_PAGES * PAGE_WORDS];
	const struct snapshot *s = &chain->links[0].snapshot;
	uint64_t pages = s->hardware.config.memory_bytes / EXTENT_PAGE;

	for (uint64_t at = 0; at < pages; at += PIECE_PAGES) {
		int ret = chain_read(chain, at, (uint8_t *)buf, PIECE_PAGES);

		if (ret < 0)
			return ret;
		for (size_t i = 0; i < PIECE_PAGES; i++) {
			if (page_parse(buf + i * PAGE_WORDS,
				       &m->writes[m->num]) &&
			    ++m->num > m->room)
				return 0;
		}
	}
	return 0;
}

/* How many writes are older or newer than the last one lets them be? */
static uint64_t moment_judge(const struct moment *m)
{
	__free bool *seen = calloc(m->room, sizeof(*seen));
	uint64_t last = 0, wrong = 0;

	for (uint64_t i = 0; i < m->num; i++)
		if (m->writes[i].number > last)
			last = m->writes[i].number;
	for (uint64_t i = 0; i < m->num; i++) {
		const struct write *w = &m->writes[i];
		bool *slot = &seen[w->number % m->room];
		bool is_under_way = w->number == last &&
				    w->old + m->room == last;

		if (*slot || w->number + m->room <= last ||
		    (w->old != w->number && !is_under_way))
			wrong++;
		*slot = true;
	}
	return wrong;
}

static int run(const char *name, struct moment *m, struct vf_err *err)
{
	struct vf_state state;
	struct chain chain;
	int ret = state_open(&state, NULL, err);

	if (ret < 0)
		return ret;
	ret = chain_open(&chain, &state, name, NULL, err);
	if (!ret) {
		ret = moment_read(m, &chain);
		if (ret < 0)
			vf_err_errno(err, ret, "snapshot %s", name);
	}
	chain_close(&chain);
	state_close(&state);
	return ret;
}

int main(int argc, char **argv)
{
	struct moment m = { 0 };
	struct vf_err err;
	uint64_t wrong;

	m.room = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
	if (!m.room || m.room > PAGES_MAX) {
		fprintf(stderr, "usage: moment SNAPSHOT PAGES\n");
		return 2;
	}
	/* one more, to see that there are too many */
	m.writes = calloc(m.room + 2, sizeof(*m.writes));
	if (!m.writes || run(argv[1], &m, &err) < 0) {
		fprintf(stderr, "moment: %s\n", m.writes ? err.msg : "memory");
		free(m.writes);
		return EXIT_FAILURE;
	}
	wrong = moment_judge(&m);
	printf("pages=%" PRIu64 " wrong=%" PRIu64 "\n", m.num, wrong);
	wrong += m.num != m.room;
	free(m.writes);
	return wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
