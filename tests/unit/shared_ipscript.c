// SPDX-License-Identifier: MIT
/* The commands of a shell that do what a mail asks for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ipscript.h"

static void whole(void **state)
{
	const struct identity_link link = {
		.has_mac = true,
		.mac = { 2, 0xab, 0, 0, 0, 7 },
		.num_addr4 = 1,
		.addr4 = { { .addr = { 10, 1, 0, 5 }, .prefix_len = 16 } },
		.num_addr6 = 1,
		.addr6 = { { .addr = { 0xfd, [15] = 5 }, .prefix_len = 64 } },
		.has_gateway4 = true,
		.gateway4 = { 10, 1, 0, 1 },
		.has_gateway6 = true,
		.gateway6 = { 0xfd, [15] = 1 },
	};
	char script[IPSCRIPT_BYTES];

	(void)state;
	assert_int_equal(ipscript_write(script, &link), 0);
	assert_string_equal(script,
			    "ip link set dev eth0 address 02:ab:00:00:00:07; "
			    "ip addr flush dev eth0; "
			    "ip addr add 10.1.0.5/16 dev eth0; "
			    "ip -6 addr add fd00::5/64 dev eth0; "
			    "ip route replace default via 10.1.0.1 dev eth0; "
			    "ip -6 route replace default via fd00::1 dev eth0");
}

static void what_is_absent_stays(void **state)
{
	const struct identity_link link = {
		.num_addr6 = 1,
		.addr6 = { { .addr = { 0xfd, [15] = 5 }, .prefix_len = 64 } },
	};
	char script[IPSCRIPT_BYTES];

	(void)state;
	assert_int_equal(ipscript_write(script, &link), 0);
	assert_string_equal(script, "ip addr flush dev eth0; "
				    "ip -6 addr add fd00::5/64 dev eth0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(what_is_absent_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
