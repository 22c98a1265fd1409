// SPDX-License-Identifier: MIT
/* Ports as elements of the sets of filter.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/filter.h"
#include "net/mode.h"
#include "net/nft.h"
#include "net/pool.h"
#include "net/record.h"

/*
 * A transaction is one send, which without root must fit the default socket
 * buffer (212992 bytes): three times some 800 bytes for each
 * port that has an address of each family.
 */
#define PORTS_PER_RUN 64
#define ADDRS_PER_RUN (2 * PORTS_PER_RUN)

/* A port's addresses as text, and as the numbers that raw payloads are. */
struct pin {
	const char *tap;
	char mac[MAC_TEXT_SIZE];
	char mac_hex[2 * 6 + 1];
	unsigned int num_ip4;
	unsigned int num_ip6;
	char ip4[NET_ADDRS_MAX][INET_ADDRSTRLEN];
	char ip6[NET_ADDRS_MAX + 1][INET6_ADDRSTRLEN];
	char ip6_hex[NET_ADDRS_MAX + 1][2 * 16 + 1];
};

static void pin_ip6(struct pin *pin, const struct in6_addr *addr)
{
	inet_ntop(AF_INET6, addr, pin->ip6[pin->num_ip6], sizeof(pin->ip6[0]));
	vf_hex(pin->ip6_hex[pin->num_ip6++], addr, sizeof(*addr));
}

static void pin_init(struct pin *pin, const struct net_port *port)
{
	struct in6_addr link_local = pool_link_local(port->mac);

	*pin = (struct pin){ .tap = port->tap, .num_ip4 = port->num_addr4 };
	mac_format(pin->mac, port->mac);
	vf_hex(pin->mac_hex, port->mac, sizeof(port->mac));
	for (unsigned int i = 0; i < port->num_addr4; i++)
		inet_ntop(AF_INET, &port->addr4[i], pin->ip4[i],
			  sizeof(pin->ip4[i]));
	for (unsigned int i = 0; i < port->num_addr6; i++)
		pin_ip6(pin, &port->addr6[i]);
	pin_ip6(pin, &link_local);
}

/* The elements of one set; all but the first begin with the separator. */
struct elements {
	FILE *out;
	unsigned int num;
};

__attribute__((format(printf, 2, 3))) static void element_print(
	struct elements *e, const char *fmt, ...)
{
	va_list ap;

	fputs(e->num++ ? ",\n" : " { ", e->out);
	va_start(ap, fmt);
	vfprintf(e->out, fmt, ap);
	va_end(ap);
}

static void tap_print(struct elements *e, const struct pin *pin)
{
	element_print(e, "\"%s\"", pin->tap);
}

static void ip4_print(struct elements *e, const struct pin *pin)
{
	for (unsigned int i = 0; i < pin->num_ip4; i++)
		element_print(e, "\"%s\" . %s . %s", pin->tap, pin->mac,
			      pin->ip4[i]);
}

static void ip6_print(struct elements *e, const struct pin *pin)
{
	for (unsigned int i = 0; i < pin->num_ip6; i++)
		element_print(e, "\"%s\" . %s . %s", pin->tap, pin->mac,
			      pin->ip6[i]);
}

static void arp_print(struct elements *e, const struct pin *pin)
{
	for (unsigned int i = 0; i < pin->num_ip4; i++)
		element_print(e, "\"%s\" . %s . %s . %s", pin->tap, pin->mac,
			      pin->mac, pin->ip4[i]);
}

static void nd_print(struct elements *e, const struct pin *pin)
{
	for (unsigned int i = 0; i < pin->num_ip6; i++)
		element_print(e, "\"%s\" . 0x%s", pin->tap, pin->ip6_hex[i]);
}

static void ll_print(struct elements *e, const struct pin *pin)
{
	element_print(e, "\"%s\" . 0x%s", pin->tap, pin->mac_hex);
}

typedef void (*pin_print)(struct elements *e, const struct pin *pin);

enum {
	SET_ARP = 1, /* in the family of ARP */
	SET_IP4 = 2, /* may be without elements */
};

static const struct {
	const char *name;
	pin_print print;
	unsigned int flags;
} sets[] = {
	{ "ip4", ip4_print, SET_IP4 },
	{ "ip6", ip6_print, 0 },
	{ "nd", nd_print, 0 },
	{ "ll", ll_print, 0 },
	{ "tap", tap_print, 0 },
	{ "tap", tap_print, SET_ARP },
	{ "arp", arp_print, SET_ARP | SET_IP4 },
};

/* Where a set is, by its place in the table; NULL: the family has it already. */
static const char *set_family(const struct net_conf *conf, size_t s)
{
	const struct mode_ops *mode = mode_of(conf);

	if (!(sets[s].flags & SET_ARP))
		return mode->family;
	if (sets[s].print == tap_print && mode->arp_family == mode->family)
		return NULL;
	return mode->arp_family;
}

void filter_sets_remove_print(FILE *out, const struct net_conf *conf)
{
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		const char *family = set_family(conf, s);

		if (family)
			fprintf(out, "delete set %s " NFT_TABLE " %s.%s\n",
				family, conf->bridge, sets[s].name);
	}
}

static void pins_print(FILE *out, pin_print print, const struct pin *pins,
		       unsigned int num)
{
	struct elements e = { .out = out };

	for (unsigned int i = 0; i < num; i++)
		print(&e, &pins[i]);
	fputs(" }\n", out);
}

static void elements_print(FILE *out, const char *verb,
			   const struct net_conf *conf, const struct pin *pins,
			   unsigned int num)
{
	bool has_ip4 = false;

	for (unsigned int i = 0; i < num; i++)
		has_ip4 |= pins[i].num_ip4 > 0;
	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		const char *family = set_family(conf, s);

		if (!family || ((sets[s].flags & SET_IP4) && !has_ip4))
			continue;
		fprintf(out, "%s element %s " NFT_TABLE " %s.%s", verb, family,
			conf->bridge, sets[s].name);
		pins_print(out, sets[s].print, pins, num);
	}
	fprintf(out, "%s element %s " NFT_TABLE " " NFT_GUARD_SET, verb,
		mode_of(conf)->family);
	pins_print(out, tap_print, pins, num);
}

/* So many that their addresses fit one run. */
static unsigned int chunk_size(const struct net_port *ports, unsigned int num)
{
	unsigned int addrs = 0, i;

	for (i = 0; i < num; i++) {
		addrs += ports[i].num_addr4 + ports[i].num_addr6;
		if (i && addrs > ADDRS_PER_RUN)
			break;
	}
	return i < PORTS_PER_RUN ? i : PORTS_PER_RUN;
}

static int chunk_run(const struct net_conf *conf, const struct net_port *ports,
		     unsigned int num, const char *const *verbs,
		     struct vf_err *err)
{
	__free struct pin *pins = calloc(num, sizeof(*pins));
	__free char *text = NULL;
	size_t size;
	FILE *out = pins ? open_memstream(&text, &size) : NULL;

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
		len = chunk_size(&ports[from], num - from);
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
