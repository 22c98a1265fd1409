// SPDX-License-Identifier: MIT
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "ipscript.h"

#define DEV "eth0"

struct script {
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void add(struct script *s,
						      const char *format, ...)
{
	size_t room = s->used < IPSCRIPT_BYTES ? IPSCRIPT_BYTES - s->used : 0;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(room ? s->text + s->used : NULL, room, format, args);
	va_end(args);
	s->used += (size_t)len;
}

static const char *text(int family, const uint8_t *addr,
			char buf[INET6_ADDRSTRLEN])
{
	return inet_ntop(family, addr, buf, INET6_ADDRSTRLEN);
}

int ipscript_write(char script[IPSCRIPT_BYTES],
		   const struct identity_link *link)
{
	struct script s = { script, 0 };
	const uint8_t *m = link->mac;
	char buf[INET6_ADDRSTRLEN];

	if (link->has_mac)
		add(&s,
		    "ip link set dev " DEV
		    " address %02x:%02x:%02x:%02x:%02x:%02x; ",
		    m[0], m[1], m[2], m[3], m[4], m[5]);
	add(&s, "ip addr flush dev " DEV);
	if (link->num_addr4)
		add(&s, "; ip addr add %s/%u dev " DEV,
		    text(AF_INET, link->addr4[0].addr, buf),
		    link->addr4[0].prefix_len);
	if (link->num_addr6)
		add(&s, "; ip -6 addr add %s/%u dev " DEV,
		    text(AF_INET6, link->addr6[0].addr, buf),
		    link->addr6[0].prefix_len);
	if (link->has_gateway4)
		add(&s, "; ip route replace default via %s dev " DEV,
		    text(AF_INET, link->gateway4, buf));
	if (link->has_gateway6)
		add(&s, "; ip -6 route replace default via %s dev " DEV,
		    text(AF_INET6, link->gateway6, buf));
	return s.used < IPSCRIPT_BYTES ? 0 : -EMSGSIZE;
}
