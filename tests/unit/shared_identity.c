// SPDX-License-Identifier: MIT
/* Identities: the round trip, and each value that is refused, by name. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attr.h"
#include "mail.h"
#include "rules.h"

#define M VMFORK_ATTR_MANDATORY

static void link_fill(struct identity_link *link)
{
	*link = (struct identity_link){
		.match = IDENTITY_MATCH_MAC,
		.match_mac = { 2, 0, 0, 0, 0, 1 },
		.has_mac = true,
		.mac = { 2, 0, 0, 0, 0, 2 },
		.mtu = 1500,
		.has_gateway4 = true,
		.gateway4 = { 10, 231, 0, 1 },
		.has_gateway6 = true,
		.gateway6 = { 0xfd, [15] = 1 },
		.has_gateway_mac = true,
		.gateway_mac = { 2, 0, 0, 0, 0, 9 },
		.num_addr4 = IDENTITY_ADDRS_MAX,
		.num_addr6 = IDENTITY_ADDRS_MAX,
	};
	for (uint8_t i = 0; i < IDENTITY_ADDRS_MAX; i++) {
		link->addr4[i] = (struct vmfork_addr4){
			.addr = { 10, 231, 1, i },
			.prefix_len = 16,
		};
		link->addr6[i] = (struct vmfork_addr6){
			.addr = { 0xfd, [14] = 1, [15] = i },
			.prefix_len = 64,
		};
	}
}

static void round_trip(void **state)
{
	static uint8_t payload[VMFORK_PAYLOAD_MAX];
	struct vmfork_identity id, copy;
	uint32_t detail;
	int len;

	(void)state;
	memset(&id, 0, sizeof(id));
	id.num_links = IDENTITY_LINKS_MAX;
	for (unsigned int i = 0; i < IDENTITY_LINKS_MAX; i++)
		link_fill(&id.link[i]);
	id.link[1].match = IDENTITY_MATCH_NAME;
	memset(id.link[1].match_mac, 0, 6);
	strcpy(id.link[1].match_name, "eth0-longest-15");
	id.link[2].match = IDENTITY_MATCH_INDEX;
	memset(id.link[2].match_mac, 0, 6);
	id.link[2].match_index = 7;
	id.ack_port = 4711;
	memcpy(id.ack_addr, id.link[0].gateway4, 4);

	len = identity_encode(&id, payload, sizeof(payload));
	assert_true(len > 0);
	assert_int_equal(identity_decode(&copy, payload, (size_t)len, &detail),
			 0);
	assert_memory_equal(&id, &copy, sizeof(id));

	id.ack_is_ipv6 = true;
	memcpy(id.ack_addr, id.link[0].gateway6, 16);
	len = identity_encode(&id, payload, sizeof(payload));
	assert_int_equal(identity_decode(&copy, payload, (size_t)len, &detail),
			 0);
	assert_memory_equal(&id, &copy, sizeof(id));
	assert_int_equal(identity_encode(&id, payload, (size_t)len - 4),
			 -EMSGSIZE);
}

static void empty_is_valid(void **state)
{
	struct vmfork_identity id;
	uint32_t detail;

	(void)state;
	assert_int_equal(identity_decode(&id, "", 0, &detail), 0);
	assert_int_equal(id.num_links, 0);
	assert_int_equal(id.ack_port, 0);
}

/* What one attribute more in an otherwise good link leads to. */
struct bad_link {
	uint16_t type;
	uint16_t len;
	const char *value;
	int ret;
	const char *attr;
};

static int decode_link_with(const struct bad_link *bad, uint32_t *detail)
{
	uint8_t buf[256];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct vmfork_identity id;
	size_t nest = attr_nest_start(&w, VMFORK_A_LINK | M);

	attr_put(&w, VMFORK_L_ADDR6 | M,
		 "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\5@\0\0", 20);
	if (bad->type != VMFORK_L_MATCH_NAME)
		attr_put(&w, VMFORK_L_MATCH_NAME | M, "eth0", 4);
	attr_put(&w, bad->type, bad->value, bad->len);
	attr_nest_end(&w, nest);
	return identity_decode(&id, buf, w.len, detail);
}

