/* SPDX-License-Identifier: MIT */
/*
 * Subcommands: a file each, thin, over the core. A subcommand is a function that
 * returns its exit status, or -errno with the error set; main() prints that.
 */
#ifndef VF_CMD_H
#define VF_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "core/gc.h"
#include "core/prefetch.h"
#include "core/state.h"
#include "vmfork_payload.h"

#define CMD_EXIT_DONE	0
#define CMD_EXIT_FAILED 1
#define CMD_EXIT_USAGE	2
#define CMD_EXIT_PARTLY 3

/* What every subcommand gets. */
struct cmd {
	const char *name;	/* its own */
	const char *state_path; /* --state */
	bool json;		/* --json */
	bool usage_error;	/* set where the command line is at fault */
	int cancel_fd;		/* readable once the user gives up */
	int64_t start_us;	/* when the command began */
};

enum opt_type {
	OPT_FLAG,   /* bool */
	OPT_NEGATE, /* bool, set to false */
	OPT_STRING, /* const char * */
	OPT_UINT,   /* unsigned int */
	OPT_SIZE,   /* uint64_t: bytes, with K, M, G behind it */
	OPT_WORDS,  /* struct opt_words: may be given several times */
	OPT_ORDER,  /* struct opt_order: their order among each other counts */
	OPT_TABLE,  /* no option: a table of further ones stands in @value */
};

#define OPT_WORDS_MAX 16

/* The arguments of an option that may be given several times, in their order. */
struct opt_words {
	const char *word[OPT_WORDS_MAX];
	unsigned int num;
};

struct opt;

#define OPT_ORDER_MAX 64

/* Options that share one of these are noted in the order of the command line. */
struct opt_order {
	struct {
		const struct opt *opt;
		const char *arg; /* NULL if it takes none */
	} item[OPT_ORDER_MAX];
	unsigned int num;
};

/* One option. A table of them ends with an entry without a name. */
struct opt {
	const char *name;
	char letter; /* 0: none */
	enum opt_type type;
	void *value;
	const char *arg; /* what stands for its argument in the help */
	const char *help;
};

/* What a subcommand takes. */
struct usage {
	const char *args; /* as the help shows them */
	const char *summary;
	const struct opt *opts;
	int min_args;
	int max_args; /* -1: any number */
};

/**
 * cmd_parse() - Parse a subcommand's options and print its help
 * @cmd:	command; --state, --json, --verbose and --quiet are its own
 * @usage:	what it takes
 * @argc:	in: number of words; out: of the arguments that remain
 * @argv:	in: words; out: the arguments that remain
 * @err:	error
 *
 * Return: 0, 1 if the help was asked for and nothing else is to be done,
 * -EINVAL
 */
int cmd_parse(struct cmd *cmd, const struct usage *usage, int *argc,
	      char ***argv, struct vf_err *err);

/**
 * cmd_usage_error() - The command line is at fault
 * @cmd:	command
 * @err:	error
 * @fmt:	what is wrong
 *
 * Return: -EINVAL
 */
int cmd_usage_error(struct cmd *cmd, struct vf_err *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * cmd_parse_policy() - What hooks that fail shall mean
 * @cmd:	command
 * @policy:	out
 * @word:	what was given with --hooks
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int cmd_parse_policy(struct cmd *cmd, enum vmfork_policy *policy,
		     const char *word, struct vf_err *err);

/**
 * cmd_parse_size() - Read a number of bytes
 * @text:	digits, and K, M, G or T behind them
 * @bytes:	out
 *
 * Return: 0, -EINVAL, -ERANGE
 */
int cmd_parse_size(const char *text, uint64_t *bytes);

/**
 * cmd_parse_prefetch() - What is to be read ahead of a fork's image
 * @cmd:	command
 * @wish:	out
 * @word:	what was given with --prefetch
 * @err:	error
 *
 * Return: 0 or -EINVAL
 */
int cmd_parse_prefetch(struct cmd *cmd, struct prefetch_wish *wish,
		       const char *word, struct vf_err *err);

/**
 * cmd_print_json() - Print one JSON document on standard output
 * @json:	document
 * @err:	error
 *
 * Return: 0 or -errno, if standard output does not take it
 */
int cmd_print_json(const json_t *json, struct vf_err *err);

/**
 * cmd_print_lines() - Print what was done: an array of strings, or a line each
 * @cmd:	command: --json or not
 * @lines:	array of strings
 * @err:	error
 *
 * Return: CMD_EXIT_DONE or -errno
 */
int cmd_print_lines(const struct cmd *cmd, const json_t *lines,
		    struct vf_err *err);

/* A column of a table: title, and the key in each row's object. */
struct column {
	const char *title;
	const char *key; /* may name a nested key: "timeline_us.acked" */
	bool is_us;	 /* print microseconds as milliseconds */
	bool is_bytes;	 /* print bytes as MiB */
};

/**
 * cmd_print_table() - Print an array of objects as an aligned table
 * @rows:	array
 * @columns:	columns
 * @num:	how many, at most 16
 */
void cmd_print_table(const json_t *rows, const struct column *columns,
		     unsigned int num);

/**
 * cmd_print_rows() - Print an array as JSON or as a table, as was asked for
 * @cmd:	command
 * @rows:	array of objects
 * @columns:	columns of the table
 * @num:	how many
 * @err:	error
 *
 * Return: CMD_EXIT_DONE or -errno
 */
int cmd_print_rows(const struct cmd *cmd, const json_t *rows,
		   const struct column *columns, unsigned int num,
		   struct vf_err *err);

/* What a verb does with the state directory; returns as the verb does. */
typedef int cmd_state_fn(struct cmd *cmd, const struct vf_state *state,
			 void *ctx, struct vf_err *err);

/**
 * cmd_change() - Run the part of a verb that changes the state directory
 * @cmd:	command
 * @effect:	whether it makes things, or only takes them away
 * @fn:		that part
 * @ctx:	for @fn
 * @err:	error
 *
 * Return: what @fn returned, or -errno if it could not be called
 */
int cmd_change(struct cmd *cmd, enum gc_effect effect, cmd_state_fn *fn,
	       void *ctx, struct vf_err *err);

/**
 * cmd_read() - Run the part of a verb that reads the state directory
 * @cmd:	command
 * @fn:		that part
 * @ctx:	for @fn
 * @err:	error
 *
 * Return: see cmd_change()
 */
int cmd_read(struct cmd *cmd, cmd_state_fn *fn, void *ctx, struct vf_err *err);

typedef int cmd_fn(struct cmd *cmd, int argc, char **argv, struct vf_err *err);

cmd_fn cmd_run, cmd_ps, cmd_inspect, cmd_console, cmd_stop, cmd_start,
	cmd_snapshot, cmd_snapshots, cmd_rmi, cmd_fork, cmd_net, cmd_gc,
	cmd_doctor, cmd_version, cmd_bench, cmd_bench_ack, cmd_bench_burst,
	cmd_bench_pause, cmd_pool, cmd_bake;

#endif
