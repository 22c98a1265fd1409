// SPDX-License-Identifier: MIT
/* Leases, and ports from lease to release. */
#include "netns/net_env.h"

#include <errno.h>
#include <sys/wait.h>

#define MANY 100

static struct net *network(struct env *env, const char *name, const char *cidr)
{
	struct net_conf conf = { 0 };
	struct net *net;

	strcpy(conf.name, name);
	if (cidr) {
		conf.prefix4 = strtoul(strchr(cidr, '/') + 1, NULL, 10);
		conf.addr4.s_addr = htonl(10U << 24 | 7);
		conf.addr4.s_addr &= htonl(~0U << (32 - conf.prefix4));
	}
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_open(&net, env->state_fd, name, &env->err));
	return net;
}

static void ports_close(int *fds, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		close(fds[i]);
}

static void attach_num(struct env *env, unsigned int num)
{
	struct net_port *ports = calloc(num, sizeof(*ports));
	struct net *net = network(env, "a", NULL);
	int *fds = calloc(num, sizeof(*fds));
	__free char *links = netns_dump();
	__free char *rules = env_rules();
	__free char *links_after = NULL;
	__free char *rules_after = NULL;
	int64_t t[7];

	ports_name(ports, num, "vm");
	t[0] = vf_now_us();
	assert_ok(env, net_ports_lease(net, ports, num, &env->err));
	t[1] = vf_now_us();
	for (unsigned int i = 0; i < num; i++) {
		fds[i] = net_port_open(&ports[i], &env->err);
		assert_true(fds[i] >= 0);
	}
	t[2] = vf_now_us();
	assert_ok(env, net_ports_attach(net, ports, num, &env->err));
	t[3] = vf_now_us();
	assert_ok(env, net_ports_verify(net, ports, num, &env->err));
	t[4] = vf_now_us();
	for (unsigned int i = 0; i < num; i++)
		assert_false(ports[i].verified);
	ports_close(fds, num);
	t[5] = vf_now_us();
	assert_ok(env, net_ports_detach(net, ports, num, &env->err));
	assert_ok(env, net_ports_release(net, ports, num, &env->err));
	t[6] = vf_now_us();
	print_message("%u ports, us: lease %ld, open %ld, attach %ld, verify "
		      "%ld, detach and release %ld\n",
		      num, (long)(t[1] - t[0]), (long)(t[2] - t[1]),
		      (long)(t[3] - t[2]), (long)(t[4] - t[3]),
		      (long)(t[6] - t[5]));
	links_after = netns_dump();
	rules_after = env_rules();
	assert_string_equal(links_after, links);
	assert_string_equal(rules_after, rules);
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
	free(ports);
	free(fds);
}

static void test_attach_one(void **state)
{
	attach_num(env_get(state), 1);
}

static void test_attach_many(void **state)
{
	attach_num(env_get(state), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_attach_one),
		env_test(test_attach_one),
		env_test(test_attach_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
