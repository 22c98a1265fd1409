// SPDX-License-Identifier: MIT
/* Which variants there are. ack.h holds the contract. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/ack_kind.h"

static void append(struct ack_variant *v, const char *what, const char *which)
{
	size_t used = strlen(v->name);

	snprintf(v->name + used, sizeof(v->name) - used, "%s%s", what, which);
}

/* What is the same in all variants is in none of their names. */
static void name_variant(struct ack_variant *v, const struct ack_plan *plan,
			 const char *name)
{
	snprintf(v->name, sizeof(v->name), "%.40s", name);
	if (plan->arms.num > 1)
		append(v, v->armed ? ", armed" : "", "");
	if (plan->num_prefetches > 1)
		append(v, ", prefetch ", v->prefetch->name);
}

static int add(struct ack_table *table, const struct ack_plan *plan,
	       const struct ack_kind *kind, bool armed, unsigned int prefetch,
	       const char *name)
{
	struct ack_variant *v = &table->variants[table->num_variants];

	if (table->num_variants == ACK_VARIANTS_MAX)
		return -E2BIG;
	table->num_variants++;
	*v = (struct ack_variant){
		.kind = kind,
		.armed = armed,
		.prefetch = &plan->prefetches[prefetch],
	};
	name_variant(v, plan, name);
	return 0;
}

/* All circumstances of a kind that forks are made of as their users do. */
static int add_all(struct ack_table *table, const struct ack_plan *plan,
		   const struct ack_kind *kind, const char *name)
{
	int ret = 0;

	for (unsigned int a = 0; !ret && a < plan->arms.num; a++)
		for (unsigned int i = 0; !ret && i < plan->num_prefetches; i++)
			ret = add(table, plan, kind, plan->arms.item[a], i,
				  name);
	return ret;
}

int ack_variants(struct ack_table *table, const struct ack_plan *plan)
{
	int ret = 0;

	table->num_variants = 0;
	if (plan->snapshot)
		return add_all(table, plan, &ack_kind_given, plan->snapshot);
	for (unsigned int i = 0; !ret && i < plan->num_kinds; i++) {
		const struct ack_kind *kind = &ack_kinds[plan->kinds[i]];

		if (kind->role == ACK_ROLE_SIGNAL)
			ret = add_all(table, plan, kind, kind->name);
		else
			ret = add(table, plan, kind, false, 0, kind->name);
	}
	return ret;
}
