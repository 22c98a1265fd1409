// SPDX-License-Identifier: MIT
/* The order in which bursts are measured. burst.h holds the contract. */
#include <errno.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "base/io.h"
#include "base/log.h"
#include "bench/burst_take.h"
#include "bench/rows.h"

const char *const burst_variant_names[BURST_VARIANT_NUM] = {
	[BURST_FLOOR] = "floor",	 [BURST_NONE] = "none",
	[BURST_FORK] = "fork",		 [BURST_AT_ONCE] = "at-once",
	[BURST_POOL_NONE] = "pool-none", [BURST_POOL] = "pool",
};

int burst_table_add(struct burst_table *table, const struct burst_row *row)
{
	struct burst_row *rows =
		rows_grow(table->rows, table->num, &table->size, sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	table->rows = rows;
	table->rows[table->num++] = *row;
	return 0;
}

void burst_table_exit(struct burst_table *table)
{
	free(table->rows);
	*table = (struct burst_table){ 0 };
}

/* All variants, each iteration beginning with another one. */
static int run_variants(struct burst_table *table, const struct vf_state *state,
			const struct burst_plan *plan,
			const struct floor_model *model, struct burst_row *row,
			struct vf_err *err)
{
	for (unsigned int i = 0; i < BURST_VARIANT_NUM; i++) {
		int ret = vf_check_cancel(plan->cancel_fd);

		row->variant = (i + row->iteration) % BURST_VARIANT_NUM;
		if (!plan->variants[row->variant])
			continue;
		if (ret < 0)
			return vf_err_errno(err, ret, "burst");
		ret = burst_take(row, state, plan, model, err);
		if (ret < 0)
			return vf_err_wrap(err, "%s, %u",
					   burst_variant_names[row->variant],
					   row->num);
		if (burst_table_add(table, row) < 0)
			return vf_err_errno(err, ENOMEM, "rows");
		vf_log(VF_LOG_DEBUG, "%s, %u: last resumed %.1f, acked %.1f",
		       burst_variant_names[row->variant], row->num,
		       (double)row->value[BURST_RESUMED_MAX_US] / 1000,
		       (double)row->value[BURST_ACKED_MAX_US] / 1000);
	}
	return 0;
}

int burst_run(struct burst_table *table, const struct vf_state *state,
	      const struct burst_plan *plan, struct vf_err *err)
{
	struct floor_model model = { .log_fd = -1 };
	int ret;

	*table = (struct burst_table){ 0 };
	table->cores = cpu_count();
	ret = burst_check(state, plan, err);
	if (!ret && plan->variants[BURST_FLOOR])
		ret = burst_model(&model, state, plan, err);
	for (unsigned int i = 0; !ret && i <= plan->iterations; i++)
		for (unsigned int k = 0; !ret && k < plan->nums.num; k++) {
			struct burst_row row = {
				.num = plan->nums.item[k],
				.iteration = i,
			};

			/* what the first pays for, others find, of any size */
			if (i || !k)
				ret = run_variants(table, state, plan, &model,
						   &row, err);
		}
	floor_model_exit(&model);
	return ret;
}
