// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cmd/targets.h"

void targets_print(const json_t *targets)
{
	json_t *t;
	size_t i;

	printf("\n");
	json_array_foreach(targets, i, t) {
		const json_t *met = json_object_get(t, "met");
		const json_t *value = json_object_get(t, "value");
		const json_t *why = json_object_get(t, "why");

		printf("%s:", json_string_value(json_object_get(t, "name")));
		if (!json_is_null(value))
			printf(" %.2f%s", json_real_value(value),
			       json_string_value(json_object_get(t, "unit")));
		if (why)
			printf(" (not judged: %s)", json_string_value(why));
		else if (!json_is_null(met))
			printf(" (at most %.2f: %s)",
			       json_real_value(json_object_get(t, "allowed")),
			       json_is_true(met) ? "met" : "not met");
		printf("\n");
	}
}

bool targets_are_met(const json_t *targets)
{
	json_t *t;
	size_t i;

	json_array_foreach(targets, i, t)
		if (json_is_false(json_object_get(t, "met")))
			return false;
	return true;
}
