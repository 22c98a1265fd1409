/* SPDX-License-Identifier: MIT */
/* What was hoped for, and whether it came so. */
#ifndef VF_TARGET_H
#define VF_TARGET_H

#include <jansson.h>

#define TARGETS_MAX 64

struct target {
	char name[120];
	const char *unit;
	double value;
	double allowed; /* at most; 0: only stated */
};

struct targets {
	struct target item[TARGETS_MAX];
	unsigned int num;
};

/**
 * target_add() - One more
 * @t:		targets; one too many is dropped
 * @value:	what was measured
 * @unit:	its unit, a literal
 * @allowed:	what it may be at most; 0: it is only stated
 * @fmt:	what it is
 */
void target_add(struct targets *t, double value, const char *unit,
		double allowed, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * targets_pack() - All of them as JSON
 * @t:		targets
 *
 * Return: an array of {name, value, unit, allowed, met}, the last two null where
 * it is only stated; a new reference
 */
json_t *targets_pack(const struct targets *t);

#endif
