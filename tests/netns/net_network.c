// SPDX-License-Identifier: MIT
/* Networks: made, found, repaired, refused, removed, swept. */
#include "netns/net_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void create(struct env *env, const char *name, bool nat)
{
	struct net_conf conf = { .nat = nat };

	strcpy(conf.name, name);
	assert_ok(env, net_create(env->state_fd, &conf, &env->err));
}

/* A word from /proc/sys, as the namespace has it. */
static char sysctl_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = '?';

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &value, 1), 1);
	close(fd);
	return value;
}

static void nft(const char *command)
{
	struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);

	assert_int_equal(nft_run_cmd_from_buffer(ctx, command), 0);
	nft_ctx_free(ctx);
}

static bool no_one(const char *owner, void *ctx)
{
	(void)owner;
	(void)ctx;
	return false;
}

static bool is_named(const char *owner, void *ctx)
{
	return !strcmp(owner, ctx);
}

static void test_create_remove(void **state)
{
	struct env *env = env_get(state);
	__json json_t *list = NULL;
	struct net *net;

	/* the default one comes by itself */
	assert_ok(env, net_open(&net, env->state_fd, "default", &env->err));
	assert_string_equal(net_get_conf(net)->bridge, "vfb-default");
	assert_int_equal(ntohl(net_get_conf(net)->addr4.s_addr), 0x0ae70001);
	net_close(net);
	create(env, "b", false);
	create(env, "c.d_e-f9", true);
	assert_ok(env, net_list(env->state_fd, &list, &env->err));
	assert_int_equal(json_array_size(list), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *json = json_array_get(list, i);

		assert_true(json_is_true(json_object_get(json, "up")));
		assert_int_equal(
			json_integer_value(json_object_get(json, "leases")), 0);
	}
	assert_int_equal(sysctl_read("/proc/sys/net/ipv4/ip_forward"), '1');
	assert_ok(env, net_remove(env->state_fd, "default", &env->err));
	assert_ok(env, net_remove(env->state_fd, "b", &env->err));
	assert_ok(env, net_remove(env->state_fd, "c.d_e-f9", &env->err));
	env_check_clean(env);
	assert_int_equal(net_remove(env->state_fd, "b", &env->err), -ENOENT);
	assert_int_equal(net_open(&net, env->state_fd, "b", &env->err),
			 -ENOENT);
	assert_null(net);
}

static void test_addresses(void **state)
{
	struct env *env = env_get(state);
	struct net_conf a = { .name = "a" }, b = { .name = "b" };
	struct net_conf c = { .name = "c" };

	assert_ok(env, net_create(env->state_fd, &a, &env->err));
	assert_ok(env, net_create(env->state_fd, &b, &env->err));
	assert_int_equal(ntohl(a.addr4.s_addr), 0x0ae80001);
	assert_int_equal(ntohl(b.addr4.s_addr), 0x0ae90001);
	assert_int_equal(a.addr6.s6_addr[0], 0xfd);
	assert_memory_not_equal(&a.addr6, &b.addr6, 8);
	assert_memory_not_equal(a.mac, b.mac, 3);
	/* a subnet inside another's, then one of its own without host part */
	c.addr4.s_addr = htonl(0x0ae80500);
	c.prefix4 = 24;
	assert_int_equal(net_create(env->state_fd, &c, &env->err), -EADDRINUSE);
	c.addr4.s_addr = htonl(0xac100500);
	c.prefix4 = 29;
	assert_int_equal(net_create(env->state_fd, &c, &env->err), -EINVAL);
	c.prefix4 = 28;
	assert_ok(env, net_create(env->state_fd, &c, &env->err));
	assert_int_equal(ntohl(c.addr4.s_addr), 0xac100501);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	assert_ok(env, net_remove(env->state_fd, "b", &env->err));
	assert_ok(env, net_remove(env->state_fd, "c", &env->err));
	env_check_clean(env);
}

static void test_invalid_names(void **state)
{
	static const char *const names[] = {
		"", "A", "a/b", ".a", "-a", "a b"
	};
	struct env *env = env_get(state);
	struct net *net;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct net_conf conf = { 0 };

		strcpy(conf.name, names[i]);
		assert_int_equal(net_create(env->state_fd, &conf, &env->err),
				 -EINVAL);
		assert_int_equal(
			net_open(&net, env->state_fd, names[i], &env->err),
			-EINVAL);
	}
	assert_int_equal(
		net_open(&net, env->state_fd, "twelve-bytes", &env->err),
		-EINVAL);
	env_check_clean(env);
}

