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

		printf("%s: %.2f%s",
		       json_string_value(json_object_get(t, "name")),
		       json_real_value(json_object_get(t, "value")),
		       json_string_value(json_object_get(t, "unit")));
		if (!json_is_null(met))
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
