/* SPDX-License-Identifier: MIT */
/*
 * What the numbers of the mailbox are called, in JSON, tables and messages of
 * both sides. Numbers are what the other side sent, unchecked.
 */
#ifndef VMFORK_NAMES_H
#define VMFORK_NAMES_H

#include <stdint.h>

/**
 * vmfork_signal_name() - Name of a signal
 * @signal:	enum vmfork_signal
 *
 * Return: a literal, NULL if there is no such signal
 */
const char *vmfork_signal_name(uint32_t signal);

/**
 * vmfork_stage_name() - Name of a guest's stage
 * @stage:	enum vmfork_stage
 *
 * Return: a literal, NULL if there is no such stage
 */
const char *vmfork_stage_name(uint32_t stage);

/**
 * vmfork_step_name() - Name of a step that may fail
 * @step:	enum vmfork_step
 *
 * Return: a literal, NULL if there is no such step
 */
const char *vmfork_step_name(uint32_t step);

/**
 * vmfork_task_name() - Name of what follows the network
 * @task:	enum vmfork_task
 *
 * Return: a literal, NULL if there is no such task
 */
const char *vmfork_task_name(uint32_t task);

/**
 * vmfork_reseed_name() - Name of a reseed's result
 * @reseed:	enum vmfork_reseed
 *
 * Return: a literal, NULL if there is no such result
 */
const char *vmfork_reseed_name(uint32_t reseed);

/**
 * vmfork_clock_name() - Name of where the wall clock was read
 * @source:	enum vmfork_clock_source
 *
 * Return: a literal, NULL if there is no such source
 */
const char *vmfork_clock_name(uint32_t source);

#endif
