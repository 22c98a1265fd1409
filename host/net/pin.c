// SPDX-License-Identifier: MIT
/* Ports as elements of the sets of filter.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/filter.h"
#include "net/nft.h"
#include "net/pool.h"
#include "net/record.h"

/*
 * A transaction is one send, which without root must fit the default socket
 * buffer (212992 bytes): three times some 800 bytes for each port.
 */
#define PORTS_PER_RUN 64

/* A port's addresses as text, and as the numbers that raw payloads are. */
struct pin {
	const char *tap;
	char mac[MAC_TEXT_SIZE];
	char mac_hex[2 * 6 + 1];
	char ip4[INET_ADDRSTRLEN];
	char ip6[2][INET6_ADDRSTRLEN];
	char ip6_hex[2][2 * 16 + 1];
};

static void pin_init(struct pin *pin, const struct net_port *port)
{
	struct in6_addr link_local = pool_link_local(port->mac);

	pin->tap = port->tap;
	mac_format(pin->mac, port->mac);
	vf_hex(pin->mac_hex, port->mac, sizeof(port->mac));
	inet_ntop(AF_INET, &port->addr4, pin->ip4, sizeof(pin->ip4));
	inet_ntop(AF_INET6, &port->addr6, pin->ip6[0], sizeof(pin->ip6[0]));
	inet_ntop(AF_INET6, &link_local, pin->ip6[1], sizeof(pin->ip6[1]));
	vf_hex(pin->ip6_hex[0], &port->addr6, sizeof(port->addr6));
	vf_hex(pin->ip6_hex[1], &link_local, sizeof(link_local));
}

static void tap_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\"", pin->tap);
}

static void ip4_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\" . %s . %s", pin->tap, pin->mac, pin->ip4);
}

static void ip6_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\" . %s . %s, \"%s\" . %s . %s", pin->tap, pin->mac,
		pin->ip6[0], pin->tap, pin->mac, pin->ip6[1]);
}

static void arp_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\" . %s . %s . %s", pin->tap, pin->mac, pin->mac,
		pin->ip4);
}

static void nd_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\" . 0x%s, \"%s\" . 0x%s", pin->tap, pin->ip6_hex[0],
		pin->tap, pin->ip6_hex[1]);
}

static void ll_print(FILE *out, const struct pin *pin)
{
	fprintf(out, "\"%s\" . 0x%s", pin->tap, pin->mac_hex);
}

static const struct {
	const char *name;
	void (*print)(FILE *out, const struct pin *pin);
} sets[] = {
	{ "ip4", ip4_print }, { "ip6", ip6_print }, { "arp", arp_print },
	{ "nd", nd_print },   { "ll", ll_print },   { "tap", tap_print },
};

static void pins_print(FILE *out, void (*print)(FILE *, const struct pin *),
		       const struct pin *pins, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++) {
		fputs(i ? ",\n" : " { ", out);
		print(out, &pins[i]);
	}
	fputs(" }\n", out);
}

static void elements_print(FILE *out, const char *verb,
			   const struct net_conf *conf, const struct pin *pins,
			   unsigned int num)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		fprintf(out, "%s element bridge " NFT_TABLE " %s.%s", verb,
			conf->bridge, sets[s].name);
		pins_print(out, sets[s].print, pins, num);
	}
	fprintf(out, "%s element bridge " NFT_TABLE " " NFT_GUARD_SET, verb);
	pins_print(out, tap_print, pins, num);
}

static int chunk_run(const struct net_conf *conf, const struct net_port *ports,
		     unsigned int num, const char *const *verbs,
		     struct vf_err *err)
{
	struct pin pins[PORTS_PER_RUN];
	__free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return vf_err_errno(err, ENOMEM, "nftables");
	for (unsigned int i = 0; i < num; i++)
		pin_init(&pins[i], &ports[i]);
	for (; *verbs; verbs++)
		elements_print(out, *verbs, conf, pins, num);
	if (fclose(out) != 0)
		return vf_err_errno(err, ENOMEM, "nftables");
	return nft_run(text, err);
}

static int elements_run(const struct net_conf *conf,
			const struct net_port *ports, unsigned int num,
			const char *const *verbs, struct vf_err *err)
{
	unsigned int from, len;
	int ret = 0;

	for (from = 0; from < num && ret == 0; from += len) {
		len = num - from;
		if (len > PORTS_PER_RUN)
			len = PORTS_PER_RUN;
		ret = chunk_run(conf, &ports[from], len, verbs, err);
	}
	return ret;
}

int filter_ports_add(const struct net_conf *conf, const struct net_port *ports,
		     unsigned int num, struct vf_err *err)
{
	/* an element that exists would keep what it has counted */
	static const char *const fresh[] = { "create", NULL };
	static const char *const renew[] = { "add", "delete", "add", NULL };
	int ret;

	ret = elements_run(conf, ports, num, fresh, err);
	if (ret == -EEXIST)
		ret = elements_run(conf, ports, num, renew, err);
	return ret;
}

int filter_ports_remove(const struct net_conf *conf,
			const struct net_port *ports, unsigned int num,
			struct vf_err *err)
{
	/* add first: deleting what is not there would fail them all */
	static const char *const verbs[] = { "add", "delete", NULL };
	int ret;

	ret = elements_run(conf, ports, num, verbs, err);
	return ret == -ENOENT ? 0 : ret;
}
