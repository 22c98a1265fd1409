// SPDX-License-Identifier: MIT
/* Leases, and ports from lease to release. */
#include "netns/net_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/wait.h>

#define MANY 100

/* A network "a"; with a prefix length its subnet is 192.168.7.0. */
static struct net *network(struct env *env, unsigned int prefix)
{
	struct net_conf conf = { .name = "a", .prefix4 = prefix };
	struct net *net;

	if (prefix)
		conf.addr4.s_addr = htonl(0xc0a80700);
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
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
	struct net *net = network(env, 0);
	int *fds = calloc(num, sizeof(*fds));
	__free char *links = netns_dump();
	__free char *rules = env_rules();
	__free char *links_after = NULL;
	__free char *rules_after = NULL;
	int64_t t[7];

	ports_name(ports, num, "vm");
	t[0] = vf_now_us();
	assert_ok(env, net_ports_lease(net, NULL, ports, num, &env->err));
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

/* Remove the network; nothing is left. */
static void network_end(struct env *env, struct net *net)
{
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
}

static void test_lease_distinct(void **state)
{
	struct env *env = env_get(state);
	struct net_port ports[10], again[2];
	struct net *net = network(env, 0);

	ports_name(ports, 10, "vm");
	assert_ok(env, net_ports_lease(net, NULL, ports, 10, &env->err));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(ports[i].index, i + 2);
		for (int j = 0; j < i; j++) {
			assert_memory_not_equal(ports[i].mac, ports[j].mac, 6);
			assert_string_not_equal(ports[i].tap, ports[j].tap);
		}
	}
	/* one owner, one lease; and none of a list that cannot be had whole */
	ports_name(again, 2, "other");
	strcpy(again[1].owner, "vm-3");
	assert_int_equal(net_ports_lease(net, NULL, again, 2, &env->err),
			 -EEXIST);
	strcpy(again[1].owner, again[0].owner);
	assert_int_equal(net_ports_lease(net, NULL, again, 2, &env->err),
			 -EEXIST);
	strcpy(again[1].owner, "../x");
	assert_int_equal(net_ports_lease(net, NULL, again, 2, &env->err),
			 -EINVAL);
	/* what was given back is not handed out at once */
	assert_ok(env, net_ports_release(net, ports, 5, &env->err));
	ports_name(again, 2, "new");
	assert_ok(env, net_ports_lease(net, NULL, again, 2, &env->err));
	assert_int_equal(again[0].index, 12);
	assert_ok(env, net_ports_release(net, again, 2, &env->err));
	/* another's index, and an owner that is gone, are skipped */
	ports[5].index++;
	assert_ok(env, net_ports_release(net, ports, 6, &env->err));
	assert_int_equal(net_remove(env->state_fd, "a", &env->err), -EBUSY);
	ports[5].index--;
	assert_ok(env, net_ports_release(net, ports, 10, &env->err));
	network_end(env, net);
}

static void test_lease_exhausted(void **state)
{
	struct env *env = env_get(state);
	struct net_port ports[14], more[2], *many;
	struct net *net = network(env, 28);

	ports_name(ports, 14, "vm");
	assert_int_equal(net_ports_lease(net, NULL, ports, 14, &env->err),
			 -ENOSPC);
	assert_ok(env, net_ports_lease(net, NULL, ports, 12, &env->err));
	ports_name(more, 2, "more");
	assert_int_equal(net_ports_lease(net, NULL, more, 2, &env->err),
			 -ENOSPC);
	assert_ok(env, net_ports_lease(net, NULL, more, 1, &env->err));
	assert_ok(env, net_ports_release(net, &ports[4], 1, &env->err));
	/* behind the end of the pool the search goes on at its start */
	assert_ok(env, net_ports_lease(net, NULL, &more[1], 1, &env->err));
	assert_int_equal(more[1].index, ports[4].index);
	assert_ok(env, net_ports_release(net, ports, 12, &env->err));
	assert_ok(env, net_ports_release(net, more, 2, &env->err));
	many = calloc(1024, sizeof(*many));
	ports_name(many, 1024, "many");
	assert_int_equal(net_ports_lease(net, NULL, many, 1024, &env->err),
			 -ENOSPC);
	free(many);
	network_end(env, net);
}

