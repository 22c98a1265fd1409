// SPDX-License-Identifier: MIT
/* What handoffs came to, and what was hoped for. ack.h holds the contract. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "bench/ack_kind.h"
#include "bench/stats.h"

#define LEAST_MOST 1.5
#define IP_MOST	   (1.0 / 3)
#define COLD_MOST  (1.0 / 3)

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

/* 0: the least. */
static int64_t percentile(const struct ack_table *table, unsigned int variant,
			  enum ack_metric metric, unsigned int percent)
{
	__free int64_t *room = calloc(table->num + 1, sizeof(*room));
	unsigned int num = room ? ack_samples(table, variant, metric, room) : 0;

	return num ? stats_percentile(room, num, percent) : ACK_UNKNOWN;
}

int64_t ack_median(const struct ack_table *table, unsigned int variant,
		   enum ack_metric metric)
{
	return percentile(table, variant, metric, 50);
}

unsigned int ack_failures(const struct ack_table *table, unsigned int variant)
{
	unsigned int num = 0;

	for (unsigned int i = 0; i < table->num; i++)
		num += table->rows[i].variant == variant &&
		       table->rows[i].failed;
	return num;
}

/* Measured, and without a fork that failed: figures of the rest say too much. */
static bool is_fit(const struct ack_table *table, unsigned int variant,
		   enum ack_metric metric)
{
	return !*table->variants[variant].why &&
	       !ack_failures(table, variant) &&
	       ack_median(table, variant, metric) != ACK_UNKNOWN;
}

/* A user's fork, of a warm image: what the floors are held against. */
static bool is_plain(const struct ack_variant *v)
{
	return v->kind->role == ACK_ROLE_SIGNAL && !v->cold;
}

/* The variant of a role, or num_variants: it was not asked for. */
static unsigned int find_role(const struct ack_table *table, enum ack_role role)
{
	unsigned int i = 0;

	while (i < table->num_variants && table->variants[i].kind->role != role)
		i++;
	return i;
}

/* Of users' forks that are fit, or num_variants. */
static unsigned int find_best(const struct ack_table *table)
{
	unsigned int best = table->num_variants;
	int64_t least_us = INT64_MAX;

	for (unsigned int i = 0; i < table->num_variants; i++) {
		int64_t us = ack_median(table, i, ACK_RECONFIGURE_US);

		if (!is_plain(&table->variants[i]) || us >= least_us ||
		    !is_fit(table, i, ACK_RECONFIGURE_US))
			continue;
		best = i;
		least_us = us;
	}
	return best;
}

/* Of users' forks one that is woken as @of is, and no better; or num_variants. */
static unsigned int find_woken_alike(const struct ack_table *table,
				     unsigned int of)
{
	const struct ack_variant *v = &table->variants[of];
	unsigned int i;

	for (i = 0; i < table->num_variants; i++) {
		const struct ack_variant *o = &table->variants[i];

		if (is_plain(o) && !o->armed &&
		    o->kind->signal == v->kind->signal)
			break;
	}
	return i;
}

/* What is compared, and what it may come to. */
struct ratio {
	const char *what;
	enum ack_metric metric;
	double allowed; /* 0: only stated */
	bool is_floor;	/* below it there can be nothing */
};

static double ratio_at(const struct ack_table *table, enum ack_metric metric,
		       unsigned int of, unsigned int against,
		       unsigned int percent)
{
	int64_t of_us = percentile(table, of, metric, percent);
	int64_t against_us = percentile(table, against, metric, percent);

	return of_us > 0 && against_us > 0 ? (double)of_us / (double)against_us
					   : 0;
}

/* Both were asked for: where they cannot be judged, that is said. */
static void add_ratio(struct targets *t, const struct ack_table *table,
		      const struct ratio *r, unsigned int of,
		      unsigned int against)
{
	const struct ack_variant *v = table->variants;
	const char *name = of < table->num_variants ? v[of].name : "none";
	const char *why = NULL;
	double value = 0;

	if (of == table->num_variants || !is_fit(table, of, r->metric) ||
	    !is_fit(table, against, r->metric))
		why = "one of them failed, or was not measured";
	else
		value = ratio_at(table, r->metric, of, against, 50);
	if (!why && !(value > 0))
		why = "it took no time that could be measured";
	else if (!why && r->is_floor && value < 1)
		why = "what is below a floor has none";
	if (why && r->allowed > 0)
		target_void(t, value, r->allowed, why, "%s: %s over %s",
			    r->what, name, v[against].name);
	else if (!why)
		target_add(t, value, "", r->allowed, "%s: %s over %s", r->what,
			   name, v[against].name);
}

static void judge_least(struct targets *t, const struct ack_table *table,
			unsigned int best)
{
	static const struct ratio acked = { "2. acked", ACK_RECONFIGURE_US,
					    LEAST_MOST, true };
	unsigned int least = find_role(table, ACK_ROLE_LEAST);
	double minima;

	if (least == table->num_variants)
		return;
	add_ratio(t, table, &acked, best, least);
	if (best == table->num_variants ||
	    !is_fit(table, least, ACK_RECONFIGURE_US))
		return;
	minima = ratio_at(table, ACK_RECONFIGURE_US, best, least, 0);
	if (minima > 0)
		target_add(t, minima, "", 0, "2. acked, minima: %s over %s",
			   table->variants[best].name,
			   table->variants[least].name);
}

