// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>

#include "bench/target.h"

static void add(struct targets *t, const struct target *like, const char *fmt,
		va_list ap)
{
	struct target *item = &t->item[t->num];

	if (t->num == TARGETS_MAX) {
		t->dropped++;
		return;
	}
	*item = *like;
	vsnprintf(item->name, sizeof(item->name), fmt, ap);
	t->num++;
}

void target_add(struct targets *t, double value, const char *unit,
		double allowed, const char *fmt, ...)
{
	const struct target item = {
		.unit = unit,
		.value = value,
		.has_value = true,
		.allowed = allowed,
	};
	va_list ap;

	va_start(ap, fmt);
	add(t, &item, fmt, ap);
	va_end(ap);
}

void target_void(struct targets *t, double value, double allowed,
		 const char *why, const char *fmt, ...)
{
	const struct target item = {
		.unit = "",
		.value = value,
		.has_value = value > 0,
		.allowed = allowed,
		.why = why,
	};
	va_list ap;

	va_start(ap, fmt);
	add(t, &item, fmt, ap);
	va_end(ap);
}

static json_t *item_pack(const struct target *item)
{
	bool asked = item->allowed > 0;
	json_t *json = json_pack(
		"{s:s,s:o,s:s,s:o}", "name", item->name, "value",
		item->has_value ? json_real(item->value) : json_null(), "unit",
		item->unit, "allowed",
		asked ? json_real(item->allowed) : json_null());

	if (item->why)
		json_object_set_new(json, "why", json_string(item->why));
	json_object_set_new(json, "met",
			    item->why ? json_false()
			    : asked ? json_boolean(item->value <= item->allowed)
				    : json_null());
	return json;
}

json_t *targets_pack(const struct targets *t)
{
	const struct target rest = {
		.name = "targets beyond these",
		.unit = "",
		.value = t->dropped,
		.has_value = true,
		.why = "there are too many",
	};
	json_t *json = json_array();

	for (unsigned int i = 0; i < t->num; i++)
		json_array_append_new(json, item_pack(&t->item[i]));
	if (t->dropped)
		json_array_append_new(json, item_pack(&rest));
	return json;
}
