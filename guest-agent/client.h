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

/* What is waited for. */
struct client_wait {
	bool has_generation; /* otherwise it is the present one */
	uint64_t generation; /* a generation other than this */
	bool is_settled;     /* and all done that follows a restore */
	int timeout_s;	     /* or CLIENT_FOREVER */
	char *const *exec;   /* what to become then; NULL: print the status */
};

/**
 * client_wait() - Wait for a restore
 * @wait:	what for
 *
 * Return: an exit code, 1 if the time is over, 127 if there is no such command
 */
int client_wait(const struct client_wait *wait);

/**
 * client_parse_generation() - Find the generation in a status document
 * @json:	document, NUL terminated
 * @generation:	out: its generation
 *
 * Return: true if it has one
 */
bool client_parse_generation(const char *json, uint64_t *generation);

/**
 * client_is_settled() - Does a status document say that all is done?
 * @json:	document, NUL terminated
 *
 * Return: true if so
 */
bool client_is_settled(const char *json);

#endif