#define WORKERS	      4
#define WORKER_LEASES 50

static int worker(struct env *env, int id)
{
	struct net_port ports[WORKER_LEASES];
	struct net *net;
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "w%d", id);
	ports_name(ports, WORKER_LEASES, prefix);
	if (net_open(&net, env->state_fd, "a", &env->err) < 0)
		return 1;
	for (int i = 0; i < WORKER_LEASES; i += 5) {
		if (net_ports_lease(net, NULL, &ports[i], 5, &env->err) < 0)
			return 1;
	}
	net_close(net);
	return 0;
}

/* Reading the file refuses two leases of one index. */
static void test_lease_concurrent(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	__json json_t *list = NULL;
	pid_t pids[WORKERS];
	json_t *num;
	int status;

	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(worker(env, i));
	}
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_ok(env, net_list(env->state_fd, &list, &env->err));
	num = json_object_get(json_array_get(list, 0), "leases");
	assert_int_equal(json_integer_value(num), WORKERS * WORKER_LEASES);
	net_close(net);
}

/* Ports come and go in several processes at once: nftables and netlink too. */
static int churn(struct env *env, int id)
{
	struct net_port ports[4];
	struct net *net;
	char prefix[16];
	int fds[4];

	snprintf(prefix, sizeof(prefix), "w%d", id);
	if (net_open(&net, env->state_fd, "a", &env->err) < 0)
		return 1;
	for (int round = 0; round < 10; round++) {
		ports_name(ports, 4, prefix);
		if (net_ports_lease(net, NULL, ports, 4, &env->err) < 0)
			return 1;
		for (int i = 0; i < 4; i++)
			fds[i] = net_port_open(&ports[i], &env->err);
		if (net_ports_attach(net, ports, 4, &env->err) < 0 ||
		    net_ports_verify(net, ports, 4, &env->err) < 0)
			return 1;
		ports_close(fds, 4);
		if (net_ports_detach(net, ports, 4, &env->err) < 0 ||
		    net_ports_release(net, ports, 4, &env->err) < 0)
			return 1;
	}
	net_close(net);
	return 0;
}

static void test_churn(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	pid_t pids[WORKERS];
	int status, failed = 0;

	for (int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		if (pids[i] > 0)
			continue;
		if (churn(env, i) == 0)
			_exit(0);
		fprintf(stderr, "  %s\n", env->err.msg);
		_exit(1);
	}
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
	network_end(env, net);
}

/* A lease whose TAP is there stays, however long its owner is dead. */
static void test_release_waits(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	struct net_port ports[2];
	int64_t start_us;
	int fd, status;
	pid_t pid;

	ports_name(ports, 2, "vm");
	assert_ok(env, net_ports_lease(net, NULL, ports, 2, &env->err));
	fd = net_port_open(&ports[0], &env->err);
	assert_true(fd >= 0);
	start_us = vf_now_us();
	assert_int_equal(net_ports_release(net, ports, 2, &env->err), -EBUSY);
	assert_true(vf_now_us() - start_us < 4000000);
	/* the other one was released all the same */
	assert_ok(env, net_ports_lease(net, NULL, &ports[1], 1, &env->err));
	assert_ok(env, net_ports_release(net, &ports[1], 1, &env->err));
	pid = fork();
	if (pid == 0) {
		usleep(200000); /* a process that takes its time to die */
		_exit(0);
	}
	close(fd);
	start_us = vf_now_us();
	assert_ok(env, net_ports_release(net, ports, 1, &env->err));
	assert_true(vf_now_us() - start_us > 100000);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	network_end(env, net);
}