static void bridge_make(const char *name)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link add %s type bridge", name);
	assert_int_equal(system(command), 0);
}

/* A link of the host with our name is refused, and stays as it is. */
static void test_name_clash(void **state)
{
	struct env *env = env_get(state);
	struct net_conf conf = { .name = "a" };
	__free char *before = NULL, *after = NULL;
	struct net *net;

	bridge_make("vfb-a");
	before = netns_dump();
	assert_int_equal(net_create(env->state_fd, &conf, &env->err), -EEXIST);
	assert_string_equal(env->err.msg, "network a: link vfb-a exists and is "
					  "not ours");
	after = netns_dump();
	assert_string_equal(after, before);
	assert_int_equal(faccessat(env->state_fd, "a", F_OK, 0), -1);
	/* the same when the record is there, but the bridge another's */
	create(env, "b", false);
	assert_int_equal(system("ip link del vfb-b"), 0);
	bridge_make("vfb-b");
	assert_int_equal(net_open(&net, env->state_fd, "b", &env->err),
			 -EEXIST);
	assert_ok(env, net_remove(env->state_fd, "b", &env->err));
	assert_true(if_nametoindex("vfb-b"));
	/* a name is taken once */
	create(env, "c", false);
	strcpy(conf.name, "c");
	assert_int_equal(net_create(env->state_fd, &conf, &env->err), -EEXIST);
}

/* Two state directories with a network of one name on one host. */
static void test_other_state(void **state)
{
	struct env *env = env_get(state);
	int other_fd = vf_mkdir_open(env->dir_fd, "other", &env->err);
	struct net_conf conf = { .name = "a" };
	struct net *net;

	create(env, "a", false);
	assert_int_equal(net_create(other_fd, &conf, &env->err), -EEXIST);
	assert_non_null(strstr(env->err.msg, "another state directory"));
	strcpy(conf.name, "b");
	assert_ok(env, net_create(other_fd, &conf, &env->err));
	/* that it could not be made is why it is not there */
	assert_ok(env, net_open(&net, env->state_fd, "default", &env->err));
	net_close(net);
	assert_int_equal(net_open(&net, other_fd, "default", &env->err),
			 -EEXIST);
	assert_non_null(strstr(env->err.msg, "another state directory"));
	assert_ok(env, net_remove(env->state_fd, "default", &env->err));
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	/* the other's rules are untouched by that */
	{
		__json json_t *list = NULL;

		assert_ok(env, net_list(other_fd, &list, &env->err));
		assert_true(json_is_true(
			json_object_get(json_array_get(list, 0), "up")));
	}
	assert_ok(env, net_remove(other_fd, "b", &env->err));
	close(other_fd);
	env_check_clean(env);
}

/* After a reboot, or a flushed ruleset, opening puts everything up again. */
static void test_repair(void **state)
{
	struct env *env = env_get(state);
	struct net_port port;
	struct net *net;
	int64_t start_us;
	int fd;

	ports_name(&port, 1, "vm");
	create(env, "a", false);
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
	assert_ok(env, net_ports_lease(net, NULL, &port, 1, &env->err));
	fd = net_port_open(&port, &env->err);
	assert_true(fd >= 0);
	assert_ok(env, net_ports_attach(net, &port, 1, &env->err));
	for (int i = 0; i < 2; i++) {
		__free char *links = netns_dump(), *rules = env_rules();
		__free char *links_after = NULL, *rules_after = NULL;

		net_close(net);
		if (i == 0)
			nft("flush ruleset");
		else
			assert_int_equal(system("ip link del vfb-a"), 0);
		assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
		links_after = netns_dump();
		rules_after = env_rules();
		assert_string_equal(links_after, links);
		assert_string_equal(rules_after, rules);
	}
	net_close(net);
	start_us = vf_now_us();
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
	print_message("open of a network that is up: %ld us\n",
		      (long)(vf_now_us() - start_us));
	assert_int_equal(net_remove(env->state_fd, "a", &env->err), -EBUSY);
	close(fd);
	assert_ok(env, net_ports_detach(net, &port, 1, &env->err));
	assert_ok(env, net_ports_release(net, &port, 1, &env->err));
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
}

