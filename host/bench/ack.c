// SPDX-License-Identifier: MIT
/* The order in which handoffs are measured. ack.h holds the contract. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cache.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "bench/ack_kind.h"
#include "bench/ack_source.h"
#include "bench/cold.h"
#include "bench/rows.h"

int ack_table_add(struct ack_table *table, const struct ack_row *row)
{
	struct ack_row *rows =
		rows_grow(table->rows, table->num, &table->size, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->rows[table->num++] = *row;
	return 0;
}

void ack_table_exit(struct ack_table *table)
{
	free(table->rows);
	*table = (struct ack_table){ 0 };
}

static int make_sources(struct ack_table *table, struct ack_sources *s,
			struct vf_err *err)
{
	int ret;

	if (s->plan->cold && cache_is_volatile(s->state->snapshots_fd)) {
		ret = vf_err_set(err, ENOTSUP,
				 "snapshots lie in memory (tmpfs), and are "
				 "never cold");
		vf_err_hint(err, "a state directory on a disk is needed: "
				 "--state DIR");
		return ret;
	}
	ret = ack_sources_check(s, table, err);
	for (unsigned int i = 0; !ret && i < table->num_variants; i++)
		if (!*table->variants[i].why)
			ret = ack_sources_make(s, table, i, err);
	return ret;
}

/* What its manifest says of a snapshot that was given. */
static void describe_given(struct ack_table *table, const struct snapshot *s)
{
	table->accel = s->hardware.config.accel;
	for (unsigned int i = 0; i < table->num_variants; i++) {
		table->variants[i].armed = s->armed;
		table->variants[i].spun_us = s->spun_us;
	}
}

static int prepare(struct ack_table *table, struct ack_sources *s,
		   struct vf_err *err)
{
	int ret;

	if (ack_variants(table, s->plan) < 0)
		return vf_err_set(err, E2BIG, "more than %d variants",
				  ACK_VARIANTS_MAX);
	if (s->plan->snapshot)
		ret = ack_sources_open(s, err);
	else
		ret = make_sources(table, s, err);
	if (!ret && s->plan->snapshot)
		describe_given(table, &s->source[0].snapshot);
	/* what lies in memory is never cold: that is no variant's fault */
	if (!ret && s->plan->cold && s->num)
		ret = cold_drop(s->state, &s->source[0].snapshot, err);
	return ret;
}

/*
 * A fork that fails is one of the figures; a variant whose first one fails
 * cannot be here.
 */
static int take_one(struct ack_table *table, const struct ack_sources *s,
		    struct ack_row *row, struct vf_err *err)
{
	struct ack_variant *v = &table->variants[row->variant];
	const struct ack_site site = {
		.state = s->state,
		.snapshot = &s->source[v->source].snapshot,
		.variant = v,
		.prefix = s->prefix,
		.cancel_fd = s->plan->cancel_fd,
	};
	int ret = vf_check_cancel(s->plan->cancel_fd);

	for (unsigned int m = 0; m < ACK_METRIC_NUM; m++)
		row->value[m] = ACK_UNKNOWN;
	if (ret < 0)
		vf_err_set(err, -ret, "interrupted");
	else if (s->plan->cold)
		ret = (v->cold ? cold_drop : cold_end)(s->state, site.snapshot,
						       err);
	if (!ret)
		ret = v->kind->take(row, &site, err);
	/* not each of them is of the user's making */
	if (ret == -ECANCELED && vf_check_cancel(s->plan->cancel_fd) < 0)
		return ret;
	row->failed = ret < 0;
	if (row->failed) {
		vf_log(VF_LOG_WARN, "%s: %s", v->name, err->msg);
		if (!row->iteration)
			snprintf(v->why, sizeof(v->why), "%s", err->msg);
	}
	return 0;
}

/* All variants, each iteration beginning with another one. */
static int take_round(struct ack_table *table, const struct ack_sources *s,
		      unsigned int iteration, struct vf_err *err)
{
	for (unsigned int i = 0; i < table->num_variants; i++) {
		struct ack_row row = {
			.variant = (i + iteration) % table->num_variants,
			.iteration = iteration,
		};
		int ret;

		if (*table->variants[row.variant].why)
			continue;
		ret = take_one(table, s, &row, err);
		if (ret < 0)
			return ret;
		if (ack_table_add(table, &row) < 0)
			return vf_err_errno(err, ENOMEM, "rows");
		vf_log(VF_LOG_DEBUG, "%s: acked after %.1f",
		       table->variants[row.variant].name,
		       (double)row.value[ACK_RECONFIGURE_US] / 1000);
	}
	return 0;
}

int ack_run(struct ack_table *table, const struct vf_state *state,
	    const struct ack_plan *plan, struct vf_err *err)
{
	struct ack_sources sources;
	int ret;

	*table = (struct ack_table){ 0 };
	ack_sources_init(&sources, state, plan);
	ret = prepare(table, &sources, err);
	for (unsigned int i = 0; !ret && i <= plan->iterations; i++)
		ret = take_round(table, &sources, i, err);
	ack_sources_exit(&sources);
	return ret;
}
