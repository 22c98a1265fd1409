// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "addr.h"
#include "identity_link.h"
#include "rules.h"

#define M VMFORK_ATTR_MANDATORY

#define MTU_MIN	     68	  /* RFC 791 */
#define MTU_MIN_IPV6 1280 /* RFC 8200 */
#define MTU_MAX	     65535

static void route_encode(struct attr_writer *w,
			 const struct identity_route *route)
{
	size_t nest = attr_nest_start(w, VMFORK_L_ROUTE | M);
	size_t len = route->is_ipv6 ? 16 : 4;

	if (route->is_ipv6) {
		struct vmfork_addr6 dst = { .prefix_len = route->dst_len };

		memcpy(dst.addr, route->dst, sizeof(dst.addr));
		attr_put(w, VMFORK_R_DST6 | M, &dst, sizeof(dst));
	} else {
		struct vmfork_addr4 dst = { .prefix_len = route->dst_len };

		memcpy(dst.addr, route->dst, sizeof(dst.addr));
		attr_put(w, VMFORK_R_DST4 | M, &dst, sizeof(dst));
	}
	if (route->has_gateway)
		attr_put(w, VMFORK_R_GATEWAY | M, route->gateway, len);
	if (route->has_source)
		attr_put(w, VMFORK_R_SOURCE | M, route->source, len);
	if (route->has_metric)
		attr_put(w, VMFORK_R_METRIC | M, &route->metric, 4);
	if (route->is_blackhole)
		attr_put(w, VMFORK_R_BLACKHOLE | M, NULL, 0);
	attr_nest_end(w, nest);
}

static void match_encode(struct attr_writer *w,
			 const struct identity_link *link)
{
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
}

void identity_link_encode(struct attr_writer *w,
			  const struct identity_link *link)
{
	size_t nest = attr_nest_start(w, VMFORK_A_LINK | M);

	match_encode(w, link);
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
	for (unsigned int i = 0; i < link->num_routes; i++)
		route_encode(w, &link->routes[i]);
	attr_nest_end(w, nest);
}

static bool mac_is_usable(const uint8_t *mac)
{
	static const uint8_t zero[6];

	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero));
}

