/* SPDX-License-Identifier: MIT */
/* Private network namespaces for tests, and what is in one as text. */
#ifndef TESTS_NETNS_H
#define TESTS_NETNS_H

/**
 * netns_enter() - Move this process to a private user and network namespace
 *
 * The caller is root there and lo is up. A process that is in a user namespace
 * already gets a new network namespace only, so that a program may call this
 * before each of its tests. The process must have one thread.
 *
 * Return: 0 or -errno
 */
int netns_enter(void);

/**
 * netns_skip_reason() - Why a test cannot run
 * @ret:	what netns_enter() returned
 *
 * Return: a line for the test's output; static
 */
const char *netns_skip_reason(int ret);

/**
 * netns_dump() - Links, addresses, routes and neighbours of this namespace
 *
 * Sorted lines; names in place of interface indices, and nothing that changes
 * by itself (counters, lifetimes, the state of a learned neighbour).
 *
 * Return: text, which the caller frees; NULL on failure
 */
char *netns_dump(void);

#endif