/* A link with the leased name is never attached to: another name is taken. */
static void test_tap_clash(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	struct net_port port, clash;
	int fds[2];

	ports_name(&port, 1, "vm");
	assert_ok(env, net_ports_lease(net, NULL, &port, 1, &env->err));
	clash = port;
	fds[0] = net_port_open(&clash, &env->err);
	fds[1] = net_port_open(&port, &env->err);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
	assert_string_not_equal(port.tap, clash.tap);
	assert_ok(env, net_ports_attach(net, &port, 1, &env->err));
	ports_close(fds, 2);
	assert_ok(env, net_ports_detach(net, &port, 1, &env->err));
	assert_ok(env, net_ports_release(net, &port, 1, &env->err));
	network_end(env, net);
}

/* TAPs go before their engines close them, and those of others stay. */
static void test_drop(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	struct net_port ports[3];
	int fds[3];

	ports_name(ports, 3, "vm");
	assert_ok(env, net_ports_lease(net, NULL, ports, 3, &env->err));
	for (int i = 0; i < 3; i++) {
		fds[i] = net_port_open(&ports[i], &env->err);
		assert_ok(env, fds[i]);
	}
	assert_ok(env, net_ports_attach(net, ports, 3, &env->err));
	assert_ok(env, net_ports_drop(ports, 2, &env->err));
	assert_int_equal(if_nametoindex(ports[0].tap), 0);
	assert_int_equal(if_nametoindex(ports[1].tap), 0);
	assert_true(if_nametoindex(ports[2].tap) > 0);
	/* once is enough */
	assert_ok(env, net_ports_drop(ports, 2, &env->err));
	assert_ok(env, net_ports_drop(ports, 0, &env->err));
	/* whoever holds the descriptor of none is no hindrance */
	assert_ok(env, net_ports_detach(net, ports, 2, &env->err));
	assert_ok(env, net_ports_release(net, ports, 2, &env->err));
	assert_ok(env, net_ports_drop(&ports[2], 1, &env->err));
	ports_close(fds, 3);
	assert_ok(env, net_ports_detach(net, &ports[2], 1, &env->err));
	assert_ok(env, net_ports_release(net, &ports[2], 1, &env->err));
	network_end(env, net);
}

/*
 * A record may still hold the leased name when another link has it. That link
 * stays as it is, and nobody waits for it to go.
 */
static void foreign_stays(struct env *env, struct net *net,
			  const struct net_port *port)
{
	__free char *links = netns_dump(), *rules = env_rules();
	__free char *links_after = NULL, *rules_after = NULL;
	int64_t start_us = vf_now_us();
	struct net_port again;

	/* nor is it put on the bridge */
	assert_int_equal(net_ports_attach(net, port, 1, &env->err), -EEXIST);
	assert_ok(env, net_ports_drop(port, 1, &env->err));
	assert_ok(env, net_ports_detach(net, port, 1, &env->err));
	assert_ok(env, net_ports_release(net, port, 1, &env->err));
	assert_true(vf_now_us() - start_us < 1000000);
	links_after = netns_dump();
	rules_after = env_rules();
	assert_string_equal(links_after, links);
	assert_string_equal(rules_after, rules);
	ports_name(&again, 1, "vm");
	assert_ok(env, net_ports_lease(net, NULL, &again, 1, &env->err));
	assert_ok(env, net_ports_release(net, &again, 1, &env->err));
}

static void test_tap_foreign(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	struct net_port port, sibling;
	char command[96];
	int fd;

	/* a link of the host */
	ports_name(&port, 1, "vm");
	assert_ok(env, net_ports_lease(net, NULL, &port, 1, &env->err));
	snprintf(command, sizeof(command), "ip link add %s up type bridge",
		 port.tap);
	assert_int_equal(system(command), 0);
	foreign_stays(env, net, &port);
	snprintf(command, sizeof(command), "ip link del %s", port.tap);
	assert_int_equal(system(command), 0);
	/* the TAP of another VM, which runs */
	ports_name(&port, 1, "vm");
	ports_name(&sibling, 1, "sibling");
	assert_ok(env, net_ports_lease(net, NULL, &port, 1, &env->err));
	assert_ok(env, net_ports_lease(net, NULL, &sibling, 1, &env->err));
	strcpy(sibling.tap, port.tap);
	fd = net_port_open(&sibling, &env->err);
	assert_true(fd >= 0);
	assert_ok(env, net_ports_attach(net, &sibling, 1, &env->err));
	foreign_stays(env, net, &port);
	close(fd);
	assert_ok(env, net_ports_detach(net, &sibling, 1, &env->err));
	assert_ok(env, net_ports_release(net, &sibling, 1, &env->err));
	network_end(env, net);
}

