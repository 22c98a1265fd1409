// SPDX-License-Identifier: MIT
/* The workload's payload: delivered to root alone, and nowhere else then. */
#include "agent_root.h"

#include "payload.h"

#define FILE_PATH "run/payload"

static void payload_set(const char *text)
{
	memcpy(agent.mail.payload + 100, text, strlen(text));
	agent.id.guest.payload = agent.mail.payload + 100;
	agent.id.guest.payload_len = strlen(text);
}

static void assert_erased(void)
{
	assert_null(agent.id.guest.payload);
	for (size_t i = 0; i < sizeof(agent.mail.payload); i++)
		assert_int_equal(agent.mail.payload[i], 0);
}

static void test_delivered(void **state)
{
	mode_t mask = umask(0);

	(void)state;
	assert_int_equal(payload_deliver(&agent), SETTLE_NOTHING);
	payload_set("secret");
	assert_int_equal(payload_deliver(&agent), 0);
	umask(mask);
	assert_file(FILE_PATH, "secret", 0600);
	assert_erased();
	payload_set("other");
	assert_int_equal(payload_deliver(&agent), 0);
	assert_file(FILE_PATH, "other", 0600);
	/* a fork that has none has not its parent's either */
	assert_int_equal(payload_deliver(&agent), SETTLE_NOTHING);
	assert_false(root_has(FILE_PATH));
}

static void test_failure(void **state)
{
	(void)state;
	assert_int_equal(mkdirat(agent.root_fd, FILE_PATH, 0755), 0);
	payload_set("secret");
	assert_true(payload_deliver(&agent) < 0);
	assert_erased();
	assert_false(root_has("run/.payload.tmp"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_delivered),
		TEST(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
