/* SPDX-License-Identifier: MIT */
/*
 * Signals: how the guest notices that it was restored. One file per source
 * behind one ops table; "auto" is all sources that can notify, at once.
 *
 * Each source keeps the last value that it saw. A wake asks all of them, so
 * that one restore is counted once however many sources it fires; a source that
 * fires late is accounted for by signals_take().
 */
#ifndef AGENT_SIGNALS_H
#define AGENT_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmclock.h"
#include "vmfork_mailbox.h"

#define SIGNALS_MAX 4

struct signal_source;

struct signal_ops {
	const char *name;
	enum vmfork_signal kind;
	bool in_auto; /* part of "auto", if it can notify */
	/*
	 * Note the present value. @chosen: asked for by name, so means that
	 * cost something are allowed.
	 * Return: 0, -errno; with @why (a literal) set.
	 */
	int (*open)(struct signal_source *src, bool chosen, const char **why);
	/* Return: 1 if the value is another than at the last look, 0, -errno */
	int (*look)(struct signal_source *src);
	/* Watch for at most @ns; NULL: poll @fd. */
	void (*watch)(struct signal_source *src, uint64_t ns);
	void (*close)(struct signal_source *src);
};

struct signal_source {
	const struct signal_ops *ops;
	int fd;	     /* readable when there is something to look at; -1 */
	int dev_fd;  /* the device, where @fd is something else; -1 */
	bool failed; /* it is not asked any more */
	const volatile struct vmclock *clock;
	uint64_t seen; /* generation, or VMClock: disruption marker */
};

struct signals {
	struct signal_source source[SIGNALS_MAX];
	const char *missing[SIGNALS_MAX]; /* why, of those not opened */
	unsigned int num;
	uint32_t uncounted; /* sources that did not fire for the last restore */
	uint64_t restore_ns;	       /* when that was */
	struct signal_source *watched; /* the one with ops->watch, or NULL */
};

extern const struct signal_ops signal_mailbox;
extern const struct signal_ops signal_vmgenid;
extern const struct signal_ops signal_vmclock;
extern const struct signal_ops signal_vmclock_spin;

/**
 * signals_open() - Open what a name stands for
 * @sigs:	out: signals
 * @name:	"auto" or a source's name
 * @why:	out, on failure: a literal
 *
 * "auto" may come out empty: the slow check then finds the mail.
 *
 * Return: 0, -EINVAL for an unknown name, -errno
 */
int signals_open(struct signals *sigs, const char *name, const char **why);

/**
 * signals_tell() - Log which sources there are not, and why
 * @sigs:	signals, opened as "auto"
 */
void signals_tell(const struct signals *sigs);

/**
 * signals_close() - Close them
 * @sigs:	signals
 */
void signals_close(struct signals *sigs);

/**
 * signals_look() - Ask all sources; what they say counts as seen
 * @sigs:	signals
 *
 * Return: enum vmfork_signal of the first source that tells of a restore which
 * is not accounted for, or VMFORK_SIGNAL_NONE
 */
enum vmfork_signal signals_look(struct signals *sigs);

/**
 * signals_account() - A restore is being handled; late sources are part of it
 * @sigs:	signals
 * @kind:	what told of it
 */
void signals_account(struct signals *sigs, enum vmfork_signal kind);

/**
 * kmsg_is_fork() - Is it the kernel's word that the VM was forked?
 * @record:	one record of /dev/kmsg
 * @len:	its length in bytes
 *
 * Return: true if so; userspace cannot write such a record
 */
bool kmsg_is_fork(const char *record, unsigned long len);

/**
 * vmclock_value() - What a VMClock page says of its generation
 * @clock:	page, mapped
 * @value:	out: the generation counter, or the disruption marker where there
 *		is none
 *
 * Return: 0, or -EAGAIN if the hypervisor was writing all the time
 */
int vmclock_value(const volatile struct vmclock *clock, uint64_t *value);

#endif
