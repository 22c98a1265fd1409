/* SPDX-License-Identifier: MIT */
/*
 * The end of what a booting guest writes on its console, kept in memory in case
 * it has to be shown. No file: a guest that floods its console would fill it.
 */
#ifndef VF_TAIL_H
#define VF_TAIL_H

#include <stdbool.h>
#include <stddef.h>

#define TAIL_BYTES 2048

struct tail {
	int fd; /* the console; -1: nothing is read */
	size_t used;
	char text[TAIL_BYTES + 1];
};

/**
 * tail_open() - Begin to listen
 * @tail:	out; tail_close() it
 * @run_fd:	run directory of the VM
 *
 * Without a console there is nothing to be shown, which is no error.
 */
void tail_open(struct tail *tail, int run_fd);

/**
 * tail_read() - Take what has come since
 * @tail:	tail
 */
void tail_read(struct tail *tail);

/**
 * tail_has() - Is it said there?
 * @tail:	tail
 * @text:	words
 *
 * Return: true if it is among the last TAIL_BYTES that were read
 */
bool tail_has(const struct tail *tail, const char *text);

/**
 * tail_show() - Show the last lines, made printable and cut
 * @tail:	tail
 */
void tail_show(struct tail *tail);

/**
 * tail_close() - Stop listening
 * @tail:	tail
 */
void tail_close(struct tail *tail);

#endif
