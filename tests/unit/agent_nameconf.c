// SPDX-License-Identifier: MIT
/* Name and resolver files: what is ours changes, all else stays as it was. */
#include "agent_root.h"

#include <arpa/inet.h>
#include <errno.h>

#include "conffile.h"
#include "nameconf.h"

#define HOSTS	"etc/hosts"
#define RESOLV	"etc/resolv.conf"
#define DEBIANS "127.0.0.1\tlocalhost\n127.0.1.1\told\n# vmforks\n"

static void name_set(const char *name)
{
	strcpy(agent.id.guest.hostname, name);
}

static void dns_set(const char *server4, const char *server6,
		    const char *search)
{
	struct identity_guest *guest = &agent.id.guest;

	guest->num_dns4 = server4 ? 1 : 0;
	guest->num_dns6 = server6 ? 1 : 0;
	if (server4)
		inet_pton(AF_INET, server4, guest->dns4[0]);
	if (server6)
		inet_pton(AF_INET6, server6, guest->dns6[0]);
	strcpy(guest->search, search);
}

static void test_hosts(void **state)
{
	(void)state;
	root_put(HOSTS, DEBIANS, 0640);
	name_set("web-1");
	assert_int_equal(nameconf_hosts(&agent), 0);
	assert_file(HOSTS, DEBIANS "127.0.1.1\tweb-1\t# vmfork\n", 0640);
	name_set("web-2.example.org");
	assert_int_equal(nameconf_hosts(&agent), 0);
	assert_file(HOSTS,
		    DEBIANS "127.0.1.1\tweb-2.example.org web-2\t# vmfork\n",
		    0640);
	assert_false(root_has("etc/.hosts.vmfork"));
}

/* The last line may lack its end, the file all lines, the name a short one. */
static void test_hosts_odd(void **state)
{
	char want[256], *name = agent.id.guest.hostname;

	(void)state;
	name_set("n");
	root_put(HOSTS, "::1 a", 0644);
	assert_int_equal(nameconf_hosts(&agent), 0);
	assert_file(HOSTS, "::1 a\n127.0.1.1\tn\t# vmfork\n", 0644);
	root_put(HOSTS, "", 0644);
	memset(name, 'a', VMFORK_NAME_MAX);
	name[VMFORK_NAME_MAX - 1] = '.';
	assert_int_equal(nameconf_hosts(&agent), 0);
	snprintf(want, sizeof(want), "127.0.1.1\t%s %.*s\t# vmfork\n", name,
		 VMFORK_NAME_MAX - 1, name);
	assert_file(HOSTS, want, 0644);
}

static void test_hosts_not_ours(void **state)
{
	(void)state;
	assert_int_equal(nameconf_hosts(&agent), SETTLE_NOTHING);
	name_set("web-1");
	assert_int_equal(nameconf_hosts(&agent), SETTLE_NOTHING);
	assert_false(root_has(HOSTS));
	root_put("etc/real", DEBIANS, 0644);
	assert_int_equal(symlinkat("real", agent.root_fd, HOSTS), 0);
	assert_int_equal(nameconf_hosts(&agent), SETTLE_NOTHING);
	assert_file("etc/real", DEBIANS, 0644);
	assert_int_equal(unlinkat(agent.root_fd, HOSTS, 0), 0);
	assert_int_equal(mkdirat(agent.root_fd, HOSTS, 0755), 0);
	assert_int_equal(nameconf_hosts(&agent), -EINVAL);
}

static void test_hosts_too_big(void **state)
{
	int fd;

	(void)state;
	name_set("web-1");
	root_put(HOSTS, DEBIANS, 0644);
	fd = openat(agent.root_fd, HOSTS, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, CONFFILE_MAX + 1), 0);
	close(fd);
	assert_int_equal(nameconf_hosts(&agent), -EFBIG);
}

static void test_resolv(void **state)
{
	(void)state;
	assert_int_equal(nameconf_resolv(&agent), SETTLE_NOTHING);
	root_put(RESOLV,
		 "# mine\nnameserver 1.1.1.1\ndomain old\noptions rotate\n"
		 "nameserver\t9.9.9.9\nsearch older\n",
		 0644);
	dns_set("10.0.0.1", "fd00::1", "");
	assert_int_equal(nameconf_resolv(&agent), 0);
	assert_file(RESOLV,
		    "# mine\ndomain old\noptions rotate\nsearch older\n"
		    "nameserver 10.0.0.1\nnameserver fd00::1\n",
		    0644);
	dns_set(NULL, NULL, "a.example b.example");
	assert_int_equal(nameconf_resolv(&agent), 0);
	assert_file(RESOLV,
		    "# mine\noptions rotate\nnameserver 10.0.0.1\n"
		    "nameserver fd00::1\nsearch a.example b.example\n",
		    0644);
}

static void test_resolv_new(void **state)
{
	(void)state;
	dns_set("10.0.0.1", NULL, "example");
	assert_int_equal(nameconf_resolv(&agent), 0);
	assert_file(RESOLV, "nameserver 10.0.0.1\nsearch example\n", 0644);
	assert_int_equal(unlinkat(agent.root_fd, RESOLV, 0), 0);
	assert_int_equal(symlinkat("../run/theirs", agent.root_fd, RESOLV), 0);
	assert_int_equal(nameconf_resolv(&agent), SETTLE_NOTHING);
	assert_false(root_has("run/theirs"));
	assert_int_equal(unlinkat(agent.root_fd, RESOLV, 0), 0);
	assert_int_equal(unlinkat(agent.root_fd, "etc", AT_REMOVEDIR), 0);
	assert_int_equal(nameconf_resolv(&agent), SETTLE_NOTHING);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, root_setup, root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hosts),	   TEST(test_hosts_odd),
		TEST(test_hosts_not_ours), TEST(test_hosts_too_big),
		TEST(test_resolv),	   TEST(test_resolv_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
