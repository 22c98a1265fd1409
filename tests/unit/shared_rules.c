// SPDX-License-Identifier: MIT
/* What a mail says of routes and of the guest, and the words for what is wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "attr.h"
#include "mail.h"
#include "rules.h"

#define M VMFORK_ATTR_MANDATORY

static void routes_fill(struct identity_link *link)
{
	link->num_routes = 3;
	link->routes[0] = (struct identity_route){
		.dst = { 192, 0, 2 },
		.dst_len = 24,
		.has_gateway = true,
		.gateway = { 10, 231, 0, 1 },
		.has_source = true,
		.source = { 10, 231, 0, 2 },
		.has_metric = true,
		.metric = 7,
	};
	link->routes[1] = (struct identity_route){
		.is_ipv6 = true,
		.dst = { 0x20, 0x01, 0x0d, 0xb8 },
		.dst_len = 32,
		.has_gateway = true,
		.gateway = { 0xfd, [15] = 1 },
	};
	link->routes[2] = (struct identity_route){
		.is_blackhole = true,
		.has_metric = true, /* of 0, which is one too */
	};
}

static void guest_fill(struct identity_guest *guest)
{
	static const uint8_t payload[] = { 0, 1, 2, 255, 'x' };

	strcpy(guest->name, "web-1");
	strcpy(guest->parent, "ready_2.x");
	memset(guest->hostname, 'h', VMFORK_NAME_MAX);
	guest->num_dns4 = 1;
	memcpy(guest->dns4[0], "\177\0\0\65", 4);
	guest->num_dns6 = 2;
	guest->dns6[0][0] = 0xfd;
	guest->dns6[1][15] = 1;
	strcpy(guest->search, "example.org a.test");
	guest->has_machine_id = true;
	memset(guest->machine_id, 0xab, VMFORK_ID_LEN);
	guest->has_clock = true;
	guest->clock = (struct vmfork_clock){
		.realtime_ns = 1800000000000000000ULL,
		.monotonic_ns = 12345,
	};
	guest->has_entropy = true;
	memset(guest->entropy, 0x5a, VMFORK_ENTROPY_LEN);
	guest->keep_tcp = true;
	guest->tells_stages = true;
	guest->has_hooks = true;
	guest->hooks.policy = VMFORK_POLICY_FAIL;
	guest->hooks.timeout_ms = VMFORK_HOOKS_MS_MAX;
	guest->payload = payload;
	guest->payload_len = sizeof(payload);
}

static void round_trip(void **state)
{
	static uint8_t payload[VMFORK_PAYLOAD_MAX];
	struct vmfork_identity id = { .num_links = 1 }, copy;
	uint32_t detail;
	int len;

	(void)state;
	id.link[0].match = IDENTITY_MATCH_INDEX;
	id.link[0].match_index = 2;
	routes_fill(&id.link[0]);
	guest_fill(&id.guest);
	len = identity_encode(&id, payload, sizeof(payload));
	assert_true(len > 0);
	assert_int_equal(identity_decode(&copy, payload, (size_t)len, &detail),
			 0);
	assert_int_equal(copy.guest.payload_len, id.guest.payload_len);
	assert_memory_equal(copy.guest.payload, id.guest.payload,
			    id.guest.payload_len);
	/* it is not copied: it stands where it came */
	assert_in_range((uintptr_t)copy.guest.payload, (uintptr_t)payload,
			(uintptr_t)payload + (size_t)len);
	copy.guest.payload = id.guest.payload;
	assert_memory_equal(&id, &copy, sizeof(id));
}

/* A payload of the greatest length has room beside all else, a longer one none. */
static void a_full_payload_fits(void **state)
{
	static uint8_t payload[VMFORK_PAYLOAD_MAX], bytes[4096];
	struct vmfork_identity id = { .num_links = 1 };

	(void)state;
	id.link[0].match = IDENTITY_MATCH_INDEX;
	id.link[0].match_index = 2;
	guest_fill(&id.guest);
	id.guest.payload = bytes;
	id.guest.payload_len = VMFORK_GUEST_PAYLOAD_MAX;
	assert_true(identity_encode(&id, payload, sizeof(payload)) > 0);
	id.guest.payload_len = sizeof(bytes);
	assert_int_equal(identity_encode(&id, payload, sizeof(payload)),
			 -EMSGSIZE);
}

/* One attribute in a list, and what is said of it. */
struct bad {
	uint16_t within; /* 0: in the mail itself */
	uint16_t type;
	uint16_t len;
	const char *value;
	int ret;
	const char *text;
};

