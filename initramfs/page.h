/* SPDX-License-Identifier: MIT */
/*
 * A program that goes on in the background, and shares a page of its memory with
 * who measures its guest from outside: what such programs do alike.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stddef.h>
#include <stdint.h>

#define PAGE_BYTES ((size_t)4096)

/**
 * page_now_ns() - What time it is
 *
 * Return: CLOCK_MONOTONIC, nanoseconds
 */
uint64_t page_now_ns(void);

/**
 * page_map() - Get zeroed memory
 * @bytes:	how much
 * @advice:	for madvise()
 *
 * Return: it, or NULL
 */
void *page_map(size_t bytes, int advice);

/**
 * page_address() - Where a page is in the machine's memory
 * @page:	page, written to and locked
 *
 * Return: its guest-physical address, 0 if that cannot be told
 */
uint64_t page_address(const volatile void *page);

/**
 * page_serve() - Have a child go on; print the address of its page
 * @program:	what it is called, for messages
 * @child:	gets ready and calls page_ready(); an end before that is a failure
 * @ctx:	for @child
 *
 * The page must not be shared with us, for it would move when it is written: so
 * @child makes it.
 *
 * Return: exit status of the program
 */
int page_serve(const char *program, void (*child)(void *ctx, int fd),
	       void *ctx);

/**
 * page_ready() - The page is what it has to be: nobody waits any more
 * @gpa:	its address
 * @fd:		as @child got it; closed
 *
 * The child has no terminal afterwards.
 *
 * Return: 0, or -1 without an address
 */
int page_ready(uint64_t gpa, int fd);

#endif
