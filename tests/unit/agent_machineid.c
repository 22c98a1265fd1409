// SPDX-License-Identifier: MIT
/* Which files tell the machine's id afterwards, and which are not touched. */
#include "agent_root.h"

#include <errno.h>

#include "machineid.h"

#define ETC  "etc/machine-id"
#define DBUS "var/lib/dbus/machine-id"
#define OLD  "0123456789abcdef0123456789abcdef\n"
#define NEW  "07070707070707070707070707070707\n"

static void id_set(void)
{
	agent.id.guest.has_machine_id = true;
	memset(agent.id.guest.machine_id, 7, VMFORK_ID_LEN);
}

static void dbus_make(void)
{
	assert_int_equal(mkdirat(agent.root_fd, "var", 0755), 0);
	assert_int_equal(mkdirat(agent.root_fd, "var/lib", 0755), 0);
	assert_int_equal(mkdirat(agent.root_fd, "var/lib/dbus", 0755), 0);
}

static void test_files(void **state)
{
	(void)state;
	dbus_make();
	root_put(ETC, OLD, 0444);
	root_put(DBUS, OLD, 0644);
	assert_int_equal(machineid_apply(&agent), SETTLE_NOTHING);
	assert_file(ETC, OLD, 0444);
	id_set();
	assert_int_equal(machineid_apply(&agent), 0);
	assert_file(ETC, NEW, 0444);
	assert_file(DBUS, NEW, 0644);
}

static void test_absent(void **state)
{
	(void)state;
	id_set();
	assert_int_equal(machineid_apply(&agent), 0);
	assert_false(root_has(ETC));
	dbus_make();
	root_put(ETC, "", 0444);
	assert_int_equal(symlinkat("/etc/machine-id", agent.root_fd, DBUS), 0);
	assert_int_equal(machineid_apply(&agent), 0);
	assert_file(ETC, NEW, 0444);
	assert_int_equal(
		faccessat(agent.root_fd, DBUS, F_OK, AT_SYMLINK_NOFOLLOW), 0);
}

/* One that cannot be written does not keep the other from it. */
static void test_failure(void **state)
{
	(void)state;
	id_set();
	dbus_make();
	assert_int_equal(mkdirat(agent.root_fd, ETC, 0755), 0);
	root_put(DBUS, OLD, 0644);
	assert_int_equal(machineid_apply(&agent), -EINVAL);
	assert_file(DBUS, NEW, 0644);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files),
		TEST(test_absent),
		TEST(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
