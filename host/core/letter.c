// SPDX-License-Identifier: MIT
/* What a VM is told. mailbox.h holds the contract. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/mailbox.h"
#include "rules.h"

#define NS_PER_S   1000000000ULL
#define CHECK_SIZE 8192 /* more than any letter has */

static_assert(NET_ADDRS_MAX == IDENTITY_ADDRS_MAX, "addresses of a link");

/*
 * Of several default routes the guest's kernel takes one, so there is but one
 * for each family: the one asked for, or that of the first interface which has
 * the family.
 */
struct gateways {
	bool has_ip4;
	bool has_ip6;
};

static void gateways_note(struct gateways *gateways,
			  const struct letter_link *l)
{
	for (unsigned int i = 0; i < l->num_routes; i++) {
		const struct identity_route *route = &l->routes[i];

		if (route->dst_len || (route->has_metric && route->metric))
			continue;
		*(route->is_ipv6 ? &gateways->has_ip6 : &gateways->has_ip4) =
			true;
	}
}

/*
 * Siblings that may talk to each other but share no link do so through the
 * gateway: addresses without a subnet, and the gateway the only one at hand.
 */
static bool siblings_are_behind(const struct net_conf *conf)
{
	return conf->open && conf->mode == NET_MODE_ROUTED;
}

static void route_to_gateway(struct identity_link *link, int family,
			     const void *gateway)
{
	size_t len = family == AF_INET ? 4 : 16;
	struct identity_route *route;

	/* letter_init() has seen that there is room */
	route = &link->routes[link->num_routes++];
	*route = (struct identity_route){ .is_ipv6 = family == AF_INET6,
					  .dst_len = 8 * len };
	memcpy(route->dst, gateway, len);
}

static void link_init(struct identity_link *link, const struct letter_link *l,
		      struct gateways *gateways)
{
	bool is_behind = siblings_are_behind(l->conf);

	link->match = IDENTITY_MATCH_MAC;
	memcpy(link->match_mac, l->old_mac, 6);
	link->has_mac = true;
	memcpy(link->mac, l->port->mac, 6);

	link->num_addr4 = l->port->num_addr4;
	for (unsigned int i = 0; i < link->num_addr4; i++) {
		memcpy(link->addr4[i].addr, &l->port->addr4[i], 4);
		link->addr4[i].prefix_len = is_behind ? 32 : l->conf->prefix4;
	}
	link->has_gateway4 = link->num_addr4 && !gateways->has_ip4;
	gateways->has_ip4 |= link->has_gateway4;
	memcpy(link->gateway4, &l->conf->addr4, 4);

	link->num_addr6 = l->port->num_addr6;
	for (unsigned int i = 0; i < link->num_addr6; i++) {
		memcpy(link->addr6[i].addr, &l->port->addr6[i], 16);
		link->addr6[i].prefix_len = is_behind ? 128 : l->conf->prefix6;
	}
	link->has_gateway6 = link->num_addr6 && !gateways->has_ip6;
	gateways->has_ip6 |= link->has_gateway6;
	memcpy(link->gateway6, &l->conf->addr6, 16);

	link->has_gateway_mac = link->has_gateway4 || link->has_gateway6;
	memcpy(link->gateway_mac, l->conf->mac, 6);

	link->mtu = l->mtu;
	link->num_routes = l->num_routes;
	for (unsigned int i = 0; i < l->num_routes; i++)
		link->routes[i] = l->routes[i];
	if (is_behind && link->num_addr4)
		route_to_gateway(link, AF_INET, &l->conf->addr4);
	if (is_behind && link->num_addr6)
		route_to_gateway(link, AF_INET6, &l->conf->addr6);
}

int letter_init(struct letter *letter, const struct letter_link *links,
		unsigned int num, uint16_t ack_port, struct vf_err *err)
{
	struct vmfork_identity *id = &letter->identity;
	struct gateways gateways = { 0 };
	int ret;

	*letter = (struct letter){ 0 };
	ret = vf_random(letter->restore_id, VMFORK_ID_LEN);
	if (!ret)
		ret = vf_random(letter->nonce, VMFORK_ID_LEN);
	if (ret < 0)
		return vf_err_errno(err, ret, "random numbers");

	for (unsigned int i = 0; i < num; i++) {
		if (siblings_are_behind(links[i].conf) &&
		    links[i].num_routes > IDENTITY_ROUTES_MAX - 2)
			return vf_err_set(err, EINVAL,
					  "network %s: %u routes: an open "
					  "routed network has room for %d",
					  links[i].conf->name,
					  links[i].num_routes,
					  IDENTITY_ROUTES_MAX - 2);
		gateways_note(&gateways, &links[i]);
	}
	for (unsigned int i = 0; i < num; i++)
		link_init(&id->link[i], &links[i], &gateways);
	id->num_links = num;
	id->ack_port = ack_port;
	id->ack_is_ipv6 = !links[0].port->num_addr4;
	if (id->ack_is_ipv6)
		memcpy(id->ack_addr, &links[0].conf->addr6, 16);
	else
		memcpy(id->ack_addr, &links[0].conf->addr4, 4);
	return 0;
}

void letter_stamp(struct identity_guest *guest)
{
	struct timespec now;

	if (!guest->has_clock)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	guest->clock.realtime_ns =
		(uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* What of a letter can be long, and is the user's. */
static int say_too_long(const struct vmfork_identity *id, int len,
			struct vf_err *err)
{
	unsigned int num_routes = 0;

	for (unsigned int i = 0; i < id->num_links; i++)
		num_routes += id->link[i].num_routes;
	vf_err_set(err, EMSGSIZE, "mail: %d bytes, and it has room for %d", len,
		   VMFORK_PAYLOAD_MAX);
	vf_err_hint(err,
		    "a shorter payload (it has %zu), fewer search domains "
		    "(%zu), interfaces (%u) or routes (%u)",
		    id->guest.payload_len, strlen(id->guest.search),
		    id->num_links, num_routes);
	return -EMSGSIZE;
}

int letter_check(const struct letter *letter, struct vf_err *err)
{
	_Alignas(uint32_t) uint8_t payload[CHECK_SIZE];
	char text[RULES_TEXT_SIZE];
	struct vmfork_identity read;
	uint32_t detail = 0;
	int len, ret;

	len = identity_encode(&letter->identity, payload, sizeof(payload));
	if (len < 0)
		return vf_err_errno(err, len, "mail");
	ret = identity_decode(&read, payload, (size_t)len, &detail);
	if (!ret && len > VMFORK_PAYLOAD_MAX)
		ret = say_too_long(&letter->identity, len, err);
	else if (ret < 0)
		vf_err_set(err, ret, "%s", rules_describe(detail, text));
	/* it may hold secrets */
	explicit_bzero(payload, sizeof(payload));
	explicit_bzero(&read, sizeof(read));
	return ret;
}

int letter_seal(const struct letter *letter, uint64_t arm_seq,
		struct vmfork_mail *mail, struct vf_err *err)
{
	int len;

	*mail = (struct vmfork_mail){ .arm_seq = arm_seq };
	memcpy(mail->restore_id, letter->restore_id, VMFORK_ID_LEN);
	memcpy(mail->nonce, letter->nonce, VMFORK_ID_LEN);
	len = identity_encode(&letter->identity, mail->payload,
			      sizeof(mail->payload));
	if (len < 0)
		return vf_err_errno(err, len, "mail");
	mail_seal(mail, (uint32_t)len);
	return 0;
}