bool identity_addr_is_usable(const uint8_t *addr, bool is_ipv6)
{
	static const uint8_t loopback_or_any[15];

	if (is_ipv6)
		return addr[0] != 0xff &&
		       (memcmp(addr, loopback_or_any, 15) || addr[15] > 1);
	/* not 0.0.0.0/8, loopback, multicast or class E */
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool name_is_usable(const struct attr *a)
{
	for (size_t i = 0; i < a->len; i++) {
		uint8_t c = a->value[i];

		if (c <= ' ' || c >= 0x7f || c == '/' || c == ':')
			return false;
	}
	return true;
}

static int route_set_dst(struct identity_route *route, const struct attr *a,
			 bool *has_dst, uint32_t *detail)
{
	unsigned int num_bits = a->type == VMFORK_R_DST6 ? 128 : 32;

	if (*has_dst)
		return rules_fail(detail, a->type, VMFORK_WHY_TWICE, -EBADMSG);
	*has_dst = true;
	route->is_ipv6 = a->type == VMFORK_R_DST6;
	memcpy(route->dst, a->value, num_bits / 8);
	route->dst_len = a->value[num_bits / 8];
	if (route->dst_len > num_bits ||
	    !addr_is_prefix(route->dst, num_bits, route->dst_len))
		return rules_fail(detail, a->type, VMFORK_WHY_PREFIX, -ERANGE);
	return 0;
}

static int route_set_addr(uint8_t addr[16], bool *has, const struct attr *a,
			  uint32_t *detail)
{
	if (a->len != 4 && a->len != 16)
		return rules_fail(detail, a->type, VMFORK_WHY_LENGTH, -EBADMSG);
	if (!identity_addr_is_usable(a->value, a->len == 16))
		return rules_fail(detail, a->type, VMFORK_WHY_UNICAST, -ERANGE);
	/* of the other family: found when the destination is known */
	*has = true;
	memset(addr, 0, 16);
	memcpy(addr, a->value, a->len);
	return 0;
}

static int route_read(struct identity_route *route, const struct attr *a,
		      bool *has_dst, uint32_t *detail)
{
	switch ((enum vmfork_attr_route)a->type) {
	case VMFORK_R_DST4:
	case VMFORK_R_DST6:
		return route_set_dst(route, a, has_dst, detail);
	case VMFORK_R_GATEWAY:
		return route_set_addr(route->gateway, &route->has_gateway, a,
				      detail);
	case VMFORK_R_SOURCE:
		return route_set_addr(route->source, &route->has_source, a,
				      detail);
	case VMFORK_R_METRIC:
		memcpy(&route->metric, a->value, 4);
		route->has_metric = true;
		return 0;
	case VMFORK_R_BLACKHOLE:
		route->is_blackhole = true;
		return 0;
	case VMFORK_R_UNSPEC:
	case VMFORK_R_NUM:
		break;
	}
	return 0;
}

static int route_check(const struct identity_route *route, bool has_dst,
		       const uint16_t lens[VMFORK_R_NUM], uint32_t *detail)
{
	uint16_t len = route->is_ipv6 ? 16 : 4;

	if (!has_dst)
		return rules_fail(detail, 0, VMFORK_WHY_MISSING, -EBADMSG);
	if (route->has_gateway && lens[VMFORK_R_GATEWAY] != len)
		return rules_fail(detail, VMFORK_R_GATEWAY, VMFORK_WHY_CONFLICT,
				  -EBADMSG);
	if (route->has_source && lens[VMFORK_R_SOURCE] != len)
		return rules_fail(detail, VMFORK_R_SOURCE, VMFORK_WHY_CONFLICT,
				  -EBADMSG);
	if (route->is_blackhole && (route->has_gateway || route->has_source))
		return rules_fail(detail, VMFORK_R_BLACKHOLE,
				  VMFORK_WHY_CONFLICT, -EBADMSG);
	return 0;
}

static int route_decode(struct identity_link *link, const struct attr *outer,
			uint32_t *detail)
{
	struct identity_route *route = &link->routes[link->num_routes];
	uint16_t lens[VMFORK_R_NUM] = { 0 };
	struct rules_walk walk = {
		.rules = &rules_route,
		.list = outer->value,
		.len = outer->len,
	};
	bool has_dst = false;
	struct attr a;
	int ret;

	if (link->num_routes == IDENTITY_ROUTES_MAX)
		return rules_fail(detail, 0, VMFORK_WHY_TOO_MANY, -E2BIG);
	while ((ret = rules_next(&walk, &a, detail)) > 0) {
		lens[a.type] = a.len;
		ret = route_read(route, &a, &has_dst, detail);
		if (ret < 0)
			return ret;
	}
	if (ret < 0)
		return ret;
	link->num_routes++;
	return route_check(route, has_dst, lens, detail);
}

static int set_match(struct identity_link *link, enum identity_match match,
		     uint16_t type, uint32_t *detail)
{
	if (link->match != IDENTITY_MATCH_NONE)
		return rules_fail(detail, type, VMFORK_WHY_TWICE, -EBADMSG);
	link->match = match;
	return 0;
}

static int add_addr(struct identity_link *link, const struct attr *a,
		    uint32_t *detail)
{
	bool is_ipv6 = a->type == VMFORK_L_ADDR6;
	unsigned int *num = is_ipv6 ? &link->num_addr6 : &link->num_addr4;
	uint8_t prefix_len = a->value[is_ipv6 ? 16 : 4];

	if (*num == IDENTITY_ADDRS_MAX)
		return rules_fail(detail, a->type, VMFORK_WHY_TOO_MANY, -E2BIG);
	if (!identity_addr_is_usable(a->value, is_ipv6))
		return rules_fail(detail, a->type, VMFORK_WHY_UNICAST, -ERANGE);
	if (prefix_len > (is_ipv6 ? 128 : 32))
		return rules_fail(detail, a->type, VMFORK_WHY_PREFIX, -ERANGE);
	if (is_ipv6)
		memcpy(&link->addr6[*num], a->value, sizeof(link->addr6[0]));
	else
		memcpy(&link->addr4[*num], a->value, sizeof(link->addr4[0]));
	++*num;
	return 0;
}

static int set_gateway(uint8_t *gateway, bool *has, const struct attr *a,
		       uint32_t *detail)
{
	if (!identity_addr_is_usable(a->value, a->len == 16))
		return rules_fail(detail, a->type, VMFORK_WHY_UNICAST, -ERANGE);
	memcpy(gateway, a->value, a->len);
	*has = true;
	return 0;
}

static int set_mac(uint8_t *mac, bool *has, const struct attr *a,
		   uint32_t *detail)
{
	if (!mac_is_usable(a->value))
		return rules_fail(detail, a->type, VMFORK_WHY_UNICAST, -ERANGE);
	memcpy(mac, a->value, 6);
	if (has)
		*has = true;
	return 0;
}

static int match_read(struct identity_link *link, const struct attr *a,
		      uint32_t *detail)
{
	switch (a->type) {
	case VMFORK_L_MATCH_MAC:
		if (set_mac(link->match_mac, NULL, a, detail) < 0)
			return -ERANGE;
		return set_match(link, IDENTITY_MATCH_MAC, a->type, detail);
	case VMFORK_L_MATCH_NAME:
		if (!name_is_usable(a))
			return rules_fail(detail, a->type, VMFORK_WHY_TEXT,
					  -ERANGE);
		memcpy(link->match_name, a->value, a->len);
		return set_match(link, IDENTITY_MATCH_NAME, a->type, detail);
	default:
		memcpy(&link->match_index, a->value, 4);
		if (!link->match_index || link->match_index > INT32_MAX)
			return rules_fail(detail, a->type, VMFORK_WHY_RANGE,
					  -ERANGE);
		return set_match(link, IDENTITY_MATCH_INDEX, a->type, detail);
	}
}

static int link_read(struct identity_link *link, const struct attr *a,
		     uint32_t *detail)
{
	int ret;

	switch ((enum vmfork_attr_link)a->type) {
	case VMFORK_L_MATCH_MAC:
	case VMFORK_L_MATCH_NAME:
	case VMFORK_L_MATCH_INDEX:
		return match_read(link, a, detail);
	case VMFORK_L_MAC:
		return set_mac(link->mac, &link->has_mac, a, detail);
	case VMFORK_L_MTU:
		memcpy(&link->mtu, a->value, 4);
		if (link->mtu < MTU_MIN || link->mtu > MTU_MAX)
			return rules_fail(detail, a->type, VMFORK_WHY_RANGE,
					  -ERANGE);
		return 0;
	case VMFORK_L_ADDR4:
	case VMFORK_L_ADDR6:
		return add_addr(link, a, detail);
	case VMFORK_L_GATEWAY4:
		return set_gateway(link->gateway4, &link->has_gateway4, a,
				   detail);
	case VMFORK_L_GATEWAY6:
		return set_gateway(link->gateway6, &link->has_gateway6, a,
				   detail);
	case VMFORK_L_GATEWAY_MAC:
		return set_mac(link->gateway_mac, &link->has_gateway_mac, a,
			       detail);
	case VMFORK_L_ROUTE:
		ret = route_decode(link, a, detail);
		return ret < 0 ? rules_within(detail, a->type, ret) : 0;
	case VMFORK_L_UNSPEC:
	case VMFORK_L_NUM:
		break;
	}
	return 0;
}

int identity_link_decode(struct identity_link *link, const struct attr *outer,
			 uint32_t *detail)
{
	struct rules_walk walk = {
		.rules = &rules_link,
		.list = outer->value,
		.len = outer->len,
	};
	struct attr a;
	int ret;

	while ((ret = rules_next(&walk, &a, detail)) > 0) {
		ret = link_read(link, &a, detail);
		if (ret < 0)
			return ret;
	}
	if (ret < 0)
		return ret;
	if (link->match == IDENTITY_MATCH_NONE)
		return rules_fail(detail, 0, VMFORK_WHY_MISSING, -EBADMSG);
	if (link->num_addr6 && link->mtu && link->mtu < MTU_MIN_IPV6)
		return rules_fail(detail, VMFORK_L_MTU, VMFORK_WHY_CONFLICT,
				  -ERANGE);
	return 0;
}
