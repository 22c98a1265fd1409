/* SPDX-License-Identifier: MIT */
/*
 * Kinds of handoffs: who wakes up in the guest, and how. One table; a kind is a
 * line in it, and the functions that are its own.
 */
#ifndef VF_ACK_KIND_H
#define VF_ACK_KIND_H

#include "bench/ack.h"
#include "core/fork.h"

/* Where and of what a fork is made. */
struct ack_site {
	const struct vf_state *state;
	const struct snapshot *snapshot;
	const struct ack_variant *variant;
	const char *prefix; /* of the names of forks */
	int cancel_fd;
};

/* What a kind stands for in the report. */
enum ack_role {
	ACK_ROLE_SIGNAL, /* the agent, told by that signal: chosen by --signal */
	/* all others are chosen by --compare */
	ACK_ROLE_FIRST, /* the first that can be seen of a guest */
	ACK_ROLE_LEAST, /* the least that a guest has to do to be heard */
	ACK_ROLE_IP,	/* the same as the mail asks for, by ip commands */
	ACK_ROLE_OTHER, /* another way to reconfigure a fork */
};

struct ack_kind {
	const char *name; /* in options, JSON and the CSV */
	enum ack_role role;

	/* of its source: words for the kernel's command line */
	const char *words;

	/* what wakes its forks, unless they are armed; none: whatever does */
	enum vmfork_signal signal;

	bool has_parents_mac; /* its forks: none before its source has ended */

	/**
	 * @check: can it be here? Asked in a guest with the agent, whose
	 * console has a shell; NULL: always. @why: out, untouched if it can.
	 */
	int (*check)(const struct ack_kind *kind, const struct vm *guest,
		     char why[ACK_WHY_BYTES], struct vf_err *err);

	/** @prepare: what its source needs before its snapshot; or NULL */
	int (*prepare)(struct vm *source, struct vf_err *err);

	/**
	 * @take: make one fork, measure, and end it. @row: in: all unknown;
	 * out: what was measured. Nothing of the fork may be left.
	 */
	int (*take)(struct ack_row *row, const struct ack_site *site,
		    struct vf_err *err);
};

#define ACK_KINDS_MAX 16

extern const struct ack_kind ack_kinds[];
extern const unsigned int ack_kinds_num;

/* Of a snapshot that somebody gave: no source, no name of its own. */
extern const struct ack_kind ack_kind_given;

/* What is not as usual about a fork. */
struct ack_way {
	unsigned int num_links; /* 1: @link is asked for */
	struct vm_link link;
	/* called right before it is resumed; or NULL */
	int (*resuming)(const struct fork_job *job, struct vmm *vmm, void *ctx,
			struct vf_err *err);
	/* which stage does its status tell of? NULL: that of its mail */
	enum vmfork_stage (*stage)(const struct vmfork_status *status,
				   const void *ctx);
	void *ctx;
};

/**
 * ack_take_way() - One fork with mail, measured
 * @row:	out: values
 * @site:	where
 * @way:	what is not as usual about it
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_take_way(struct ack_row *row, const struct ack_site *site,
		 const struct ack_way *way, struct vf_err *err);

/**
 * ack_reap() - End a VM of this benchmark; a failure is logged
 * @state:	state directory
 * @name:	VM
 */
void ack_reap(const struct vf_state *state, const char *name);

/**
 * ack_take() - One fork with mail, as its user makes it
 * @row:	out: values
 * @site:	where
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ack_take(struct ack_row *row, const struct ack_site *site,
	     struct vf_err *err);

#endif
