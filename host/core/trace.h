/* SPDX-License-Identifier: MIT */
/*
 * A burst as a trace: what the command did for all forks at once, and each stage
 * of each fork, on one axis, in the format that chrome://tracing and Perfetto
 * read ("Trace Event Format": complete events, instants, metadata). The command
 * is the first process of the trace, each fork another with three tracks: what
 * the host did for it, its engine, its guest.
 */
#ifndef VF_TRACE_H
#define VF_TRACE_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>

#include "base/err.h"

#define TRACE_SPANS_MAX 24

/* What a command does for all forks; times on vf_now_us()'s clock. */
struct trace {
	unsigned int num;
	struct {
		const char *name; /* a literal */
		int64_t from_us;
		int64_t at_us;
	} span[TRACE_SPANS_MAX];
};

struct fork_result;

/* Where a trace goes. */
struct trace_file {
	int dir_fd; /* -1: nowhere */
	const char *path;
	char name[NAME_MAX + 1];
};

/**
 * trace_note() - A span ends
 * @trace:	trace; what it has no room for is not noted
 * @name:	what was done, a literal
 * @from_us:	when that began
 */
void trace_note(struct trace *trace, const char *name, int64_t from_us);

/**
 * trace_pack() - A command's forks as a trace
 * @result:	forks
 * @snapshot:	of what
 *
 * Return: an object, a new reference
 */
json_t *trace_pack(const struct fork_result *result, const char *snapshot);

/**
 * trace_file_open() - Find out whether a trace can be written to a file
 * @file:	out: trace_file_close() it, also after a failure
 * @path:	file, which may exist; NULL: none
 * @err:	error
 *
 * Nothing of that name is made or changed yet.
 *
 * Return: 0 or -errno
 */
int trace_file_open(struct trace_file *file, const char *path,
		    struct vf_err *err);

/**
 * trace_file_write() - Write a trace, so that readers see all of it or none
 * @file:	file; nothing is done if there is none
 * @result:	forks
 * @snapshot:	of what
 * @err:	error
 *
 * Return: 0 or -errno
 */
int trace_file_write(const struct trace_file *file,
		     const struct fork_result *result, const char *snapshot,
		     struct vf_err *err);

/**
 * trace_file_close() - Let go of it
 * @file:	file
 */
void trace_file_close(struct trace_file *file);

#endif
