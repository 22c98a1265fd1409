// SPDX-License-Identifier: MIT
// time: 300
/* Routed networks beside others, left behind, and with many ports. */
#include "netns/net_env.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#define MANY 1100

/* Bridge and routed networks at once: whichever goes last takes the tables. */
static void test_beside_bridge(void **state)
{
	struct env *env = env_get(state);
	struct net_conf bridge = { .name = "b" };

	for (int i = 0; i < 2; i++) {
		struct net_conf routed = { .name = "r",
					   .mode = NET_MODE_ROUTED,
					   .nat = true };

		bridge = (struct net_conf){ .name = "b", .nat = true };
		assert_ok(env, net_create(env->state_fd, &bridge, &env->err));
		assert_ok(env, net_create(env->state_fd, &routed, &env->err));
		assert_ok(env,
			  net_remove(env->state_fd, i ? "r" : "b", &env->err));
		assert_ok(env,
			  net_remove(env->state_fd, i ? "b" : "r", &env->err));
		env_check_clean(env);
	}
}

static bool is_named(const char *owner, void *ctx)
{
	return !strcmp(owner, ctx);
}

static void test_gc(void **state)
{
	struct env *env = env_get(state);
	__json json_t *removed = json_array(), *again = json_array();
	__free char *links = NULL, *rules = NULL;
	__free char *links_after = NULL, *rules_after = NULL;
	struct net_conf conf = { .name = "a", .mode = NET_MODE_ROUTED };
	struct net_port ports[3];
	struct net *net;
	int fds[3];

	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
	ports_name(ports, 3, "vm");
	/* vm-0 lives; vm-1's TAP persists; vm-2 lost its TAP, and its lease */
	assert_ok(env, net_ports_lease(net, NULL, ports, 1, &env->err));
	fds[0] = net_port_open(&ports[0], &env->err);
	assert_ok(env, net_ports_attach(net, ports, 1, &env->err));
	links = netns_dump();
	rules = env_rules();
	assert_ok(env, net_ports_lease(net, NULL, ports + 1, 2, &env->err));
	fds[1] = net_port_open(&ports[1], &env->err);
	fds[2] = net_port_open(&ports[2], &env->err);
	assert_ok(env, net_ports_attach(net, ports + 1, 2, &env->err));
	assert_int_equal(ioctl(fds[1], TUNSETPERSIST, 1), 0);
	close(fds[1]);
	close(fds[2]);
	assert_ok(env, net_ports_release(net, ports + 2, 1, &env->err));
	assert_ok(env,
		  net_gc(env->state_fd, is_named, "vm-0", removed, &env->err));
	links_after = netns_dump();
	rules_after = env_rules();
	assert_string_equal(links_after, links);
	assert_string_equal(rules_after, rules);
	/* TAP, its lease, the other's rules */
	assert_true(json_array_size(removed) >= 3);
	assert_ok(env,
		  net_gc(env->state_fd, is_named, "vm-0", again, &env->err));
	assert_int_equal(json_array_size(again), 0);
	close(fds[0]);
	assert_ok(env, net_ports_detach(net, ports, 1, &env->err));
	assert_ok(env, net_ports_release(net, ports, 1, &env->err));
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
}

static long since(int64_t *start_us)
{
	int64_t now_us = vf_now_us();
	long us = now_us - *start_us;

	*start_us = now_us;
	return us;
}

/* More than a bridge takes; and all of them removed by gc at once. */
static void test_many(void **state)
{
	struct env *env = env_get(state);
	struct net_conf routed = { .name = "a", .mode = NET_MODE_ROUTED };
	struct net_port *ports = calloc(MANY, sizeof(*ports));
	__json json_t *removed = json_array();
	long lease_us, open_us, attach_us, verify_us, gc_us;
	struct net *net;
	int64_t at_us;
	int fd;

	assert_ok(env, net_create(env->state_fd, &routed, &env->err));
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
	ports_name(ports, MANY, "vm");
	at_us = vf_now_us();
	assert_ok(env, net_ports_lease(net, NULL, ports, MANY, &env->err));
	lease_us = since(&at_us);
	for (int i = 0; i < MANY; i++) {
		fd = net_port_open(&ports[i], &env->err);
		assert_true(fd >= 0);
		assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
		close(fd);
	}
	open_us = since(&at_us);
	assert_ok(env, net_ports_attach(net, ports, MANY, &env->err));
	attach_us = since(&at_us);
	assert_ok(env, net_ports_verify(net, ports, MANY, &env->err));
	verify_us = since(&at_us);
	assert_ok(env, net_gc(env->state_fd, is_named, "nobody", removed,
			      &env->err));
	gc_us = since(&at_us);
	print_message("%d routed ports, us: lease %ld, open %ld, attach %ld, "
		      "verify %ld, gc %ld\n",
		      MANY, lease_us, open_us, attach_us, verify_us, gc_us);
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
	free(ports);
}

/* What cannot be is said before anything is made. */
static void test_limits(void **state)
{
	static const struct {
		struct net_conf conf;
		unsigned int num;
		const char *says;
	} cases[] = {
		{ { .name = "a" },
		  1024,
		  "network a: 1024 more ports: a bridge takes 1023, and 0 are "
		  "in use" },
		{ { .name = "a", .mode = NET_MODE_ROUTED },
		  4097,
		  "network a: 4097 more ports: a lease file holds 4096, and 0 "
		  "are in use" },
	};
	struct env *env = env_get(state);
	struct net_port *ports = calloc(4097, sizeof(*ports));
	struct net *net;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_conf conf = cases[i].conf;

		ports_name(ports, cases[i].num, "vm");
		assert_ok(env, net_create(env->state_fd, &conf, &env->err));
		assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
		assert_int_equal(net_ports_lease(net, NULL, ports, cases[i].num,
						 &env->err),
				 -ENOSPC);
		assert_string_equal(env->err.msg, cases[i].says);
		net_close(net);
		assert_ok(env, net_remove(env->state_fd, "a", &env->err));
		env_check_clean(env);
	}
	free(ports);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_beside_bridge),
		env_test(test_gc),
		env_test(test_limits),
		env_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
