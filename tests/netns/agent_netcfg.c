// SPDX-License-Identifier: MIT
/* An identity applied to a real interface in a private namespace. */
#include "agent_env.h"

static struct netstate before, after;

static void test_apply(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump;

	(void)state;
	setup(true);
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	dump = netns_dump();
	assert_non_null(dump);
	assert_true(dump_has(dump, "02:00:00:00:00:99"));
	assert_true(dump_has(dump, "1400"));
	assert_true(dump_has(dump, "10.1.0.5/16"));
	assert_true(dump_has(dump, "fd00:1::5/64"));
	assert_true(dump_has(dump, "fe80::ff:fe00:99/64"));
	assert_true(dump_has(dump, "02:ee:00:00:00:01"));
	assert_true(dump_has(dump, "192.168.7.1/24"));
	/* a static route and a permanent neighbour that still make sense */
	assert_true(dump_has(dump, "172.16.0.0/12"));
	assert_true(dump_has(dump, "02:ff:00:00:00:77"));
	assert_true(dump_has(dump, "fd77::/32"));
	assert_false(dump_has(dump, "10.1.0.2/16"));
	assert_false(dump_has(dump, "10.2.0.2"));
	assert_false(dump_has(dump, "fd00:1::2/64"));
	assert_false(dump_has(dump, "fe80::ff:fe00:1/64"));
	assert_false(dump_has(dump, "02:ff:00:00:00:01"));
	free(dump);
	netcfg_close(&cfg);
}

/* The second time everything is there already, and stays. */
static void test_apply_again(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	state_take(&before);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

/* A VM that boots: the link is down, and addresses are probed as usual. */
static void test_apply_down(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(false);
	run("echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_dad");
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	assert_false(result.links[0].was_up);
	state_take(&after);
	assert_false(state_is_tentative(&after));
	assert_true(after.links[0].flags & IFF_UP);
	netcfg_close(&cfg);
}

static void test_no_ipv6(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	run("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6");
	cfg_open();
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	assert_false(result.links[0].has_ipv6);
	netcfg_close(&cfg);
}

static void test_no_match(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take_settled(&before);
	strcpy(id.link[0].match_name, "eth7");
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENODEV);
	assert_int_equal(result.step, VMFORK_STEP_MATCH);
	assert_int_equal(result.error, ENODEV);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

static void test_crowd(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump;

	(void)state;
	setup_crowd();
	cfg_open();
	assert_true(cfg.saved.more_links);
	assert_true(cfg.saved.is_partial);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	dump = netns_dump();
	assert_non_null(dump);
	assert_true(dump_has(dump, "10.1.0.5/16"));
	assert_true(dump_has(dump, "fd77::/32"));
	assert_false(dump_has(dump, "10.1.0.2/16"));
	assert_false(dump_has(dump, "fd00:1::2/64"));
	assert_true(dump_has(dump, "10.77.0.250/24"));
	free(dump);
	/* and the state is that of all links again */
	assert_int_equal(netcfg_refresh(&cfg), 0);
	assert_true(cfg.saved.more_links);
	netcfg_close(&cfg);
}

static unsigned int sends;

static int counted_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	sends++;
	return rtnl_batch_send(rtnl, batch);
}

/* More than could be put back: nothing is begun. */
static void test_too_much(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;
	char *dump, *again;

	(void)state;
	setup(true);
	addrs_add("eth0");
	cfg_open();
	dump = netns_dump();
	cfg.send = counted_send;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -E2BIG);
	assert_int_equal(result.step, VMFORK_STEP_MATCH);
	assert_int_equal(sends, 0);
	again = netns_dump();
	assert_non_null(dump);
	assert_non_null(again);
	assert_string_equal(dump, again);
	free(dump);
	free(again);
	netcfg_close(&cfg);
}

/* An event makes the saved state stale; the next apply knows better. */
static void test_events(void **state)
{
	(void)state;
	setup(true);
	cfg_open();
	assert_false(cfg.is_stale);
	run("ip addr add 10.3.0.1/24 dev eth0");
	netcfg_listen(&cfg);
	assert_true(cfg.is_stale);
	assert_int_equal(netcfg_refresh(&cfg), 0);
	assert_false(cfg.is_stale);
	run("ip neigh del 10.1.0.77 dev eth0");
	netcfg_listen(&cfg);
	assert_true(cfg.is_stale);
	netcfg_close(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_apply_again),
		cmocka_unit_test(test_apply_down),
		cmocka_unit_test(test_no_ipv6),
		cmocka_unit_test(test_no_match),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
