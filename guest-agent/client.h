/* SPDX-License-Identifier: MIT */
/* The commands that look at a running agent, through its files only. */
#ifndef AGENT_CLIENT_H
#define AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_FOREVER (-1)

/**
 * client_status() - Print the status
 *
 * Return: an exit code
 */
int client_status(void);

/**
 * client_wait() - Wait until the generation is another one, print the status
 * @has_generation:	@generation was given; otherwise it is the present one
 * @generation:		than which
 * @timeout_s:		how long, or CLIENT_FOREVER
 *
 * Return: an exit code, 1 if the time is over
 */
int client_wait(bool has_generation, uint64_t generation, int timeout_s);

/**
 * client_parse_generation() - Find the generation in a status document
 * @json:	document, NUL terminated
 * @generation:	out: its generation
 *
 * Return: true if it has one
 */
bool client_parse_generation(const char *json, uint64_t *generation);

#endif
