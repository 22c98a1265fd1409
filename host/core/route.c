// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/route.h"

#define ROUTE_TEXT_MAX 256

static int fail(const char **why, const char *literal)
{
	*why = literal;
	return -EINVAL;
}

static int addr_parse(bool is_ipv6, const char *text, uint8_t addr[16])
{
	if (inet_pton(is_ipv6 ? AF_INET6 : AF_INET, text, addr) != 1)
		return -EINVAL;
	return 0;
}

static int number_parse(const char *text, unsigned long max,
			unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*value = strtoul(text, &end, 10);
	return *end || errno || *value > max ? -EINVAL : 0;
}

/* Is there a bit behind the prefix? */
static bool has_host_part(const struct identity_route *route)
{
	unsigned int num_bits = route->is_ipv6 ? 128 : 32;

	for (unsigned int bit = route->dst_len; bit < num_bits; bit++)
		if (route->dst[bit / 8] & (0x80 >> bit % 8))
			return true;
	return false;
}

static int dst_parse(struct identity_route *route, char *text, const char **why)
{
	char *slash = strchr(text, '/');
	unsigned long max, len;

	if (slash)
		*slash++ = '\0';
	route->is_ipv6 = strchr(text, ':');
	max = route->is_ipv6 ? 128 : 32;
	len = max;
	if (addr_parse(route->is_ipv6, text, route->dst) < 0)
		return fail(why, "its destination is no address");
	if (slash && number_parse(slash, max, &len) < 0)
		return fail(why, "its prefix length is none");
	route->dst_len = (uint8_t)len;
	if (has_host_part(route))
		return fail(why, "its destination has bits behind its prefix");
	return 0;
}

/* The two words of an option: via GATEWAY, metric N, src ADDR. */
static int option_parse(struct identity_route *route, const char *key,
			const char *value, const char **why)
{
	unsigned long metric;

	if (!value)
		return fail(why, "its last word lacks a value");
	if (!strcmp(key, "metric")) {
		if (number_parse(value, UINT32_MAX, &metric) < 0)
			return fail(why, "its metric is no number");
		route->metric = (uint32_t)metric;
		route->has_metric = true;
		return 0;
	}
	if (!strcmp(key, "via") && !route->is_blackhole) {
		route->has_gateway = true;
		if (addr_parse(route->is_ipv6, value, route->gateway) < 0)
			return fail(why, "its gateway is no address of the "
					 "destination's family");
		return 0;
	}
	if (!strcmp(key, "src") && !route->is_blackhole) {
		route->has_source = true;
		if (addr_parse(route->is_ipv6, value, route->source) < 0)
			return fail(why, "its source is no address of the "
					 "destination's family");
		return 0;
	}
	return fail(why, "not DST [via GATEWAY] [metric N] [src ADDR], nor "
			 "blackhole DST [metric N]");
}

static const char *next_word(char **rest)
{
	const char *word;

	do
		word = strsep(rest, " \t");
	while (word && !*word);
	return word;
}

int route_parse(struct identity_route *route, const char *text,
		const char **why)
{
	char copy[ROUTE_TEXT_MAX], *rest = copy;
	const char *key, *value;
	bool is_default;
	int ret = 0;

	*route = (struct identity_route){ 0 };
	if (strlen(text) >= sizeof(copy))
		return fail(why, "too long");
	strcpy(copy, text);
	key = next_word(&rest);
	route->is_blackhole = key && !strcmp(key, "blackhole");
	if (route->is_blackhole)
		key = next_word(&rest);
	if (!key)
		return fail(why, "it has no destination");
	is_default = !strcmp(key, "default");
	/* a default route has the family of its other words */
	if (is_default)
		route->is_ipv6 = strchr(text, ':');
	else
		ret = dst_parse(route, (char *)key, why);
	while (!ret && (key = next_word(&rest))) {
		value = next_word(&rest);
		ret = option_parse(route, key, value, why);
	}
	if (!ret && is_default && !route->has_gateway)
		return fail(why, "a default route without a gateway is written "
				 "0.0.0.0/0 or ::/0");
	return ret;
}