/* The words that a user reads name this attribute, and give a reason. */
static void assert_names(uint32_t detail, const char *attr)
{
	char text[RULES_TEXT_SIZE];
	size_t len = strlen(attr);

	rules_describe(detail, text);
	if (strncmp(text, attr, len) != 0 ||
	    strncmp(text + len, ": ", 2) != 0 || strstr(text, "no reason"))
		fail_msg("\"%s\" does not name %s", text, attr);
}

static void bad_values_are_named(void **state)
{
	static const struct bad_link bads[] = {
		{ VMFORK_L_MAC, 6, "\1\0\0\0\0\1", -ERANGE, "link.mac" },
		{ VMFORK_L_MAC, 6, "\0\0\0\0\0\0", -ERANGE, "link.mac" },
		{ VMFORK_L_MAC, 5, "\2\0\0\0\0", -EBADMSG, "link.mac" },
		{ VMFORK_L_MAC | VMFORK_ATTR_NESTED, 6, "\2\0\0\0\0\1",
		  -EBADMSG, "link.mac" },
		{ VMFORK_L_GATEWAY_MAC, 6, "\377\377\377\377\377\377", -ERANGE,
		  "link.gateway-mac" },
		{ VMFORK_L_MTU, 4, "\103\0\0\0", -ERANGE, "link.mtu" }, /* 67 */
		{ VMFORK_L_MTU, 4, "\0\0\1\0", -ERANGE,
		  "link.mtu" }, /* 65536 */
		{ VMFORK_L_MTU, 4, "\0\0\0\0", -ERANGE, "link.mtu" },
		/* 1279 is too small where there is IPv6 */
		{ VMFORK_L_MTU, 4, "\377\4\0\0", -ERANGE, "link.mtu" },
		{ VMFORK_L_MTU, 2, "\0\5", -EBADMSG, "link.mtu" },
		{ VMFORK_L_ADDR4, 8, "\0\0\0\1\30\0\0", -ERANGE, "link.addr4" },
		{ VMFORK_L_ADDR4, 8, "\177\0\0\1\10\0\0", -ERANGE,
		  "link.addr4" },
		{ VMFORK_L_ADDR4, 8, "\340\0\0\1\10\0\0", -ERANGE,
		  "link.addr4" },
		{ VMFORK_L_ADDR4, 8, "\377\377\377\377\40\0\0", -ERANGE,
		  "link.addr4" },
		{ VMFORK_L_ADDR4, 8, "\12\0\0\1\41\0\0", -ERANGE,
		  "link.addr4" },
		{ VMFORK_L_ADDR4, 4, "\12\0\0\1", -EBADMSG, "link.addr4" },
		{ VMFORK_L_ADDR6, 20, "\377\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1@\0\0",
		  -ERANGE, "link.addr6" },
		{ VMFORK_L_ADDR6, 20, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0@\0\0",
		  -ERANGE, "link.addr6" },
		{ VMFORK_L_ADDR6, 20, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1@\0\0",
		  -ERANGE, "link.addr6" },
		{ VMFORK_L_ADDR6, 20,
		  "\375\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\201\0\0", -ERANGE,
		  "link.addr6" },
		{ VMFORK_L_GATEWAY4, 4, "\357\1\1\1", -ERANGE,
		  "link.gateway4" },
		{ VMFORK_L_GATEWAY4, 16, "\12\0\0\1\0\0\0\0\0\0\0\0\0\0\0",
		  -EBADMSG, "link.gateway4" },
		{ VMFORK_L_GATEWAY6, 16, "\377\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1",
		  -ERANGE, "link.gateway6" },
		{ VMFORK_L_MATCH_INDEX, 4, "\0\0\0\0", -ERANGE,
		  "link.match-index" },
		{ VMFORK_L_MATCH_INDEX, 4, "\0\0\0\200", -ERANGE,
		  "link.match-index" },
		{ VMFORK_L_MATCH_INDEX, 4, "\1\0\0\0", -EBADMSG,
		  "link.match-index" },
		{ VMFORK_L_MATCH_MAC, 6, "\2\0\0\0\0\1", -EBADMSG,
		  "link.match-mac" },
		{ VMFORK_L_MATCH_NAME, 0, "", -EBADMSG, "link.match-name" },
		{ VMFORK_L_MATCH_NAME, 16, "0123456789abcdef", -EBADMSG,
		  "link.match-name" },
		{ VMFORK_L_MATCH_NAME, 4, "a/b", -ERANGE, "link.match-name" },
		{ VMFORK_L_MATCH_NAME, 3, "a b", -ERANGE, "link.match-name" },
		{ 99 | M, 0, "", -EOPNOTSUPP, "link.attribute 99" },
		{ M, 0, "", -EOPNOTSUPP, "link" },
		{ VMFORK_L_MTU, 4, "\334\5\0\0", 0, NULL },
		{ VMFORK_L_NUM, 3, "abc", 0, NULL }, /* unknown, optional */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		char text[RULES_TEXT_SIZE];
		uint32_t detail = 0;
		int ret = decode_link_with(&bads[i], &detail);

		if (ret != bads[i].ret)
			fail_msg("row %zu: %d, not %d (%s)", i, ret,
				 bads[i].ret, rules_describe(detail, text));
		if (ret < 0)
			assert_names(detail, bads[i].attr);
	}
}

