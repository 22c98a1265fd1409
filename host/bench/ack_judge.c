// SPDX-License-Identifier: MIT
/* What handoffs came to, and what was hoped for. ack.h holds the contract. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/ack_kind.h"
#include "bench/stats.h"

#define LEAST_MOST 1.5
#define IP_MOST	   (1.0 / 3)
#define COLD_MOST  (1.0 / 3)
#define ARMED_MOST 1.05 /* never slower: this much two runs of one differ */

unsigned int ack_samples(const struct ack_table *table, unsigned int variant,
			 enum ack_metric metric, int64_t *room)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < table->num; i++) {
		const struct ack_row *r = &table->rows[i];

		if (r->iteration && r->variant == variant &&
		    r->value[metric] != ACK_UNKNOWN)
			room[num++] = r->value[metric];
	}
	stats_sort(room, num);
	return num;
}

int64_t ack_median(const struct ack_table *table, unsigned int variant,
		   enum ack_metric metric)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	unsigned int num = room ? ack_samples(table, variant, metric, room) : 0;

	return num ? stats_percentile(room, num, 50) : ACK_UNKNOWN;
}

/* A user's fork, of a warm image: what the floors are held against. */
static bool is_plain(const struct ack_variant *v)
{
	return v->kind->role == ACK_ROLE_SIGNAL && !v->cold;
}

/* The first variant of a role of which that was measured, or num_variants. */
static unsigned int find_role(const struct ack_table *table, enum ack_role role,
			      enum ack_metric metric)
{
	unsigned int i = 0;

	while (i < table->num_variants &&
	       (table->variants[i].kind->role != role ||
		ack_median(table, i, metric) == ACK_UNKNOWN))
		i++;
	return i;
}

static unsigned int find_best(const struct ack_table *table)
{
	unsigned int best = table->num_variants;
	int64_t least_us = INT64_MAX;

	for (unsigned int i = 0; i < table->num_variants; i++) {
		int64_t us = ack_median(table, i, ACK_RECONFIGURE_US);

		if (!is_plain(&table->variants[i]) || us == ACK_UNKNOWN ||
		    us >= least_us)
			continue;
		best = i;
		least_us = us;
	}
	return best;
}

static void add_ratio(struct targets *t, const struct ack_table *table,
		      enum ack_metric metric, unsigned int of,
		      unsigned int against, double allowed, const char *what)
{
	int64_t of_us, against_us;

	if (of == table->num_variants || against == table->num_variants)
		return;
	of_us = ack_median(table, of, metric);
	against_us = ack_median(table, against, metric);
	if (of_us > 0 && against_us > 0)
		target_add(t, (double)of_us / (double)against_us, "", allowed,
			   "%s: %s over %s", what, table->variants[of].name,
			   table->variants[against].name);
}

static void judge_floors(struct targets *t, const struct ack_table *table)
{
	const enum ack_metric acked = ACK_RECONFIGURE_US;
	unsigned int best = find_best(table);
	unsigned int first = find_role(table, ACK_ROLE_FIRST, ACK_SEEN_US);

	add_ratio(t, table, acked, best,
		  find_role(table, ACK_ROLE_LEAST, acked), LEAST_MOST,
		  "2. acked");
	if (first < table->num_variants)
		target_add(t,
			   (double)ack_median(table, first, ACK_SEEN_US) / 1000,
			   " ms", 0, "2. until any guest code is seen to run");
	add_ratio(t, table, ACK_APPLY_US, best,
		  find_role(table, ACK_ROLE_IP, ACK_APPLY_US), IP_MOST,
		  "3. apply in forks");
	add_ratio(t, table, acked, best, find_role(table, ACK_ROLE_IP, acked),
		  0, "3. acked");
}

/* The other one that differs in nothing but what is asked; or num_variants. */
static unsigned int find_pair(const struct ack_table *table, unsigned int of,
			      bool armed, bool cold, bool reads_list)
{
	const struct ack_variant *v = &table->variants[of];
	unsigned int i;

	for (i = 0; i < table->num_variants; i++) {
		const struct ack_variant *o = &table->variants[i];
		bool has_list = o->prefetch->wish.mode == PREFETCH_LIST;
		bool is_off = o->prefetch->wish.mode == PREFETCH_OFF;

		if (o->kind == v->kind && o->armed == armed &&
		    o->cold == cold && (reads_list ? has_list : is_off) &&
		    ack_median(table, i, ACK_RECONFIGURE_US) != ACK_UNKNOWN)
			break;
	}
	return i;
}

/*
 * How much of what a cold image costs is left where its hot pages are read ahead;
 * @list is the variant that does.
 */
static void judge_list(struct targets *t, const struct ack_table *table,
		       unsigned int list)
{
	const struct ack_variant *v = &table->variants[list];
	unsigned int warm = find_pair(table, list, v->armed, false, false);
	unsigned int cold = find_pair(table, list, v->armed, true, false);
	int64_t warm_us, cold_us, list_us;

	if (warm == table->num_variants || cold == table->num_variants)
		return;
	warm_us = ack_median(table, warm, ACK_RECONFIGURE_US);
	cold_us = ack_median(table, cold, ACK_RECONFIGURE_US);
	list_us = ack_median(table, list, ACK_RECONFIGURE_US);
	if (cold_us > warm_us)
		target_add(t,
			   (double)(list_us - warm_us) /
				   (double)(cold_us - warm_us),
			   "", COLD_MOST,
			   "4. of what cold costs, left with the list: %s",
			   v->kind->name);
	target_add(t, (double)ack_median(table, cold, ACK_FAULTS_MAJOR), "", 0,
		   "4. major faults, cold: %s", v->kind->name);
	target_add(t, (double)ack_median(table, list, ACK_FAULTS_MAJOR), "", 0,
		   "4. major faults, cold, with the list: %s", v->kind->name);
}

static void judge_cold(struct targets *t, const struct ack_table *table)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		const struct ack_variant *v = &table->variants[i];

		if (v->cold && v->prefetch->wish.mode == PREFETCH_LIST &&
		    ack_median(table, i, ACK_RECONFIGURE_US) != ACK_UNKNOWN)
			judge_list(t, table, i);
	}
}

/* Of all variants with its source. */
static bool is_first_of(const struct ack_table *table, unsigned int variant)
{
	for (unsigned int i = 0; i < variant; i++)
		if (!*table->variants[i].why &&
		    table->variants[i].source ==
			    table->variants[variant].source)
			return false;
	return true;
}

static void judge_armed(struct targets *t, const struct ack_table *table)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		const struct ack_variant *v = &table->variants[i];

		if (v->armed && v->kind->role == ACK_ROLE_SIGNAL && !*v->why &&
		    is_first_of(table, i))
			target_add(t, (double)v->spun_us / 1000, " ms", 0,
				   "6. the source spun for its snapshot: %s",
				   v->name);
		for (unsigned int k = 0; v->armed && k < table->num_variants;
		     k++) {
			const struct ack_variant *o = &table->variants[k];

			if (o->kind == v->kind && !o->armed &&
			    o->cold == v->cold && o->prefetch == v->prefetch)
				add_ratio(t, table, ACK_RECONFIGURE_US, i, k,
					  ARMED_MOST, "5. acked");
		}
	}
}

void ack_judge(const struct ack_table *table, struct targets *targets)
{
	targets->num = 0;
	judge_floors(targets, table);
	judge_cold(targets, table);
	judge_armed(targets, table);
}
