/* SPDX-License-Identifier: MIT */
/* A small root file system as a directory, and bakes of it. */
#ifndef TEST_BAKE_FIXTURE_H
#define TEST_BAKE_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/bake_root.h"

struct fixture {
	struct scratch dir;
	char root[128];
	char source[128];
	char outside[128];
	struct bake_request request;
	json_t *report;
	bool failed;	 /* in a child */
	bool is_lasting; /* each call fails there, from one on */
	struct vf_err err;
};

static inline int setup(void **state)
{
	struct fixture *fix = calloc(1, sizeof(*fix));

	if (!fix || scratch_init(&fix->dir) < 0)
		return -1;
	*state = fix;
	snprintf(fix->root, sizeof(fix->root), "%s/root", fix->dir.path);
	snprintf(fix->source, sizeof(fix->source), "%s/source", fix->dir.path);
	snprintf(fix->outside, sizeof(fix->outside), "%s/outside",
		 fix->dir.path);
	fix->request = (struct bake_request){ .target = fix->root,
					      .signal = "auto",
					      .cancel_fd = -1 };
	if (root_source(fix->source) < 0 || mkdir(fix->root, 0755) < 0 ||
	    root_file(fix->root, "etc/inittab", ROOT_INITTAB) < 0 ||
	    mkdir(fix->outside, 0755) < 0)
		return -1;
	return root_file(fix->root, "bin/busybox", "busybox");
}

static inline int teardown(void **state)
{
	struct fixture *fix = *state;
	int ret = scratch_exit(&fix->dir);

	json_decref(fix->report);
	free(fix);
	return ret;
}

/* Return: what bake_run() returned */
static inline int run(struct fixture *fix, enum bake_action action)
{
	json_decref(fix->report);
	fix->report = NULL;
	fix->err = (struct vf_err){ 0 };
	fix->request.action = action;
	return bake_run(&fix->request, &fix->report, &fix->err);
}

static inline void comes_to(struct fixture *fix, enum bake_action action,
			    const char *state)
{
	int ret = run(fix, action);

	if (ret < 0)
		fail_msg("%s", fix->err.msg);
	assert_string_equal(
		json_string_value(json_object_get(fix->report, "state")),
		state);
}

static inline void refuses(struct fixture *fix, enum bake_action action,
			   int error, const char *words)
{
	__free char *before = root_list(fix->dir.path), *after = NULL;

	assert_int_equal(run(fix, action), error);
	if (!strstr(fix->err.msg, words))
		fail_msg("'%s' has no '%s'", fix->err.msg, words);
	after = root_list(fix->dir.path);
	assert_string_equal(before, after);
}

static inline void text_of(struct fixture *fix, const char *name,
			   const char *wanted)
{
	__free char *text = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fix->root, name);
	assert_int_equal(
		vf_read_file(AT_FDCWD, path, 1 << 20, &text, NULL, &fix->err),
		0);
	assert_string_equal(text, wanted);
}

#endif
