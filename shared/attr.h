/* SPDX-License-Identifier: MIT */
/*
 * Attributes: the format of a mail's payload (vmfork_mailbox.h, "PAYLOAD").
 *
 * The format is netlink's, so that its rules need no explanation, but the code
 * is not libmnl's: both sides use this one file, it needs no library on the
 * host, and it is fuzzed where it runs.
 */
#ifndef VMFORK_ATTR_H
#define VMFORK_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a list of attributes is written; a list that does not fit is remembered. */
struct attr_writer {
	uint8_t *buf;
	size_t size;
	size_t len; /* bytes used; always a multiple of 4 */
	bool overflow;
};

/* One attribute as it was read; @value points into the list. */
struct attr {
	uint16_t type; /* without the flags */
	bool nested;
	bool mandatory;
	uint16_t len; /* of the value, bytes */
	const uint8_t *value;
};

/**
 * attr_put() - Append an attribute
 * @w:		writer
 * @type:	type, with VMFORK_ATTR_MANDATORY where wanted
 * @value:	bytes
 * @len:	how many
 */
void attr_put(struct attr_writer *w, uint16_t type, const void *value,
	      size_t len);

/**
 * attr_nest_start() - Open a nested list
 * @w:		writer
 * @type:	type of the attribute that holds the list
 *
 * Return: a mark for attr_nest_end()
 */
size_t attr_nest_start(struct attr_writer *w, uint16_t type);

/**
 * attr_nest_end() - Close a nested list
 * @w:		writer
 * @mark:	from attr_nest_start()
 */
void attr_nest_end(struct attr_writer *w, size_t mark);

/**
 * attr_next() - Take the next attribute off a list
 * @list:	in: the list; out: what follows the attribute
 * @len:	in: its length in bytes; out: what remains
 * @attr:	out: the attribute
 *
 * Return: 1 if there was one, 0 at the end, -EBADMSG if the list is malformed
 */
int attr_next(const uint8_t **list, size_t *len, struct attr *attr);

#endif
