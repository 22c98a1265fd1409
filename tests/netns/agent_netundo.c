// SPDX-License-Identifier: MIT
// time: 300
/*
 * A failure at each message of the batch: then everything is as before, to the
 * order of the addresses; or it is said that it is not.
 */
#include "agent_links.h"

static struct netstate before, after;

/* The second of two links fails: the first goes back as well. */
static void test_gateway_unreachable(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take_settled(&before);
	id.num_links = 2;
	id.link[1] = id.link[0];
	id.link[1].match = IDENTITY_MATCH_MAC;
	memcpy(id.link[1].match_mac, "\x02\x00\x00\x00\x00\x02", 6);
	id.link[1].mac[5] = 0x98;
	id.link[1].addr4[0].addr[1] = 9;
	id.link[1].gateway4[1] = 8;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENETUNREACH);
	assert_int_equal(result.step, VMFORK_STEP_ROUTE);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

static void test_crowd_is_undone(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup_crowd();
	cfg_open();
	state_take_settled(&before);
	memcpy(id.link[0].gateway4, "\x0a\x09\x00\x01", 4);
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENETUNREACH);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	/* a link that is not there is told from one that did not fit */
	strcpy(id.link[0].match_name, "eth7");
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENODEV);
	netcfg_close(&cfg);
}

static unsigned int sends;

/* Somebody else fills the link before the way back is taken. */
static int crowded_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	int ret = rtnl_batch_send(rtnl, batch);

	if (++sends == 1)
		addrs_add("eth0");
	return sends == 1 ? -ENOBUFS : ret;
}

static void test_undo_of_much(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	state_take_settled(&before);
	sends = 0;
	cfg.send = crowded_send;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENOBUFS);
	assert_int_equal(result.step, VMFORK_STEP_LINK);
	state_take(&after);
	assert_true(state_is_equal(&before, &after));
	netcfg_close(&cfg);
}

/* The batch fails, then the way back does. */
static int lost_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	if (++sends == 1) {
		rtnl_batch_send(rtnl, batch);
		return -ETIMEDOUT;
	}
	return -ENOBUFS;
}

static void test_undo_is_lost(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	sends = 0;
	cfg.send = lost_send;
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -ENOBUFS);
	assert_int_equal(result.step, VMFORK_STEP_UNDO);
	assert_int_equal(result.error, ENOBUFS);
	netcfg_close(&cfg);
}

/* The kernel refuses what the way back sends. */
static void test_undo_is_refused(void **state)
{
	struct vmfork_identity id = identity();
	struct netcfg_result result;

	(void)state;
	setup(true);
	cfg_open();
	memcpy(id.link[0].gateway4, "\x0a\x09\x00\x01", 4);
	cfg.saved.links[0].mtu = 3; /* below what any link may have */
	assert_int_equal(netcfg_apply(&cfg, &id, &result), -EINVAL);
	assert_int_equal(result.step, VMFORK_STEP_UNDO);
	assert_int_equal(result.error, EINVAL);
	netcfg_close(&cfg);
}

enum inject {
	INJECT_TYPE,	   /* the kernel knows no such message */
	INJECT_INDEX,	   /* no such interface */
	INJECT_ZERO,	   /* a payload that says nothing */
	INJECT_AFTERWARDS, /* it took effect, and is said to have failed */
	INJECT_TRANSPORT,  /* all of it took effect, and no answer came */
	INJECT_NUM
};

static struct {
	int at; /* which message */
	enum inject how;
	unsigned int num; /* out: messages of the first batch */
	bool done;
} inject;

static int inject_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)batch->buf;
	int len = (int)batch->len, ret;
	uint32_t index = 0x7fffffff;

	if (inject.done)
		return rtnl_batch_send(rtnl, batch);
	inject.done = true;
	inject.num = batch->num;
	for (int i = 0; i < inject.at && mnl_nlmsg_ok(msg, len); i++)
		msg = mnl_nlmsg_next(msg, &len);
	if (inject.how == INJECT_TYPE)
		msg->nlmsg_type = 0xfff0;
	if (inject.how == INJECT_INDEX)
		memcpy((char *)mnl_nlmsg_get_payload(msg) + 4, &index, 4);
	if (inject.how == INJECT_ZERO)
		memset(mnl_nlmsg_get_payload(msg), 0,
		       mnl_nlmsg_get_payload_len(msg));
	ret = rtnl_batch_send(rtnl, batch);
	if (inject.how == INJECT_AFTERWARDS)
		batch->msg[inject.at].error = ENOMEM;
	return inject.how == INJECT_TRANSPORT ? -ENOBUFS : ret;
}

/* Return: true if the failure was noticed, and undone */
static bool failure_is_undone(const struct vmfork_identity *id)
{
	struct netcfg_result result;

	inject.done = false;
	if (netcfg_apply(&cfg, id, &result) == 0)
		return false;
	assert_int_not_equal(result.error, 0);
	assert_int_not_equal(result.step, VMFORK_STEP_NONE);
	assert_int_not_equal(result.step, VMFORK_STEP_UNDO);
	state_take(&after);
	if (!state_is_equal(&before, &after)) {
		print_message("message %d, way %d\n", inject.at, inject.how);
		print_message("links %d, addresses %d, routes %d, rejects %d, "
			      "neighbours %d\n",
			      !memcmp(before.links, after.links,
				      sizeof(before.links)),
			      list_is_equal(&before.addrs, &after.addrs),
			      list_is_equal(&before.routes, &after.routes),
			      list_is_equal(&before.rejects, &after.rejects),
			      list_is_equal(&before.neighs, &after.neighs));
		run("ip addr; ip route; ip -6 route; ip neigh");
		fail();
	}
	return true;
}

static void begin(void (*prepare)(void))
{
	prepare();
	cfg_open();
	cfg.send = inject_send;
	state_take_settled(&before);
}

static void fail_at_each_step(void (*prepare)(void),
			      const struct vmfork_identity *id)
{
	unsigned int undone = 0;

	begin(prepare);
	inject.num = 1;
	for (unsigned int k = 0; k < inject.num; k++) {
		for (unsigned int how = 0; how < INJECT_NUM; how++) {
			inject.at = (int)k;
			inject.how = (enum inject)how;
			if (failure_is_undone(id)) {
				undone++;
				continue;
			}
			/* a message that may fail: begin afresh */
			netcfg_close(&cfg);
			begin(prepare);
		}
	}
	print_message("%u messages, %u failures undone\n", inject.num, undone);
	assert_true(undone > inject.num * INJECT_NUM / 2);
	netcfg_close(&cfg);
}

static void setup_one(void)
{
	setup(true);
}

static void test_failure_at_each_step(void **state)
{
	struct vmfork_identity id = identity();

	(void)state;
	fail_at_each_step(setup_one, &id);
}

static void test_failure_with_routes(void **state)
{
	struct vmfork_identity id = identity_two();

	(void)state;
	fail_at_each_step(setup_three, &id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gateway_unreachable),
		cmocka_unit_test(test_crowd_is_undone),
		cmocka_unit_test(test_undo_of_much),
		cmocka_unit_test(test_undo_is_lost),
		cmocka_unit_test(test_undo_is_refused),
		cmocka_unit_test(test_failure_at_each_step),
		cmocka_unit_test(test_failure_with_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
