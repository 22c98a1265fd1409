/* SPDX-License-Identifier: MIT */
/*
 * The agent is put into a root file system, with what starts it, and taken out
 * again: of a directory, an archive or a disk's image.
 */
#ifndef BAKE_BAKE_H
#define BAKE_BAKE_H

#include "bake/init.h"
#include "base/err.h"
#include "base/json.h"

enum bake_action { BAKE_INSTALL, BAKE_REMOVE, BAKE_CHECK };

struct bake_request {
	const char *target;
	enum bake_action action;
	enum init_kind init;
	const char *signal;  /* that the agent waits for */
	const char *modules; /* kernel, or directory; NULL: none */
	const char *hooks;   /* directory; NULL: none */
	int cancel_fd;	     /* readable once the user gives up; or -1 */
};

/**
 * bake_run() - Do what is asked for
 * @request:	request
 * @report:	out: "target", "kind", "state" (baked, unchanged, removed, none,
 *		or damaged), and of the manifest "init", "signal", "modules";
 *		"paths"; "faults": what is not as it was baked, or had to stay
 * @err:	error
 *
 * Return: 0 or -errno, -ECANCELED; on failure the target is as it was. What is done
 * to a directory takes too little time to be interrupted; one in which the way back,
 * or the rest of the way, failed too has a journal, and the next call goes on from it.
 */
int bake_run(const struct bake_request *request, json_t **report,
	     struct vf_err *err);

#endif