static int decode_bad(const struct bad *bad, uint32_t *detail)
{
	static uint8_t buf[4096];
	struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
	struct vmfork_identity id;
	size_t nest = 0;

	if (bad->within)
		nest = attr_nest_start(&w, bad->within);
	attr_put(&w, bad->type, bad->value, bad->len);
	if (bad->within)
		attr_nest_end(&w, nest);
	return identity_decode(&id, buf, w.len, detail);
}

static const char long_text[] =
	"a2345678901234567890123456789012345678901234567890123456789012345";

static void bad_values_are_described(void **state)
{
	static const struct bad bads[] = {
		{ 0, VMFORK_A_HOSTNAME, 64, long_text, 0, "" },
		{ 0, VMFORK_A_HOSTNAME, 65, long_text, -EBADMSG,
		  "hostname: wrong length" },
		{ 0, VMFORK_A_HOSTNAME, 0, "", -EBADMSG,
		  "hostname: wrong length" },
		{ 0, VMFORK_A_HOSTNAME, 2, "-a", -ERANGE,
		  "hostname: a character that may not be there" },
		{ 0, VMFORK_A_HOSTNAME, 3, "a\nb", -ERANGE,
		  "hostname: a character that may not be there" },
		{ 0, VMFORK_A_HOSTNAME, 3, "a b", -ERANGE,
		  "hostname: a character that may not be there" },
		{ 0, VMFORK_A_NAME, 3, "a/b", -ERANGE,
		  "name: a character that may not be there" },
		{ 0, VMFORK_A_PARENT, 2, "a\0", -ERANGE,
		  "parent: a character that may not be there" },
		{ 0, VMFORK_A_MACHINE_ID, 15, "123456789012345", -EBADMSG,
		  "machine-id: wrong length" },
		{ 0, VMFORK_A_MACHINE_ID, 16,
		  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", -ERANGE,
		  "machine-id: out of range" },
		/* 2019, and far beyond what a clock counts */
		{ 0, VMFORK_A_CLOCK, 16,
		  "\0\0\372\175\222\0\270\25\0\0\0\0\0\0\0\0", -ERANGE,
		  "clock: out of range" },
		{ 0, VMFORK_A_CLOCK, 16, "\0\0\0\0\0\0\0\377\0\0\0\0\0\0\0\0",
		  -ERANGE, "clock: out of range" },
		{ 0, VMFORK_A_CLOCK, 8, "\0\0\0\0\0\0\0\30", -EBADMSG,
		  "clock: wrong length" },
		{ 0, VMFORK_A_ENTROPY, 63, long_text, -EBADMSG,
		  "entropy: wrong length" },
		{ 0, VMFORK_A_KEEP_TCP, 1, "x", -EBADMSG,
		  "keep-tcp: wrong length" },
		{ 0, VMFORK_A_HOOKS, 8, "\2\0\0\0\1\0\0\0", -ERANGE,
		  "hooks: out of range" },
		{ 0, VMFORK_A_HOOKS, 8, "\0\0\0\0\0\0\0\0", -ERANGE,
		  "hooks: out of range" },
		{ 0, VMFORK_A_HOOKS, 8, "\1\0\0\0\201\356\66\0", -ERANGE,
		  "hooks: out of range" },
		{ 0, VMFORK_A_PAYLOAD, 0, "", -EBADMSG,
		  "payload: wrong length" },
		{ 0, VMFORK_A_DNS, 4, "\0\0\0\0", -EBADMSG,
		  "dns: a list where a value should be, or the reverse" },
		{ VMFORK_A_DNS, VMFORK_D_SERVER4, 4, "\340\0\0\1", -ERANGE,
		  "dns.server4: not a unicast address" },
		{ VMFORK_A_DNS, VMFORK_D_SERVER6, 4, "\12\0\0\1", -EBADMSG,
		  "dns.server6: wrong length" },
		{ VMFORK_A_DNS, VMFORK_D_SEARCH, 4, "a  b", -ERANGE,
		  "dns.search: a character that may not be there" },
		{ VMFORK_A_DNS, VMFORK_D_SEARCH, 2, "a ", -ERANGE,
		  "dns.search: a character that may not be there" },
		{ VMFORK_A_DNS, 99 | M, 0, "", -EOPNOTSUPP,
		  "dns.attribute 99: unknown here, and mandatory" },
		{ 0, 300 | M, 0, "", -EOPNOTSUPP,
		  "attribute 255: unknown here, and mandatory" },
		{ 0, 300, 4, "what", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		char text[RULES_TEXT_SIZE] = "";
		uint32_t detail = 0;
		int ret = decode_bad(&bads[i], &detail);

		if (ret < 0)
			rules_describe(detail, text);
		if (ret != bads[i].ret || strcmp(text, bads[i].text) != 0)
			fail_msg("row %zu: %d \"%s\", not %d \"%s\"", i, ret,
				 text, bads[i].ret, bads[i].text);
	}
}

/* Which attribute of a payload is written twice, in the order in which it stands. */
struct twice {
	unsigned int at, target;
	bool is_repeated; /* it may be */
};

static void copy_twice(struct attr_writer *w, const struct rules *rules,
		       const uint8_t *list, size_t len, struct twice *twice)
{
	struct attr a;

	while (attr_next(&list, &len, &a) > 0) {
		const struct rule *rule = &rules->row[a.type];
		unsigned int times = 1;

		if (twice->at++ == twice->target) {
			times = 2;
			twice->is_repeated = rule->is_repeated;
		}
		while (times--) {
			size_t nest;

			if (!rule->list) {
				attr_put(w, a.type | M, a.value, a.len);
				continue;
			}
			nest = attr_nest_start(w, a.type | M);
			copy_twice(w, rule->list, a.value, a.len, twice);
			attr_nest_end(w, nest);
		}
	}
}

/* All that a payload may hold. */
static size_t all_encode(uint8_t *payload, size_t size)
{
	struct vmfork_identity id = { .num_links = 1, .ack_port = 9 };
	struct identity_link *link = &id.link[0];
	int len;

	link->match = IDENTITY_MATCH_INDEX;
	link->match_index = 2;
	link->has_mac = true;
	link->mac[5] = 1;
	link->mtu = 1400;
	link->num_addr4 = 1;
	link->addr4[0] = (struct vmfork_addr4){ { 10, 0, 0, 2 }, 24, { 0 } };
	link->num_addr6 = 1;
	link->addr6[0] = (struct vmfork_addr6){ { 0xfd }, 64, { 0 } };
	link->has_gateway4 = true;
	link->gateway4[0] = 10;
	link->has_gateway6 = true;
	link->gateway6[0] = 0xfd;
	link->has_gateway_mac = true;
	link->gateway_mac[5] = 2;
	routes_fill(link);
	guest_fill(&id.guest);
	id.guest.num_dns6 = 1;
	id.ack_addr[0] = 10;
	len = identity_encode(&id, payload, size);
	assert_true(len > 0);
	return (size_t)len;
}

/* Of two that differ, one would be forgotten without a word. */
static void what_is_there_twice_is_refused(void **state)
{
	static const char end[] = ": given twice";
	static uint8_t payload[VMFORK_PAYLOAD_MAX], buf[2 * sizeof(payload)];
	size_t len = all_encode(payload, sizeof(payload));
	struct twice twice = { 0 };
	unsigned int num_refused = 0;

	(void)state;
	for (unsigned int i = 0;; i++) {
		struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
		char text[RULES_TEXT_SIZE] = "";
		struct vmfork_identity id;
		uint32_t detail = 0;
		int ret;

		twice = (struct twice){ .target = i };
		copy_twice(&w, &rules_mail, payload, len, &twice);
		assert_false(w.overflow);
		ret = identity_decode(&id, buf, w.len, &detail);
		if (i >= twice.at) {
			assert_int_equal(ret, 0);
			break;
		}
		rules_describe(detail, text);
		if (ret != (twice.is_repeated ? 0 : -EBADMSG) ||
		    (ret && strcmp(text + strlen(text) - strlen(end), end)))
			fail_msg("attribute %u: %d \"%s\"", i, ret, text);
		num_refused += ret < 0;
	}
	/* all but links; of those all but addresses, routes, other matches */
	assert_true(num_refused >= VMFORK_A_NUM - 2 + VMFORK_L_NUM - 6);
}

struct bad_route {
	const char *text;
	uint16_t types[3]; /* attributes of a route, one after the other */
};

/* A value that is good by itself, for each attribute of a route. */
static void route_put(struct attr_writer *w, uint16_t type)
{
	static const struct vmfork_addr4 dst4 = { { 192, 0, 2 }, 24, { 0 } };
	static const struct vmfork_addr6 dst6 = { { 0xfd }, 8, { 0 } };

	switch ((enum vmfork_attr_route)type) {
	case VMFORK_R_DST4:
		attr_put(w, type, &dst4, sizeof(dst4));
		break;
	case VMFORK_R_DST6:
		attr_put(w, type, &dst6, sizeof(dst6));
		break;
	case VMFORK_R_GATEWAY:
	case VMFORK_R_SOURCE:
		attr_put(w, type, "\12\0\0\1", 4);
		break;
	case VMFORK_R_METRIC:
		attr_put(w, type, "\1\0\0\0", 4);
		break;
	case VMFORK_R_BLACKHOLE:
		attr_put(w, type, NULL, 0);
		break;
	case VMFORK_R_UNSPEC:
	case VMFORK_R_NUM:
		break;
	}
}

static void bad_routes_are_described(void **state)
{
	static const struct bad_route bads[] = {
		{ "", { VMFORK_R_DST4, VMFORK_R_GATEWAY, VMFORK_R_SOURCE } },
		{ "", { VMFORK_R_GATEWAY, VMFORK_R_DST4, VMFORK_R_METRIC } },
		{ "", { VMFORK_R_DST6, VMFORK_R_BLACKHOLE } },
		{ "link.route: lacks what it cannot be without",
		  { VMFORK_R_GATEWAY } },
		{ "link.route.dst6: given twice",
		  { VMFORK_R_DST4, VMFORK_R_DST6 } },
		{ "link.route.gateway: contradicts the rest",
		  { VMFORK_R_GATEWAY, VMFORK_R_DST6 } },
		{ "link.route.source: contradicts the rest",
		  { VMFORK_R_DST6, VMFORK_R_SOURCE } },
		{ "link.route.blackhole: contradicts the rest",
		  { VMFORK_R_DST4, VMFORK_R_BLACKHOLE, VMFORK_R_GATEWAY } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		uint8_t buf[256];
		struct attr_writer w = { .buf = buf, .size = sizeof(buf) };
		struct vmfork_identity id;
		char text[RULES_TEXT_SIZE] = "";
		uint32_t detail = 0;
		size_t link, route;

		link = attr_nest_start(&w, VMFORK_A_LINK);
		attr_put(&w, VMFORK_L_MATCH_NAME, "eth0", 4);
		route = attr_nest_start(&w, VMFORK_L_ROUTE);
		for (unsigned int j = 0; j < 3; j++)
			route_put(&w, bads[i].types[j]);
		attr_nest_end(&w, route);
		attr_nest_end(&w, link);
		if (identity_decode(&id, buf, w.len, &detail) < 0)
			rules_describe(detail, text);
		if (strcmp(text, bads[i].text) != 0)
			fail_msg("row %zu: \"%s\", not \"%s\"", i, text,
				 bads[i].text);
	}
}

/* Bits behind the prefix, which the kernel would refuse, in both families. */
static void a_destination_is_a_prefix(void **state)
{
	struct vmfork_identity id = { .num_links = 1 }, copy;
	struct identity_route *route = &id.link[0].routes[0];
	uint8_t buf[256];
	uint32_t detail;

	(void)state;
	id.link[0].match = IDENTITY_MATCH_INDEX;
	id.link[0].match_index = 1;
	id.link[0].num_routes = 1;
	for (unsigned int bit = 0; bit < 32; bit++) {
		int want = bit < 20 ? 0 : -ERANGE, len;

		*route = (struct identity_route){ .dst_len = 20 };
		route->dst[bit / 8] = (uint8_t)(0x80 >> bit % 8);
		len = identity_encode(&id, buf, sizeof(buf));
		assert_true(len > 0);
		assert_int_equal(
			identity_decode(&copy, buf, (size_t)len, &detail),
			want);
	}
	*route = (struct identity_route){ .dst_len = 33 };
	assert_int_equal(
		identity_decode(&copy, buf,
				(size_t)identity_encode(&id, buf, sizeof(buf)),
				&detail),
		-ERANGE);
}

/* Whatever a guest says, there are words, and they end. */
static void any_detail_is_described(void **state)
{
	char text[RULES_TEXT_SIZE];

	(void)state;
	for (uint64_t detail = 0; detail <= UINT32_MAX; detail += 65521) {
		memset(text, 'x', sizeof(text));
		rules_describe((uint32_t)detail, text);
		assert_true(strnlen(text, sizeof(text)) < sizeof(text));
	}
	assert_string_equal(rules_describe(0, text), "payload: no reason");
	assert_string_equal(rules_describe(UINT32_MAX, text),
			    "attribute 255.attribute 255.attribute 255: "
			    "unknown reason");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(a_full_payload_fits),
		cmocka_unit_test(bad_values_are_described),
		cmocka_unit_test(what_is_there_twice_is_refused),
		cmocka_unit_test(bad_routes_are_described),
		cmocka_unit_test(a_destination_is_a_prefix),
		cmocka_unit_test(any_detail_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
