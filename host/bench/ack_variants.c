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
	if (v->cold)
		append(v, ", cold", "");
}

/* One more, of which @like says all but the name. */
static int add(struct ack_table *table, const struct ack_plan *plan,
	       const struct ack_variant *like, const char *name)
{
	struct ack_variant *v = &table->variants[table->num_variants];

	if (table->num_variants == ACK_VARIANTS_MAX)
		return -E2BIG;
	table->num_variants++;
	*v = *like;
	name_variant(v, plan, name);
	return 0;
}

/*
 * A warm image has nothing to be read ahead: beside cold variants one is enough,
 * without any, or with the first wish where none is without.
 */
static unsigned int find_warm(const struct ack_plan *plan)
{
	for (unsigned int i = 0; i < plan->num_prefetches; i++)
		if (plan->prefetches[i].wish.mode == PREFETCH_OFF)
			return i;
	return 0;
}

/* All circumstances of a kind whose forks are made as their users make them. */
static int add_all(struct ack_table *table, const struct ack_plan *plan,
		   const struct ack_kind *kind, const char *name)
{
	struct ack_variant like = { .kind = kind };
	int ret = 0;

	for (unsigned int a = 0; a < plan->arms.num; a++)
		for (unsigned int i = 0; i < plan->num_prefetches; i++)
			for (int cold = 0; !ret && cold <= plan->cold; cold++) {
				if (plan->cold && !cold && i != find_warm(plan))
					continue;
				like.armed = plan->arms.item[a];
				like.prefetch = &plan->prefetches[i];
				like.cold = cold;
				ret = add(table, plan, &like, name);
			}
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
		const struct ack_variant plain = {
			.kind = kind,
			.prefetch = &plan->prefetches[0],
			/* below the floor there is nothing */
			.armed = kind->role == ACK_ROLE_FIRST ||
				 kind->role == ACK_ROLE_LEAST,
		};

		if (kind->role == ACK_ROLE_SIGNAL)
			ret = add_all(table, plan, kind, kind->name);
		else
			ret = add(table, plan, &plain, kind->name);
	}
	return ret;
}
