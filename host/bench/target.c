// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "bench/target.h"

void target_add(struct targets *t, double value, const char *unit,
		double allowed, const char *fmt, ...)
{
	struct target *item = &t->item[t->num];
	va_list ap;

	if (t->num == TARGETS_MAX)
		return;
	*item = (struct target){
		.unit = unit,
		.value = value,
		.allowed = allowed,
	};
	va_start(ap, fmt);
	vsnprintf(item->name, sizeof(item->name), fmt, ap);
	va_end(ap);
	t->num++;
}

json_t *targets_pack(const struct targets *t)
{
	json_t *json = json_array();

	for (unsigned int i = 0; i < t->num; i++) {
		const struct target *item = &t->item[i];
		bool asked = item->allowed > 0;

		json_array_append_new(
			json, json_pack("{s:s,s:f,s:s,s:o,s:o}", "name",
					item->name, "value", item->value,
					"unit", item->unit, "allowed",
					asked ? json_real(item->allowed)
					      : json_null(),
					"met",
					asked ? json_boolean(item->value <=
							     item->allowed)
					      : json_null()));
	}
	return json;
}
