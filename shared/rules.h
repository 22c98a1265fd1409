/* SPDX-License-Identifier: MIT */
/*
 * The rules of a mail's attributes: what each is called, how long its value is
 * and what it may hold within. One tree for both sides, so that a host can name
 * what a guest refused by numbers alone (vmfork_mailbox.h, enum vmfork_why).
 */
#ifndef VMFORK_RULES_H
#define VMFORK_RULES_H

#include "attr.h"
#include "vmfork_payload.h"

#define RULES_TEXT_SIZE 96 /* for rules_describe(), the longest text included */
#define RULES_TYPES_MAX 32 /* of one kind of list: a bit each */

/* A kind of list: the rows are indexed by attribute type. */
struct rules {
	const struct rule *row;
	unsigned int num;
};

struct rule {
	const char *name; /* NULL: no attribute has this type */
	uint16_t min_len; /* of the value, bytes */
	uint16_t max_len;
	bool is_repeated;	  /* a list may hold several */
	const struct rules *list; /* the value is a list of these; else NULL */
};

/* The list that a payload is; the others hang below it. */
extern const struct rules rules_mail;
extern const struct rules rules_link;
extern const struct rules rules_route;
extern const struct rules rules_ack;
extern const struct rules rules_dns;

/* A list while it is read. */
struct rules_walk {
	const struct rules *rules; /* of this kind of list */
	const uint8_t *list;	   /* what is left of it */
	size_t len;		   /* bytes */
	uint32_t seen;		   /* bits of the attributes that it has had */
};

/**
 * rules_next() - Take the next attribute that is to be read off a list
 * @walk:	list, its form checked on the way; @seen is 0 at its beginning
 * @attr:	out: attribute, of a known type and an allowed length
 * @detail:	out, on failure: what is wrong
 *
 * What is unknown and not mandatory is passed over.
 *
 * Return: 1 if there was one, 0 at the end, -EOPNOTSUPP, -EBADMSG
 */
int rules_next(struct rules_walk *walk, struct attr *attr, uint32_t *detail);

/**
 * rules_fail() - Note what is wrong with an attribute
 * @detail:	out
 * @type:	its type, 0 for the list as a whole
 * @why:	reason
 * @ret:	what to return
 *
 * Return: @ret
 */
int rules_fail(uint32_t *detail, uint16_t type, enum vmfork_why why, int ret);

/**
 * rules_within() - A failure happened within a list: say in which
 * @detail:	in and out
 * @type:	type of the attribute that holds the list
 * @ret:	what to return
 *
 * Return: @ret
 */
int rules_within(uint32_t *detail, uint16_t type, int ret);

/**
 * rules_describe() - A detail in words: "link.route.metric: out of range"
 * @detail:	as it came from the other side, unchecked
 * @text:	out
 *
 * Return: @text
 */
const char *rules_describe(uint32_t detail, char text[RULES_TEXT_SIZE]);

#endif