static void too_many(void **state)
{
	uint8_t buf[1024];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct vmfork_identity id;
	uint32_t detail;
	size_t nest;

	(void)state;
	for (int i = 0; i <= IDENTITY_LINKS_MAX; i++) {
		nest = attr_nest_start(&w, VMFORK_A_LINK);
		attr_put(&w, VMFORK_L_MATCH_NAME, "eth0", 4);
		attr_nest_end(&w, nest);
	}
	assert_int_equal(identity_decode(&id, buf, w.len, &detail), -E2BIG);
	assert_names(detail, "link");

	w.len = 0;
	nest = attr_nest_start(&w, VMFORK_A_LINK);
	for (int i = 0; i <= IDENTITY_ADDRS_MAX; i++)
		attr_put(&w, VMFORK_L_ADDR4, "\12\0\0\1\30\0\0", 8);
	attr_nest_end(&w, nest);
	assert_int_equal(identity_decode(&id, buf, w.len, &detail), -E2BIG);
	assert_names(detail, "link.addr4");
}

static void nobody_is_matched(void **state)
{
	uint8_t buf[64];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct vmfork_identity id;
	uint32_t detail;
	size_t nest = attr_nest_start(&w, VMFORK_A_LINK);

	(void)state;
	attr_put(&w, VMFORK_L_MAC, "\2\0\0\0\0\1", 6);
	attr_nest_end(&w, nest);
	assert_int_equal(identity_decode(&id, buf, w.len, &detail), -EBADMSG);
	assert_names(detail, "link");
}

static int decode_ack(unsigned int num_addrs, const char *port)
{
	uint8_t buf[64];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct vmfork_identity id;
	uint32_t detail;
	size_t nest = attr_nest_start(&w, VMFORK_A_ACK);

	for (unsigned int i = 0; i < num_addrs; i++)
		attr_put(&w, VMFORK_K_ADDR4, "\12\0\0\1", 4);
	if (port)
		attr_put(&w, VMFORK_K_PORT, port, 2);
	attr_nest_end(&w, nest);
	return identity_decode(&id, buf, w.len, &detail);
}

static void ack_needs_address_and_port(void **state)
{
	(void)state;
	assert_int_equal(decode_ack(1, "\1\0"), 0);
	assert_int_equal(decode_ack(0, "\1\0"), -EBADMSG);
	assert_int_equal(decode_ack(2, "\1\0"), -EBADMSG);
	assert_int_equal(decode_ack(1, "\0\0"), -EBADMSG);
	assert_int_equal(decode_ack(1, NULL), -EBADMSG);
}

/* Every prefix of a good payload either decodes or is refused: none is read
 * past its end (which the sanitizers see). */
static void truncated(void **state)
{
	uint8_t payload[512];
	struct vmfork_identity id = { .num_links = 1, .ack_port = 1 };
	uint32_t detail;
	int len;

	(void)state;
	link_fill(&id.link[0]);
	len = identity_encode(&id, payload, sizeof(payload));
	assert_true(len > 0);
	for (size_t cut = 1; cut < (size_t)len; cut++) {
		uint8_t *copy = test_malloc(cut);

		memcpy(copy, payload, cut);
		identity_decode(&id, copy, cut, &detail);
		test_free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(empty_is_valid),
		cmocka_unit_test(bad_values_are_named),
		cmocka_unit_test(too_many),
		cmocka_unit_test(nobody_is_matched),
		cmocka_unit_test(ack_needs_address_and_port),
		cmocka_unit_test(truncated),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