/* What is undone on a network that was lost brings none of it back. */
static void test_open_existing(void **state)
{
	struct env *env = env_get(state);
	__free char *links = NULL, *rules = NULL;
	struct net_port port;
	struct net *net;

	assert_int_equal(
		net_open_existing(&net, env->state_fd, "default", &env->err),
		-ENOENT);
	assert_null(net);
	env_check_clean(env);
	ports_name(&port, 1, "vm");
	create(env, "a", true);
	assert_ok(env, net_open(&net, env->state_fd, "a", &env->err));
	assert_ok(env, net_ports_lease(net, NULL, &port, 1, &env->err));
	net_close(net);
	nft("flush ruleset");
	assert_int_equal(system("ip link del vfb-a"), 0);
	links = netns_dump();
	rules = env_rules();
	assert_string_equal(rules, env->rules);
	assert_ok(env, net_open_existing(&net, env->state_fd, "a", &env->err));
	assert_ok(env, net_ports_detach(net, &port, 1, &env->err));
	assert_ok(env, net_ports_release(net, &port, 1, &env->err));
	net_close(net);
	{
		__free char *links_after = netns_dump();
		__free char *rules_after = env_rules();

		assert_string_equal(links_after, links);
		assert_string_equal(rules_after, rules);
	}
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	env_check_clean(env);
}

/* In a mount namespace of its own; the user namespace makes that possible. */
static int tun_hidden_try(struct env *env)
{
	struct net_port port = { .owner = "vm", .tap = "vf000000" };

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("/dev/null", "/dev/net/tun", NULL, MS_BIND, NULL) < 0)
		return errno == EPERM ? 77 : 1;
	if (net_port_open(&port, &env->err) != -ENODEV)
		return 2;
	fprintf(stderr, "  %s\n", env->err.msg);
	return strncmp(env->err.msg, "/dev/net/tun: ", 14) ? 3 : 0;
}

static void test_tun_hidden(void **state)
{
	struct env *env = env_get(state);
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(tun_hidden_try(env));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("mounts are not permitted here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_gc(void **state)
{
	struct env *env = env_get(state);
	__json json_t *removed = json_array(), *again = json_array();
	__free char *links = NULL, *rules = NULL;
	__free char *links_after = NULL, *rules_after = NULL;
	struct net_port ports[3];
	struct net *net;
	int fds[3];

	create(env, "a", false);
	create(env, "empty", false);
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
	assert_int_equal(mkdirat(env->state_fd, "halfmade", 0700), 0);

	assert_ok(env,
		  net_gc(env->state_fd, is_named, "vm-0", removed, &env->err));
	links_after = netns_dump();
	rules_after = env_rules();
	assert_string_equal(links_after, links);
	assert_string_equal(rules_after, rules);
	/* TAP, lease and rules, neighbours: all were told */
	assert_true(json_array_size(removed) >= 6);
	for (size_t i = 0; i < json_array_size(removed); i++)
		print_message("  %s\n",
			      json_string_value(json_array_get(removed, i)));
	assert_int_equal(faccessat(env->state_fd, "halfmade", F_OK, 0), -1);
	assert_ok(env,
		  net_gc(env->state_fd, is_named, "vm-0", again, &env->err));
	assert_int_equal(json_array_size(again), 0);

	close(fds[0]);
	assert_ok(env, net_gc(env->state_fd, no_one, NULL, again, &env->err));
	net_close(net);
	assert_ok(env, net_remove(env->state_fd, "a", &env->err));
	assert_ok(env, net_remove(env->state_fd, "empty", &env->err));
	env_check_clean(env);
}

static void test_check(void **state)
{
	struct env *env = env_get(state);
	__json json_t *out = json_array();
	json_t *json;
	size_t i;

	net_check(out);
	assert_int_equal(json_array_size(out), 11);
	json_array_foreach(out, i, json)
		print_message(
			"  %s: %s %s\n",
			json_string_value(json_object_get(json, "name")),
			json_is_true(json_object_get(json, "ok")) ? "yes"
								  : "no",
			json_string_value(json_object_get(json, "detail")));
	for (i = 0; i < 8; i++)
		assert_true(json_is_true(
			json_object_get(json_array_get(out, i), "ok")));
	env_check_clean(env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_create_remove),
		env_test(test_addresses),
		env_test(test_invalid_names),
		env_test(test_name_clash),
		env_test(test_other_state),
		env_test(test_repair),
		env_test(test_open_existing),
		env_test(test_tun_hidden),
		env_test(test_gc),
		env_test(test_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
