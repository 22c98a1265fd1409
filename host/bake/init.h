/* SPDX-License-Identifier: MIT */
/* How a root file system starts the agent. */
#ifndef BAKE_INIT_H
#define BAKE_INIT_H

#include "bake/plan.h"
#include "bake/source.h"

enum init_kind {
	INIT_AUTO,
	INIT_SYSTEMD,
	INIT_OPENRC,
	INIT_BUSYBOX,
	INIT_NONE,
	INIT_NUM,
};

#define INIT_AGENT   "/usr/sbin/vmfork-agent"
#define INIT_MODULES "/usr/lib/vmfork/modules"

/**
 * init_parse() - Which one does a word mean?
 * @kind:	out
 * @word:	auto, systemd, openrc, busybox, none
 *
 * Return: 0 or -EINVAL
 */
int init_parse(enum init_kind *kind, const char *word);

const char *init_name(enum init_kind kind);

/**
 * init_detect() - Which one is in a root file system?
 * @view:	root file system
 *
 * Return: INIT_AUTO if none is known
 */
enum init_kind init_detect(struct view *view);

/* What the agent is started with. */
struct init_wish {
	enum init_kind kind;
	const char *signal; /* "auto" is not said */
	const char
		*release; /* of the kernel whose modules there are, or NULL */
};

/**
 * init_plan() - Have the agent started at boot
 * @plan:	plan
 * @source:	where units and scripts are
 * @wish:	how
 * @err:	error
 *
 * Return: 0 or -errno, -EINVAL if that init is not there
 */
int init_plan(struct plan *plan, const struct source *source,
	      const struct init_wish *wish, struct vf_err *err);

#endif
