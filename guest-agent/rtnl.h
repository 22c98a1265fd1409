/* SPDX-License-Identifier: MIT */
/* The agent's one way to netlink: batches, dumps, events. */
#ifndef AGENT_RTNL_H
#define AGENT_RTNL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTNL_BATCH_SIZE	  65536
#define RTNL_BATCH_MAX	  1024 /* messages */
#define RTNL_MESSAGE_ROOM 512  /* bytes that a message made by us may take */
#define RTNL_RECEIVE_SIZE 32768
#define RTNL_TOLERATE_ALL (-1)

struct rtnl {
	int fd;
	uint32_t portid; /* the socket's own address */
	uint32_t seq;
	/* whole, aligned messages are received here */
	uint8_t buf[RTNL_RECEIVE_SIZE] __attribute__((aligned(8)));
};

/* Messages that leave in one send, and what became of each. */
struct rtnl_batch {
	size_t len;
	unsigned int num;
	bool overflow;
	struct {
		uint32_t step; /* enum vmfork_step */
		int tolerate;  /* an errno that is no failure, 0 for none */
		int error;     /* out: errno */
	} msg[RTNL_BATCH_MAX];
	uint8_t buf[RTNL_BATCH_SIZE] __attribute__((aligned(8)));
};

/* @arg: the dump's; return 0 to go on, -errno to remember a failure */
typedef int (*rtnl_cb)(const struct nlmsghdr *msg, void *arg);

/**
 * rtnl_open() - Open a socket
 * @rtnl:	out: socket
 * @groups:	RTMGRP_* bits to listen to, 0 for none
 *
 * Return: 0 or -errno
 */
int rtnl_open(struct rtnl *rtnl, uint32_t groups);

/**
 * rtnl_open_diag() - Open a socket that is asked about sockets
 * @rtnl:	socket
 *
 * Return: 0 or -errno
 */
int rtnl_open_diag(struct rtnl *rtnl);

/**
 * rtnl_listen() - Change what a socket listens to
 * @rtnl:	socket
 * @groups:	RTMGRP_* bits, 0 for none
 *
 * Return: 0 or -errno
 */
int rtnl_listen(struct rtnl *rtnl, uint32_t groups);

/**
 * rtnl_close() - Close it
 * @rtnl:	socket
 */
void rtnl_close(struct rtnl *rtnl);

/**
 * rtnl_batch_reset() - Empty a batch
 * @batch:	batch
 */
void rtnl_batch_reset(struct rtnl_batch *batch);

/**
 * rtnl_batch_put() - Begin a message; rtnl_batch_end() ends it
 * @batch:	batch
 * @type:	RTM_*
 * @flags:	NLM_F_* besides REQUEST and ACK
 * @step:	enum vmfork_step that it belongs to
 * @tolerate:	errno that is no failure, 0, or RTNL_TOLERATE_ALL
 *
 * Return: the message, with RTNL_MESSAGE_ROOM bytes to fill. If the batch is
 * full that is remembered, and the message goes nowhere.
 */
struct nlmsghdr *rtnl_batch_put(struct rtnl_batch *batch, uint16_t type,
				uint16_t flags, uint32_t step, int tolerate);

/**
 * rtnl_batch_end() - End the message begun last
 * @batch:	batch
 * @msg:	from rtnl_batch_put()
 */
void rtnl_batch_end(struct rtnl_batch *batch, const struct nlmsghdr *msg);

/**
 * rtnl_batch_copy() - Append a message of a dump, to be sent back
 * @batch:	batch
 * @from:	message
 * @type:	RTM_* that it shall have
 * @flags:	see rtnl_batch_put()
 * @step:	see rtnl_batch_put()
 * @tolerate:	see rtnl_batch_put()
 *
 * Return: the copy, or NULL if it does not fit; that is not remembered
 */
struct nlmsghdr *rtnl_batch_copy(struct rtnl_batch *batch,
				 const struct nlmsghdr *from, uint16_t type,
				 uint16_t flags, uint32_t step, int tolerate);

/**
 * rtnl_batch_send() - Send a batch, collect one answer per message
 * @rtnl:	socket
 * @batch:	batch
 *
 * A message that fails does not stop those after it.
 *
 * Return: 0 or -errno of the transport; what the kernel said to each message
 * is in @batch, see rtnl_batch_failed()
 */
int rtnl_batch_send(struct rtnl *rtnl, struct rtnl_batch *batch);

/**
 * rtnl_batch_failed() - Find the first message that failed
 * @batch:	batch that was sent
 *
 * Return: its index, or -1 if none did
 */
int rtnl_batch_failed(const struct rtnl_batch *batch);

/**
 * rtnl_dump() - Read one of the kernel's tables
 * @rtnl:	socket
 * @type:	RTM_GET*
 * @cb:		called for each message, again from the start after -EINTR
 * @arg:	for @cb
 *
 * Return: 0, -EINTR if the table changed meanwhile, -errno, or what @cb returned
 */
int rtnl_dump(struct rtnl *rtnl, uint16_t type, rtnl_cb cb, void *arg);

/**
 * rtnl_query() - Read a table, or what a question of one's own asks for
 * @rtnl:	socket
 * @query:	message; its flags and sequence are filled in
 * @cb:		called for each message
 * @arg:	for @cb
 *
 * Return: as rtnl_dump()
 */
int rtnl_query(struct rtnl *rtnl, struct nlmsghdr *query, rtnl_cb cb,
	       void *arg);

/**
 * rtnl_events() - Read the events that are waiting
 * @rtnl:	socket opened with groups
 * @cb:		called for each
 * @arg:	for @cb
 *
 * Return: 0, -ENOBUFS if some were lost, -errno, or what @cb returned
 */
int rtnl_events(struct rtnl *rtnl, rtnl_cb cb, void *arg);

#endif
