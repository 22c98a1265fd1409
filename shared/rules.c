// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "rules.h"

#define LEN(size)      .min_len = (size), .max_len = (size)
#define LENS(min, max) .min_len = (min), .max_len = (max)
#define LIST(rules)    .max_len = UINT16_MAX, .list = &(rules)
#define MANY	       .is_repeated = true
#define ROWS(table, type_num)                                           \
	{ .row = (table), .num = sizeof(table) / sizeof((table)[0]) };  \
	static_assert(sizeof(table) / sizeof((table)[0]) == (type_num), \
		      #table);                                          \
	static_assert((type_num) <= RULES_TYPES_MAX, #table)

static const struct rule route_rows[] = {
	[VMFORK_R_DST4] = { "dst4", LEN(sizeof(struct vmfork_addr4)) },
	[VMFORK_R_DST6] = { "dst6", LEN(sizeof(struct vmfork_addr6)) },
	[VMFORK_R_GATEWAY] = { "gateway", LENS(4, 16) },
	[VMFORK_R_SOURCE] = { "source", LENS(4, 16) },
	[VMFORK_R_METRIC] = { "metric", LEN(4) },
	[VMFORK_R_BLACKHOLE] = { "blackhole", LEN(0) },
};
const struct rules rules_route = ROWS(route_rows, VMFORK_R_NUM);

static const struct rule link_rows[] = {
	[VMFORK_L_MATCH_MAC] = { "match-mac", LEN(6) },
	[VMFORK_L_MATCH_NAME] = { "match-name", LENS(1, 15) },
	[VMFORK_L_MATCH_INDEX] = { "match-index", LEN(4) },
	[VMFORK_L_MAC] = { "mac", LEN(6) },
	[VMFORK_L_MTU] = { "mtu", LEN(4) },
	[VMFORK_L_ADDR4] = { "addr4", LEN(sizeof(struct vmfork_addr4)), MANY },
	[VMFORK_L_ADDR6] = { "addr6", LEN(sizeof(struct vmfork_addr6)), MANY },
	[VMFORK_L_GATEWAY4] = { "gateway4", LEN(4) },
	[VMFORK_L_GATEWAY6] = { "gateway6", LEN(16) },
	[VMFORK_L_GATEWAY_MAC] = { "gateway-mac", LEN(6) },
	[VMFORK_L_ROUTE] = { "route", LIST(rules_route), MANY },
};
const struct rules rules_link = ROWS(link_rows, VMFORK_L_NUM);

static const struct rule ack_rows[] = {
	[VMFORK_K_ADDR4] = { "addr4", LEN(4) },
	[VMFORK_K_ADDR6] = { "addr6", LEN(16) },
	[VMFORK_K_PORT] = { "port", LEN(2) },
};
const struct rules rules_ack = ROWS(ack_rows, VMFORK_K_NUM);

static const struct rule dns_rows[] = {
	[VMFORK_D_SERVER4] = { "server4", LEN(4), MANY },
	[VMFORK_D_SERVER6] = { "server6", LEN(16), MANY },
	[VMFORK_D_SEARCH] = { "search", LENS(1, VMFORK_SEARCH_MAX) },
};
const struct rules rules_dns = ROWS(dns_rows, VMFORK_D_NUM);

static const struct rule mail_rows[] = {
	[VMFORK_A_LINK] = { "link", LIST(rules_link), MANY },
	[VMFORK_A_ACK] = { "ack", LIST(rules_ack) },
	[VMFORK_A_NAME] = { "name", LENS(1, VMFORK_NAME_MAX) },
	[VMFORK_A_PARENT] = { "parent", LENS(1, VMFORK_NAME_MAX) },
	[VMFORK_A_HOSTNAME] = { "hostname", LENS(1, VMFORK_NAME_MAX) },
	[VMFORK_A_DNS] = { "dns", LIST(rules_dns) },
	[VMFORK_A_MACHINE_ID] = { "machine-id", LEN(VMFORK_ID_LEN) },
	[VMFORK_A_CLOCK] = { "clock", LEN(sizeof(struct vmfork_clock)) },
	[VMFORK_A_ENTROPY] = { "entropy", LEN(VMFORK_ENTROPY_LEN) },
	[VMFORK_A_KEEP_TCP] = { "keep-tcp", LEN(0) },
	[VMFORK_A_HOOKS] = { "hooks", LEN(sizeof(struct vmfork_hooks)) },
	[VMFORK_A_PAYLOAD] = { "payload", LENS(1, VMFORK_GUEST_PAYLOAD_MAX) },
	[VMFORK_A_STAGES] = { "stages", LEN(0) },
};
const struct rules rules_mail = ROWS(mail_rows, VMFORK_A_NUM);

static const char *const why_texts[] = {
	[VMFORK_WHY_NONE] = "no reason",
	[VMFORK_WHY_UNKNOWN] = "unknown here, and mandatory",
	[VMFORK_WHY_MALFORMED] = "malformed",
	[VMFORK_WHY_NESTED] = "a list where a value should be, or the reverse",
	[VMFORK_WHY_LENGTH] = "wrong length",
	[VMFORK_WHY_RANGE] = "out of range",
	[VMFORK_WHY_UNICAST] = "not a unicast address",
	[VMFORK_WHY_PREFIX] = "too long a prefix, or bits behind it",
	[VMFORK_WHY_TEXT] = "a character that may not be there",
	[VMFORK_WHY_TOO_MANY] = "too many",
	[VMFORK_WHY_TWICE] = "given twice",
	[VMFORK_WHY_MISSING] = "lacks what it cannot be without",
	[VMFORK_WHY_CONFLICT] = "contradicts the rest",
};
static_assert(sizeof(why_texts) / sizeof(char *) == VMFORK_WHY_NUM, "why");

int rules_fail(uint32_t *detail, uint16_t type, enum vmfork_why why, int ret)
{
	/* a type that no byte holds is unknown in any case */
	*detail = (uint32_t)(type < 255 ? type : 255) << 24 | why;
	return ret;
}

int rules_within(uint32_t *detail, uint16_t type, int ret)
{
	uint32_t path = *detail >> 8, why = *detail & 0xff;

	*detail = (uint32_t)type << 24 | (path >> 8) << 8 | why;
	return ret;
}

/* Return: 1 if it is to be read, 0 to pass it over, -errno */
static int admit(const struct rules *rules, const struct attr *attr,
		 uint32_t *seen, uint32_t *detail)
{
	const struct rule *rule;
	uint32_t bit;

	if (attr->type >= rules->num || !rules->row[attr->type].name) {
		if (!attr->mandatory)
			return 0;
		return rules_fail(detail, attr->type, VMFORK_WHY_UNKNOWN,
				  -EOPNOTSUPP);
	}
	rule = &rules->row[attr->type];
	if (attr->nested != (rule->list != NULL))
		return rules_fail(detail, attr->type, VMFORK_WHY_NESTED,
				  -EBADMSG);
	if (attr->len < rule->min_len || attr->len > rule->max_len)
		return rules_fail(detail, attr->type, VMFORK_WHY_LENGTH,
				  -EBADMSG);
	bit = 1U << attr->type;
	if (*seen & bit && !rule->is_repeated)
		return rules_fail(detail, attr->type, VMFORK_WHY_TWICE,
				  -EBADMSG);
	*seen |= bit;
	return 1;
}

int rules_next(struct rules_walk *walk, struct attr *attr, uint32_t *detail)
{
	int ret;

	while ((ret = attr_next(&walk->list, &walk->len, attr)) > 0) {
		ret = admit(walk->rules, attr, &walk->seen, detail);
		if (ret)
			return ret;
	}
	return ret < 0 ? rules_fail(detail, 0, VMFORK_WHY_MALFORMED, ret) : 0;
}

const char *rules_describe(uint32_t detail, char text[RULES_TEXT_SIZE])
{
	const struct rules *rules = &rules_mail;
	uint32_t why = detail & 0xff;
	size_t len = 0;

	for (int shift = 24; shift >= 8; shift -= 8) {
		uint32_t type = detail >> shift & 0xff;
		const struct rule *rule = NULL;

		if (!type)
			break;
		if (rules && type < rules->num && rules->row[type].name)
			rule = &rules->row[type];
		if (rule)
			len += (size_t)snprintf(text + len,
						RULES_TEXT_SIZE - len, "%s%s",
						len ? "." : "", rule->name);
		else
			len += (size_t)snprintf(
				text + len, RULES_TEXT_SIZE - len,
				"%sattribute %u", len ? "." : "", type);
		rules = rule ? rule->list : NULL;
	}
	snprintf(text + len, RULES_TEXT_SIZE - len, "%s: %s",
		 len ? "" : "payload",
		 why < VMFORK_WHY_NUM ? why_texts[why] : "unknown reason");
	return text;
}
