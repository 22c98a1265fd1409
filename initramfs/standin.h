/* SPDX-License-Identifier: MIT */
/*
 * The stand-in: what a guest is measured with in place of the agent. It has an
 * armed mailbox, waits for mail in one of a few ways, does with it one of a few
 * things, and sends the acknowledgement once; then it is done for ever. standin.c
 * has the page and the order, standin_wake.c the waiting, standin_way.c what is
 * done.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include "mail.h"
#include "vmfork_ack.h"

struct standin;

/* How it notices. */
struct standin_wake {
	const char *name;
	bool can_spin; /* for the moment of a snapshot, if it is asked to */
	/* before the page is armed; 0 or -errno */
	int (*open)(struct standin *s);
	/*
	 * Return: enum vmfork_signal once there is mail (none if a line told),
	 * or -errno
	 */
	int (*wait)(struct standin *s);
};

/* What it does with its mail. */
struct standin_way {
	const char *name;
	/* out: source and target of the acknowledgement; 0 or -errno */
	int (*apply)(struct standin *s);
};

struct standin {
	const struct standin_way *way;
	const struct standin_wake *wake;
	volatile struct vmfork_mailbox *page;
	struct vmfork_mail mail; /* as it was taken */
	struct vmfork_identity id;
	uint64_t spin_end_ns; /* 0: it does not */
	int wake_fd;
	int rtnl_fd;
	int udp_fd;
	unsigned int ifindex;
	uint8_t from[4]; /* the acknowledgement's addresses and port */
	uint8_t to[4];
	uint16_t to_port;
	struct vmfork_ack ack;
};

/**
 * standin_wake_find() - A way to notice
 * @name:	its name
 *
 * Return: it, or NULL
 */
const struct standin_wake *standin_wake_find(const char *name);

/**
 * standin_way_find() - A thing to do
 * @name:	its name
 *
 * Return: it, or NULL
 */
const struct standin_way *standin_way_find(const char *name);

/**
 * standin_has_mail() - Is there mail? Answers the host's requests as well
 * @s:		stand-in, armed
 *
 * Return: true if so
 */
bool standin_has_mail(struct standin *s);

/**
 * standin_spun() - It spins no longer, and says so
 * @s:		stand-in
 */
void standin_spun(struct standin *s);

#endif
