/* SPDX-License-Identifier: MIT */
/* Targets of a benchmark, as its report has them. */
#ifndef VF_CMD_TARGETS_H
#define VF_CMD_TARGETS_H

#include <jansson.h>
#include <stdbool.h>

/**
 * targets_print() - A line each, on standard output
 * @targets:	array, see bench/target.h
 */
void targets_print(const json_t *targets);

/**
 * targets_are_met() - Are all met of which something is asked?
 * @targets:	array
 *
 * Return: true if so
 */
bool targets_are_met(const json_t *targets);

#endif
