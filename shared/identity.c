// SPDX-License-Identifier: MIT
/* An identity as a list of attributes. mail.h holds the contract. */
#include <errno.h>
#include <string.h>

#include "attr.h"
#include "mail.h"

#define M VMFORK_ATTR_MANDATORY

static void link_encode(struct attr_writer *w, const struct identity_link *link)
{
	size_t nest = attr_nest_start(w, VMFORK_A_LINK | M);

	switch (link->match) {
	case IDENTITY_MATCH_NONE:
		break;
	case IDENTITY_MATCH_MAC:
		attr_put(w, VMFORK_L_MATCH_MAC | M, link->match_mac, 6);
		break;
	case IDENTITY_MATCH_NAME:
		attr_put(w, VMFORK_L_MATCH_NAME | M, link->match_name,
			 strnlen(link->match_name, IDENTITY_NAME_LEN - 1));
		break;
	case IDENTITY_MATCH_INDEX:
		attr_put(w, VMFORK_L_MATCH_INDEX | M, &link->match_index, 4);
		break;
	}
	if (link->has_mac)
		attr_put(w, VMFORK_L_MAC | M, link->mac, 6);
	if (link->mtu)
		attr_put(w, VMFORK_L_MTU | M, &link->mtu, 4);
	for (unsigned int i = 0; i < link->num_addr4; i++)
		attr_put(w, VMFORK_L_ADDR4 | M, &link->addr4[i],
			 sizeof(link->addr4[i]));
	for (unsigned int i = 0; i < link->num_addr6; i++)
		attr_put(w, VMFORK_L_ADDR6 | M, &link->addr6[i],
			 sizeof(link->addr6[i]));
	if (link->has_gateway4)
		attr_put(w, VMFORK_L_GATEWAY4 | M, link->gateway4, 4);
	if (link->has_gateway6)
		attr_put(w, VMFORK_L_GATEWAY6 | M, link->gateway6, 16);
	if (link->has_gateway_mac)
		attr_put(w, VMFORK_L_GATEWAY_MAC | M, link->gateway_mac, 6);
	attr_nest_end(w, nest);
}

int identity_encode(const struct vmfork_identity *id, void *payload,
		    size_t size)
{
	struct attr_writer w = { .buf = payload, .size = size };
	size_t nest;

	for (unsigned int i = 0; i < id->num_links; i++)
		link_encode(&w, &id->link[i]);
	if (id->ack_port) {
		nest = attr_nest_start(&w, VMFORK_A_ACK);
		if (id->ack_is_ipv6)
			attr_put(&w, VMFORK_K_ADDR6, id->ack_addr, 16);
		else
			attr_put(&w, VMFORK_K_ADDR4, id->ack_addr, 4);
		attr_put(&w, VMFORK_K_PORT, &id->ack_port, 2);
		attr_nest_end(&w, nest);
	}
	return w.overflow ? -EMSGSIZE : (int)w.len;
}

static int fail(struct identity_error *error, const char *attr, const char *why,
		int ret)
{
	error->attr = attr;
	error->why = why;
	return ret;
}

static bool mac_is_usable(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero));
}

