/* SPDX-License-Identifier: MIT */
/*
 * How many descriptors this process may have, and which. A burst holds some for
 * each fork, and the usual soft limit is there for who waits by select().
 */
#ifndef VF_FILES_H
#define VF_FILES_H

/**
 * files_raise() - Let the calling process have as many as it may
 *
 * Programs that process_spawn() starts have the usual limit again.
 */
void files_raise(void);

/**
 * files_usual() - Have no more than the usual limit; async-signal-safe
 */
void files_usual(void);

/**
 * files_left() - How many more can be opened?
 *
 * Return: at least so many, as long as nothing was closed out of order
 */
unsigned int files_left(void);

/**
 * files_lift() - Keep low numbers free for who waits by select()
 * @fd:		descriptor that is kept for long; becomes a higher one if it is
 *		beyond the first hundred, and if there is one; -1: none
 */
void files_lift(int *fd);

#endif