static void judge_first(struct targets *t, const struct ack_table *table)
{
	static const char what[] = "2. until any guest code is seen to run";
	unsigned int first = find_role(table, ACK_ROLE_FIRST);

	if (first == table->num_variants)
		return;
	if (is_fit(table, first, ACK_SEEN_US))
		target_add(t,
			   (double)ack_median(table, first, ACK_SEEN_US) / 1000,
			   " ms", 0, "%s", what);
	else
		target_void(t, 0, 0, "it failed, or was not seen", "%s", what);
}

/*
 * Held against who is woken by the same signal, if that was asked for; and, by
 * its name, against the best.
 */
static void judge_ip(struct targets *t, const struct ack_table *table,
		     unsigned int best)
{
	static const struct ratio alike[] = {
		{ "3. apply in forks, same signal", ACK_APPLY_US, IP_MOST,
		  false },
		{ "3. acked, same signal", ACK_RECONFIGURE_US, 0, false },
	};
	static const struct ratio of_best[] = {
		{ "3. apply in forks, the best", ACK_APPLY_US, IP_MOST, false },
		{ "3. acked, the best", ACK_RECONFIGURE_US, 0, false },
	};
	unsigned int ip = find_role(table, ACK_ROLE_IP), same;

	if (ip == table->num_variants)
		return;
	same = find_woken_alike(table, ip);
	for (unsigned int i = 0; i < ARRAY_SIZE(alike); i++) {
		if (same < table->num_variants)
			add_ratio(t, table, &alike[i], same, ip);
		add_ratio(t, table, &of_best[i], best, ip);
	}
}

static bool has_plain(const struct ack_table *table)
{
	for (unsigned int i = 0; i < table->num_variants; i++)
		if (is_plain(&table->variants[i]))
			return true;
	return false;
}

static void judge_floors(struct targets *t, const struct ack_table *table)
{
	unsigned int best = find_best(table);

	judge_first(t, table);
	if (!has_plain(table))
		return;
	judge_least(t, table, best);
	judge_ip(t, table, best);
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
		    o->cold == cold && (reads_list ? has_list : is_off))
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
	static const char what[] = "4. of what cold costs, left with the list";
	const enum ack_metric acked = ACK_RECONFIGURE_US;
	const struct ack_variant *v = &table->variants[list];
	unsigned int warm = find_pair(table, list, v->armed, false, false);
	unsigned int cold = find_pair(table, list, v->armed, true, false);
	int64_t warm_us, cold_us, list_us;

	if (warm == table->num_variants || cold == table->num_variants) {
		target_add(t, 0, "", 0,
			   "4. not judged, nothing to hold it against: %s",
			   v->kind->name);
		return;
	}
	if (!is_fit(table, list, acked) || !is_fit(table, warm, acked) ||
	    !is_fit(table, cold, acked)) {
		target_void(t, 0, COLD_MOST, "one of them failed", "%s: %s",
			    what, v->kind->name);
		return;
	}
	warm_us = ack_median(table, warm, acked);
	cold_us = ack_median(table, cold, acked);
	list_us = ack_median(table, list, acked);
	if (cold_us > warm_us)
		target_add(t,
			   (double)(list_us - warm_us) /
				   (double)(cold_us - warm_us),
			   "", COLD_MOST, "%s: %s", what, v->kind->name);
	else
		target_void(t, 0, COLD_MOST, "cold costs nothing", "%s: %s",
			    what, v->kind->name);
	target_add(t, (double)ack_median(table, cold, ACK_FAULTS_MAJOR), "", 0,
		   "4. major faults, cold: %s", v->kind->name);
	target_add(t, (double)ack_median(table, list, ACK_FAULTS_MAJOR), "", 0,
		   "4. major faults, cold, with the list: %s", v->kind->name);
}

static void judge_cold(struct targets *t, const struct ack_table *table)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		const struct ack_variant *v = &table->variants[i];

		if (v->cold && v->prefetch->wish.mode == PREFETCH_LIST)
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

/* It cannot be here, which is told apart. */
static bool is_out(const struct ack_table *table, unsigned int variant)
{
	return *table->variants[variant].why && !ack_failures(table, variant);
}

/*
 * Armed against not, where nothing else differs: never slower. That its median is
 * within the quicker three quarters of the others is as far as it can be told.
 */
static void judge_pair(struct targets *t, const struct ack_table *table,
		       unsigned int armed, unsigned int other)
{
	const enum ack_metric acked = ACK_RECONFIGURE_US;
	const struct ack_variant *v = &table->variants[armed];
	const struct ack_variant *o = &table->variants[other];
	struct ratio r = { "5. acked", acked, 1, false };
	int64_t median_us;

	if (o->kind != v->kind || o->armed || o->cold != v->cold ||
	    o->prefetch != v->prefetch ||
	    (is_out(table, armed) && is_out(table, other)))
		return;
	median_us = ack_median(table, other, acked);
	if (median_us > 0)
		r.allowed = (double)percentile(table, other, acked, 75) /
			    (double)median_us;
	add_ratio(t, table, &r, armed, other);
}

static void judge_armed(struct targets *t, const struct ack_table *table)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		const struct ack_variant *v = &table->variants[i];

		if (v->armed && v->kind->role == ACK_ROLE_SIGNAL && !*v->why &&
		    is_first_of(table, i))
			target_add(t, (double)v->spun_us / 1000, " ms", 0,
				   "between question and pause: %s", v->name);
		for (unsigned int k = 0; v->armed && k < table->num_variants;
		     k++)
			judge_pair(t, table, i, k);
	}
}

void ack_judge(const struct ack_table *table, struct targets *targets)
{
	*targets = (struct targets){ 0 };
	judge_floors(targets, table);
	judge_cold(targets, table);
	judge_armed(targets, table);
}
