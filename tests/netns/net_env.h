/* SPDX-License-Identifier: MIT */
/* What the tests of networks have in common; each program includes it once. */
#ifndef TESTS_NET_ENV_H
#define TESTS_NET_ENV_H

#include <fcntl.h>
#include <nftables/libnftables.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "net/net.h"
#include "netns/netns.h"

/* A private namespace, a state directory, and what was there at first. */
struct env {
	char dir[32];
	int dir_fd;
	int state_fd;
	char *links;
	char *rules;
	struct vf_err err;
};

#define assert_ok(env, call)                                       \
	do {                                                       \
		if ((call) < 0)                                    \
			fail_msg("%s: %s", #call, (env)->err.msg); \
	} while (0)

static inline char *env_rules(void)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
	char *text;

	assert_non_null(ctx);
	nft_ctx_buffer_output(ctx);
	assert_int_equal(nft_run_cmd_from_buffer(ctx, "list ruleset"), 0);
	text = strdup(nft_ctx_get_output_buffer(ctx));
	nft_ctx_free(ctx);
	return text;
}

static inline int env_setup(void **state)
{
	struct env *env = calloc(1, sizeof(*env));
	int ret = netns_enter();

	*state = env;
	if (ret < 0) {
		/* cmocka takes a skip in the test only */
		print_message("%s\n", netns_skip_reason(ret));
		env->dir_fd = env->state_fd = -1;
		return 0;
	}
	strcpy(env->dir, "/tmp/vmfork-net-XXXXXX");
	assert_non_null(mkdtemp(env->dir));
	env->dir_fd = open(env->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	env->state_fd = vf_mkdir_open(env->dir_fd, "net", &env->err);
	assert_true(env->state_fd >= 0);
	env->links = netns_dump();
	env->rules = env_rules();
	return 0;
}

static inline int env_teardown(void **state)
{
	struct env *env = *state;

	if (env->state_fd >= 0) {
		close(env->state_fd);
		close(env->dir_fd);
		vf_remove_tree(AT_FDCWD, env->dir);
	}
	free(env->links);
	free(env->rules);
	free(env);
	return 0;
}

/* The test's environment; a test that cannot run here ends. */
static inline struct env *env_get(void **state)
{
	struct env *env = *state;

	if (env->state_fd < 0)
		skip();
	return env;
}

/* Nothing of ours is left in links, addresses, neighbours or rules. */
static inline void env_check_clean(struct env *env)
{
	__free char *links = netns_dump(), *rules = env_rules();

	assert_string_equal(links, env->links);
	assert_string_equal(rules, env->rules);
}

static inline void ports_name(struct net_port *ports, unsigned int num,
			      const char *prefix)
{
	memset(ports, 0, num * sizeof(*ports));
	for (unsigned int i = 0; i < num; i++)
		snprintf(ports[i].owner, sizeof(ports[i].owner), "%s-%u",
			 prefix, i);
}

#define env_test(name) \
	cmocka_unit_test_setup_teardown(name, env_setup, env_teardown)

#endif
