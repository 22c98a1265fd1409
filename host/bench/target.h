/* SPDX-License-Identifier: MIT */
/* What was hoped for, and whether it came so. */
#ifndef VF_TARGET_H
#define VF_TARGET_H

#include <jansson.h>
#include <stdbool.h>

#define TARGETS_MAX 128

struct target {
	char name[120];
	const char *unit;
	double value;
	double allowed;	 /* at most; 0: only stated */
	const char *why; /* it cannot be judged, and so is not met; or NULL */
	bool has_value;
};

struct targets {
	struct target item[TARGETS_MAX];
	unsigned int num;
	unsigned int dropped; /* for which there was no room */
};

/**
 * target_add() - One more
 * @t:		targets; one too many is counted, and makes them not met
 * @value:	what was measured
 * @unit:	its unit, a literal
 * @allowed:	what it may be at most; 0: it is only stated
 * @fmt:	what it is
 */
void target_add(struct targets *t, double value, const char *unit,
		double allowed, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * target_void() - One that was asked for and cannot be judged: it is not met
 * @t:		targets
 * @value:	what was measured; 0: nothing
 * @allowed:	what it might have been at most
 * @why:	why, a literal
 * @fmt:	what it is
 */
void target_void(struct targets *t, double value, double allowed,
		 const char *why, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * targets_pack() - All of them as JSON
 * @t:		targets
 *
 * Return: an array of {name, value, unit, allowed, met}, the last two null where
 * it is only stated; of one that cannot be judged {name, value or null, unit,
 * allowed, met: false, why}; a new reference
 */
json_t *targets_pack(const struct targets *t);

#endif