/* Handed over to VMs of other names, ports go on as they are. */
static void test_rename(void **state)
{
	static const char *const names[] = { "web-1", "web-2" };
	static const char *const taken[] = { "web-3", "web-1" };
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	struct net_port ports[4], before[2];
	__free char *rules = NULL, *rules_after = NULL;
	int fds[2];

	ports_name(ports, 4, "pool");
	assert_ok(env, net_ports_lease(net, NULL, ports, 4, &env->err));
	for (int i = 0; i < 2; i++)
		fds[i] = net_port_open(&ports[i], &env->err);
	assert_ok(env, net_ports_attach(net, ports, 2, &env->err));
	rules = env_rules();
	memcpy(before, ports, sizeof(before));
	assert_ok(env, net_ports_rename(net, ports, names, 2, &env->err));
	rules_after = env_rules();
	assert_string_equal(rules_after, rules);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(ports[i].owner, names[i]);
		assert_string_equal(ports[i].tap, before[i].tap);
		assert_memory_equal(ports[i].mac, before[i].mac, 6);
	}
	/* the old owner has neither TAP nor lease, so nothing of it is left */
	assert_ok(env, net_ports_release(net, before, 2, &env->err));
	assert_int_equal(net_ports_attach(net, before, 1, &env->err), -EEXIST);
	assert_ok(env, net_ports_attach(net, ports, 2, &env->err));
	/* all or none: a name that is taken, a port without a TAP */
	memcpy(before, ports, sizeof(before));
	assert_int_equal(net_ports_rename(net, ports, taken, 2, &env->err),
			 -EEXIST);
	assert_int_equal(net_ports_rename(net, &ports[1], taken, 2, &env->err),
			 -ENODEV);
	assert_memory_equal(ports, before, sizeof(before));
	ports_close(fds, 2);
	assert_ok(env, net_ports_detach(net, ports, 2, &env->err));
	assert_ok(env, net_ports_release(net, ports, 4, &env->err));
	network_end(env, net);
}

/* One of three has no TAP: all three are off the bridge, and unpinned. */
static void test_attach_fails(void **state)
{
	struct env *env = env_get(state);
	struct net *net = network(env, 0);
	__free char *rules = env_rules(), *rules_after = NULL;
	__free char *links_after = NULL;
	struct net_port ports[3];
	int fds[2];

	ports_name(ports, 3, "vm");
	assert_ok(env, net_ports_lease(net, NULL, ports, 3, &env->err));
	for (int i = 0; i < 2; i++)
		fds[i] = net_port_open(&ports[i], &env->err);
	assert_int_equal(net_ports_attach(net, ports, 3, &env->err), -ENODEV);
	print_message("  %s\n", env->err.msg);
	rules_after = env_rules();
	links_after = netns_dump();
	assert_string_equal(rules_after, rules);
	assert_null(strstr(links_after, "master vfb-a"));
	assert_null(strstr(links_after, "neigh 10."));
	ports_close(fds, 2);
	assert_ok(env, net_ports_release(net, ports, 3, &env->err));
	network_end(env, net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_attach_one),
		env_test(test_attach_one),
		env_test(test_attach_many),
		env_test(test_attach_fails),
		env_test(test_tap_clash),
		env_test(test_lease_distinct),
		env_test(test_lease_exhausted),
		env_test(test_lease_concurrent),
		env_test(test_churn),
		env_test(test_release_waits),
		env_test(test_drop),
		env_test(test_tap_foreign),
		env_test(test_rename),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
