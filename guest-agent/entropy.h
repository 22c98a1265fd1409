/* SPDX-License-Identifier: MIT */
/*
 * The kernel's random numbers in a fork. A kernel with VMGenID reseeds them
 * itself; one without got the new id mixed in by the vmfork_mailbox module,
 * which cannot make it reseed at once. That is left to us.
 */
#ifndef AGENT_ENTROPY_H
#define AGENT_ENTROPY_H

#include "mailbox.h"

/**
 * entropy_open() - Be ready to reseed, if that is ours to do
 * @mbox:	mailbox, which tells whether the module is there
 *
 * Return: descriptor for entropy_reseed(), or -1 if it is not
 */
int entropy_open(const struct mailbox *mbox);

/**
 * entropy_reseed() - Have the kernel reseed from its pool now
 * @fd:		what entropy_open() returned
 *
 * Return: what became of it
 */
enum vmfork_reseed entropy_reseed(int fd);

#endif