static bool addr4_is_usable(const uint8_t *addr)
{
	/* not 0.0.0.0/8, loopback, multicast or class E */
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool addr6_is_usable(const uint8_t *addr)
{
	static const uint8_t loopback_or_any[15];

	return addr[0] != 0xff &&
	       (memcmp(addr, loopback_or_any, 15) || addr[15] > 1);
}

static bool name_is_usable(const struct attr *a)
{
	if (a->len < 1 || a->len >= IDENTITY_NAME_LEN)
		return false;
	for (size_t i = 0; i < a->len; i++) {
		uint8_t c = a->value[i];

		if (c <= ' ' || c >= 0x7f || c == '/' || c == ':')
			return false;
	}
	return true;
}

/* One row per attribute: its name, and the length of its value (0: varies). */
struct attr_rule {
	const char *name;
	uint16_t len;
	bool nested;
};

static const struct attr_rule link_rules[] = {
	[VMFORK_L_MATCH_MAC] = { "link.match-mac", 6 },
	[VMFORK_L_MATCH_NAME] = { "link.match-name", 0 },
	[VMFORK_L_MATCH_INDEX] = { "link.match-index", 4 },
	[VMFORK_L_MAC] = { "link.mac", 6 },
	[VMFORK_L_MTU] = { "link.mtu", 4 },
	[VMFORK_L_ADDR4] = { "link.addr4", sizeof(struct vmfork_addr4) },
	[VMFORK_L_ADDR6] = { "link.addr6", sizeof(struct vmfork_addr6) },
	[VMFORK_L_GATEWAY4] = { "link.gateway4", 4 },
	[VMFORK_L_GATEWAY6] = { "link.gateway6", 16 },
	[VMFORK_L_GATEWAY_MAC] = { "link.gateway-mac", 6 },
};
static_assert(sizeof(link_rules) / sizeof(link_rules[0]) == VMFORK_L_NUM, "");

static const struct attr_rule ack_rules[] = {
	[VMFORK_K_ADDR4] = { "ack.addr4", 4 },
	[VMFORK_K_ADDR6] = { "ack.addr6", 16 },
	[VMFORK_K_PORT] = { "ack.port", 2 },
};
static_assert(sizeof(ack_rules) / sizeof(ack_rules[0]) == VMFORK_K_NUM, "");

static const struct attr_rule mail_rules[] = {
	[VMFORK_A_LINK] = { "link", 0, true },
	[VMFORK_A_ACK] = { "ack", 0, true },
};
static_assert(sizeof(mail_rules) / sizeof(mail_rules[0]) == VMFORK_A_NUM, "");

/*
 * Check one attribute against its list's rules.
 * Return: 1 to read it, 0 to skip it, -errno.
 */
static int attr_admit(const struct attr *a, const struct attr_rule *rules,
		      size_t num_rules, struct identity_error *error)
{
	const struct attr_rule *rule;

	if (a->type >= num_rules || !rules[a->type].name) {
		if (a->mandatory)
			return fail(error, "unknown", "is mandatory",
				    -EOPNOTSUPP);
		return 0;
	}
	rule = &rules[a->type];
	if (a->nested != rule->nested)
		return fail(error, rule->name, "is (not) a list", -EBADMSG);
	if (rule->len && a->len != rule->len)
		return fail(error, rule->name, "has a wrong length", -EBADMSG);
	return 1;
}

static int link_set_match(struct identity_link *link, enum identity_match match,
			  struct identity_error *error)
{
	if (link->match != IDENTITY_MATCH_NONE)
		return fail(error, "link", "is matched in two ways", -EBADMSG);
	link->match = match;
	return 0;
}

static int link_add_addr4(struct identity_link *link, const struct attr *a,
			  struct identity_error *error)
{
	struct vmfork_addr4 *addr = &link->addr4[link->num_addr4];

	if (link->num_addr4 == IDENTITY_ADDRS_MAX)
		return fail(error, "link.addr4", "are too many", -E2BIG);
	memcpy(addr, a->value, sizeof(*addr));
	if (!addr4_is_usable(addr->addr))
		return fail(error, "link.addr4", "is not unicast", -ERANGE);
	if (addr->prefix_len > 32)
		return fail(error, "link.addr4", "has a prefix above 32",
			    -ERANGE);
	link->num_addr4++;
	return 0;
}

static int link_add_addr6(struct identity_link *link, const struct attr *a,
			  struct identity_error *error)
{
	struct vmfork_addr6 *addr = &link->addr6[link->num_addr6];

	if (link->num_addr6 == IDENTITY_ADDRS_MAX)
		return fail(error, "link.addr6", "are too many", -E2BIG);
	memcpy(addr, a->value, sizeof(*addr));
	if (!addr6_is_usable(addr->addr))
		return fail(error, "link.addr6", "is not unicast", -ERANGE);
	if (addr->prefix_len > 128)
		return fail(error, "link.addr6", "has a prefix above 128",
			    -ERANGE);
	link->num_addr6++;
	return 0;
}

static int link_set_mac(uint8_t *mac, bool *has, const struct attr *a,
			struct identity_error *error)
{
	if (!mac_is_usable(a->value))
		return fail(error, link_rules[a->type].name, "is not unicast",
			    -ERANGE);
	memcpy(mac, a->value, 6);
	*has = true;
	return 0;
}

static int link_read(struct identity_link *link, const struct attr *a,
		     struct identity_error *error)
{
	bool ignored;
	int ret;

	switch ((enum vmfork_attr_link)a->type) {
	case VMFORK_L_MATCH_MAC:
		ret = link_set_match(link, IDENTITY_MATCH_MAC, error);
		if (ret < 0)
			return ret;
		return link_set_mac(link->match_mac, &ignored, a, error);
	case VMFORK_L_MATCH_NAME:
		if (!name_is_usable(a))
			return fail(error, "link.match-name", "is no name",
				    -ERANGE);
		memcpy(link->match_name, a->value, a->len);
		return link_set_match(link, IDENTITY_MATCH_NAME, error);
	case VMFORK_L_MATCH_INDEX:
		memcpy(&link->match_index, a->value, 4);
		if (!link->match_index || link->match_index > INT32_MAX)
			return fail(error, "link.match-index", "is no index",
				    -ERANGE);
		return link_set_match(link, IDENTITY_MATCH_INDEX, error);
	case VMFORK_L_MAC:
		return link_set_mac(link->mac, &link->has_mac, a, error);
	case VMFORK_L_MTU:
		memcpy(&link->mtu, a->value, 4);
		if (link->mtu < 68 || link->mtu > 65535)
			return fail(error, "link.mtu", "is not 68 to 65535",
				    -ERANGE);
		return 0;
	case VMFORK_L_ADDR4:
		return link_add_addr4(link, a, error);
	case VMFORK_L_ADDR6:
		return link_add_addr6(link, a, error);
	case VMFORK_L_GATEWAY4:
		if (!addr4_is_usable(a->value))
			return fail(error, "link.gateway4", "is not unicast",
				    -ERANGE);
		memcpy(link->gateway4, a->value, 4);
		link->has_gateway4 = true;
		return 0;
	case VMFORK_L_GATEWAY6:
		if (!addr6_is_usable(a->value))
			return fail(error, "link.gateway6", "is not unicast",
				    -ERANGE);
		memcpy(link->gateway6, a->value, 16);
		link->has_gateway6 = true;
		return 0;
	case VMFORK_L_GATEWAY_MAC:
		return link_set_mac(link->gateway_mac, &link->has_gateway_mac,
				    a, error);
	case VMFORK_L_UNSPEC:
	case VMFORK_L_NUM:
		break;
	}
	return 0;
}

static int link_decode(struct vmfork_identity *id, const struct attr *outer,
		       struct identity_error *error)
{
	struct identity_link *link = &id->link[id->num_links];
	const uint8_t *list = outer->value;
	size_t len = outer->len;
	struct attr a;
	int ret;

	if (id->num_links == IDENTITY_LINKS_MAX)
		return fail(error, "link", "are too many", -E2BIG);
	while ((ret = attr_next(&list, &len, &a)) > 0) {
		ret = attr_admit(&a, link_rules, VMFORK_L_NUM, error);
		if (ret > 0)
			ret = link_read(link, &a, error);
		if (ret < 0)
			return ret;
	}
	if (ret < 0)
		return fail(error, "link", "is malformed", ret);
	if (link->match == IDENTITY_MATCH_NONE)
		return fail(error, "link", "matches nothing", -EBADMSG);
	if (link->num_addr6 && link->mtu && link->mtu < 1280)
		return fail(error, "link.mtu", "is below 1280 with IPv6",
			    -ERANGE);
	id->num_links++;
	return 0;
}

static int ack_decode(struct vmfork_identity *id, const struct attr *outer,
		      struct identity_error *error)
{
	const uint8_t *list = outer->value;
	size_t len = outer->len;
	unsigned int num_addrs = 0;
	struct attr a;
	int ret;

	while ((ret = attr_next(&list, &len, &a)) > 0) {
		ret = attr_admit(&a, ack_rules, VMFORK_K_NUM, error);
		if (ret < 0)
			return ret;
		if (ret == 0)
			continue;
		if (a.type == VMFORK_K_PORT) {
			memcpy(&id->ack_port, a.value, 2);
			continue;
		}
		id->ack_is_ipv6 = a.type == VMFORK_K_ADDR6;
		memcpy(id->ack_addr, a.value, a.len);
		num_addrs++;
	}
	if (ret < 0)
		return fail(error, "ack", "is malformed", ret);
	if (num_addrs != 1 || !id->ack_port)
		return fail(error, "ack", "needs one address and a port",
			    -EBADMSG);
	return 0;
}

int identity_decode(struct vmfork_identity *id, const void *payload, size_t len,
		    struct identity_error *error)
{
	const uint8_t *list = payload;
	struct attr a;
	int ret;

	memset(id, 0, sizeof(*id));
	while ((ret = attr_next(&list, &len, &a)) > 0) {
		ret = attr_admit(&a, mail_rules, VMFORK_A_NUM, error);
		if (ret > 0)
			ret = a.type == VMFORK_A_LINK
				      ? link_decode(id, &a, error)
				      : ack_decode(id, &a, error);
		if (ret < 0)
			return ret;
	}
	if (ret < 0)
		return fail(error, "payload", "is malformed", ret);
	return 0;
}
