// SPDX-License-Identifier: MIT
/*
 * What the mail of an ordinary fork costs: one link, on a guest that got its
 * network by mail itself. Nothing that other mail can say may add to it.
 */
#include "agent_env.h"

static void setup_by_mail(struct vmfork_identity *id)
{
	struct netcfg_result result;

	namespace_enter();
	tap_open(0);
	run("ip link set eth0 address 02:00:00:00:00:01");
	cfg_open();
	id->link[0].mtu = 0;
	assert_int_equal(netcfg_apply(&cfg, id, &result), 0);
	assert_int_equal(netcfg_refresh(&cfg), 0);
}

/* As the host writes it: same network, another MAC and other addresses. */
static void become_sibling(struct vmfork_identity *id)
{
	id->link[0].mac[5]++;
	id->link[0].addr4[0].addr[3]++;
	id->link[0].addr6[0].addr[15]++;
}

/* Bytes at most: what comes back from a dump has what the kernel gave it. */
static void batch_is(unsigned int num, size_t len_max)
{
	print_message("%u messages, %zu bytes\n", cfg.batch.num, cfg.batch.len);
	assert_int_equal(cfg.batch.num, num);
	assert_in_range(cfg.batch.len, 1, len_max);
}

/*
 * Link, three addresses less and three more, two neighbours, and IPv4's default
 * route: that of IPv6 is what it was, and stays.
 */
static void test_same_network(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup_by_mail(&id);
	become_sibling(&id);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	batch_is(10, 650);
	run("ip -6 route show default via fd00:1::1 dev eth0 | grep -q .");
	netcfg_close(&cfg);
}

static void test_other_network(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup_by_mail(&id);
	become_sibling(&id);
	id.link[0].addr4[0].addr[1] = 2;
	id.link[0].addr6[0].addr[3] = 2;
	id.link[0].gateway4[1] = 2;
	id.link[0].gateway6[3] = 2;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), 0);
	/* besides: the old IPv6 default route, and two neighbours that stay */
	batch_is(14, 1000);
	netcfg_close(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_network),
		cmocka_unit_test(test_other_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
