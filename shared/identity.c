// SPDX-License-Identifier: MIT
/* An identity as a list of attributes. mail.h holds the contract. */
#include <errno.h>
#include <string.h>

#include "identity_link.h"
#include "rules.h"

#define M VMFORK_ATTR_MANDATORY

/* 2020-01-01: what is before it is a machine without a clock. */
#define REALTIME_MIN_NS 1577836800000000000ULL

static void text_encode(struct attr_writer *w, uint16_t type, const char *text)
{
	if (*text)
		attr_put(w, type, text, strlen(text));
}

static void ack_encode(struct attr_writer *w, const struct vmfork_identity *id)
{
	size_t nest = attr_nest_start(w, VMFORK_A_ACK);

	if (id->ack_is_ipv6)
		attr_put(w, VMFORK_K_ADDR6, id->ack_addr, 16);
	else
		attr_put(w, VMFORK_K_ADDR4, id->ack_addr, 4);
	attr_put(w, VMFORK_K_PORT, &id->ack_port, 2);
	attr_nest_end(w, nest);
}

static void dns_encode(struct attr_writer *w,
		       const struct identity_guest *guest)
{
	size_t nest;

	if (!guest->num_dns4 && !guest->num_dns6 && !*guest->search)
		return;
	nest = attr_nest_start(w, VMFORK_A_DNS | M);
	for (unsigned int i = 0; i < guest->num_dns4; i++)
		attr_put(w, VMFORK_D_SERVER4 | M, guest->dns4[i], 4);
	for (unsigned int i = 0; i < guest->num_dns6; i++)
		attr_put(w, VMFORK_D_SERVER6 | M, guest->dns6[i], 16);
	text_encode(w, VMFORK_D_SEARCH | M, guest->search);
	attr_nest_end(w, nest);
}

static void guest_encode(struct attr_writer *w,
			 const struct identity_guest *guest)
{
	text_encode(w, VMFORK_A_NAME, guest->name);
	text_encode(w, VMFORK_A_PARENT, guest->parent);
	text_encode(w, VMFORK_A_HOSTNAME | M, guest->hostname);
	dns_encode(w, guest);
	if (guest->has_machine_id)
		attr_put(w, VMFORK_A_MACHINE_ID | M, guest->machine_id,
			 sizeof(guest->machine_id));
	if (guest->has_clock)
		attr_put(w, VMFORK_A_CLOCK | M, &guest->clock,
			 sizeof(guest->clock));
	if (guest->has_entropy)
		attr_put(w, VMFORK_A_ENTROPY | M, guest->entropy,
			 sizeof(guest->entropy));
	if (guest->keep_tcp)
		attr_put(w, VMFORK_A_KEEP_TCP | M, NULL, 0);
	if (guest->has_hooks)
		attr_put(w, VMFORK_A_HOOKS | M, &guest->hooks,
			 sizeof(guest->hooks));
	if (guest->payload_len)
		attr_put(w, VMFORK_A_PAYLOAD | M, guest->payload,
			 guest->payload_len);
	/* who does not know of them may leave them out */
	if (guest->tells_stages)
		attr_put(w, VMFORK_A_STAGES, NULL, 0);
}

int identity_encode(const struct vmfork_identity *id, void *payload,
		    size_t size)
{
	struct attr_writer w = { .buf = payload, .size = size };

	for (unsigned int i = 0; i < id->num_links; i++)
		identity_link_encode(&w, &id->link[i]);
	if (id->ack_port)
		ack_encode(&w, id);
	guest_encode(&w, &id->guest);
	return w.overflow ? -EMSGSIZE : (int)w.len;
}

static int link_decode(struct vmfork_identity *id, const struct attr *outer,
		       uint32_t *detail)
{
	int ret;

	if (id->num_links == IDENTITY_LINKS_MAX)
		return rules_fail(detail, 0, VMFORK_WHY_TOO_MANY, -E2BIG);
	ret = identity_link_decode(&id->link[id->num_links], outer, detail);
	id->num_links++;
	return ret;
}

static int ack_decode(struct vmfork_identity *id, const struct attr *outer,
		      uint32_t *detail)
{
	struct rules_walk walk = {
		.rules = &rules_ack,
		.list = outer->value,
		.len = outer->len,
	};
	unsigned int num_addrs = 0;
	struct attr a;
	int ret;

	while ((ret = rules_next(&walk, &a, detail)) > 0) {
		if (a.type == VMFORK_K_PORT) {
			memcpy(&id->ack_port, a.value, 2);
			continue;
		}
		id->ack_is_ipv6 = a.type == VMFORK_K_ADDR6;
		memset(id->ack_addr, 0, sizeof(id->ack_addr));
		memcpy(id->ack_addr, a.value, a.len);
		num_addrs++;
	}
	if (ret < 0)
		return ret;
	if (num_addrs > 1)
		return rules_fail(detail, 0, VMFORK_WHY_TWICE, -EBADMSG);
	if (!num_addrs || !id->ack_port)
		return rules_fail(detail, 0, VMFORK_WHY_MISSING, -EBADMSG);
	return 0;
}

/* What a host name may hold, also behind a space where there are several. */
static bool is_name_char(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '-';
}

/* Names, each beginning with a letter or a digit, separated by one @separator. */
static bool is_names(const struct attr *a, uint8_t separator)
{
	bool begins = true;

	for (size_t i = 0; i < a->len; i++) {
		uint8_t c = a->value[i];

		if (separator && c == separator && !begins) {
			begins = true;
			continue;
		}
		if (!is_name_char(c) || (begins && (c == '.' || c == '-')))
			return false;
		begins = false;
	}
	return !begins;
}

/* What the host calls things: as it stands in files and environments. */
static bool is_label(const struct attr *a)
{
	for (size_t i = 0; i < a->len; i++) {
		if (!is_name_char(a->value[i]) && a->value[i] != '_')
			return false;
	}
	return true;
}

static int text_read(char *text, const struct attr *a, bool is_good,
		     uint32_t *detail)
{
	if (!is_good)
		return rules_fail(detail, a->type, VMFORK_WHY_TEXT, -ERANGE);
	memcpy(text, a->value, a->len);
	text[a->len] = '\0';
	return 0;
}

static int dns_read(struct identity_guest *guest, const struct attr *a,
		    uint32_t *detail)
{
	bool is_ipv6 = a->type == VMFORK_D_SERVER6;

	if (a->type == VMFORK_D_SEARCH)
		return text_read(guest->search, a, is_names(a, ' '), detail);
	if (guest->num_dns4 + guest->num_dns6 == IDENTITY_DNS_MAX)
		return rules_fail(detail, a->type, VMFORK_WHY_TOO_MANY, -E2BIG);
	/* a resolver on the guest's own loopback is a resolver */
	if (a->value[0] == (is_ipv6 ? 0xff : 0) ||
	    (!is_ipv6 && a->value[0] >= 224))
		return rules_fail(detail, a->type, VMFORK_WHY_UNICAST, -ERANGE);
	if (is_ipv6)
		memcpy(guest->dns6[guest->num_dns6++], a->value, 16);
	else
		memcpy(guest->dns4[guest->num_dns4++], a->value, 4);
	return 0;
}

static int dns_decode(struct identity_guest *guest, const struct attr *outer,
		      uint32_t *detail)
{
	struct rules_walk walk = {
		.rules = &rules_dns,
		.list = outer->value,
		.len = outer->len,
	};
	struct attr a;
	int ret;

	while ((ret = rules_next(&walk, &a, detail)) > 0) {
		ret = dns_read(guest, &a, detail);
		if (ret < 0)
			return ret;
	}
	return ret;
}

static int machine_id_read(struct identity_guest *guest, const struct attr *a,
			   uint32_t *detail)
{
	static const uint8_t none[VMFORK_ID_LEN];

	if (!memcmp(a->value, none, sizeof(none)))
		return rules_fail(detail, a->type, VMFORK_WHY_RANGE, -ERANGE);
	memcpy(guest->machine_id, a->value, sizeof(guest->machine_id));
	guest->has_machine_id = true;
	return 0;
}

static int clock_read(struct identity_guest *guest, const struct attr *a,
		      uint32_t *detail)
{
	memcpy(&guest->clock, a->value, sizeof(guest->clock));
	if (guest->clock.realtime_ns < REALTIME_MIN_NS ||
	    guest->clock.realtime_ns > INT64_MAX ||
	    guest->clock.monotonic_ns > INT64_MAX)
		return rules_fail(detail, a->type, VMFORK_WHY_RANGE, -ERANGE);
	guest->has_clock = true;
	return 0;
}

static int hooks_read(struct identity_guest *guest, const struct attr *a,
		      uint32_t *detail)
{
	memcpy(&guest->hooks, a->value, sizeof(guest->hooks));
	if (guest->hooks.policy >= VMFORK_POLICY_NUM ||
	    guest->hooks.timeout_ms < 1 ||
	    guest->hooks.timeout_ms > VMFORK_HOOKS_MS_MAX)
		return rules_fail(detail, a->type, VMFORK_WHY_RANGE, -ERANGE);
	guest->has_hooks = true;
	return 0;
}

static int mail_read(struct vmfork_identity *id, const struct attr *a,
		     uint32_t *detail)
{
	struct identity_guest *guest = &id->guest;
	int ret;

	switch ((enum vmfork_attr_mail)a->type) {
	case VMFORK_A_LINK:
		ret = link_decode(id, a, detail);
		return ret < 0 ? rules_within(detail, a->type, ret) : 0;
	case VMFORK_A_ACK:
		ret = ack_decode(id, a, detail);
		return ret < 0 ? rules_within(detail, a->type, ret) : 0;
	case VMFORK_A_NAME:
		return text_read(guest->name, a, is_label(a), detail);
	case VMFORK_A_PARENT:
		return text_read(guest->parent, a, is_label(a), detail);
	case VMFORK_A_HOSTNAME:
		return text_read(guest->hostname, a, is_names(a, 0), detail);
	case VMFORK_A_DNS:
		ret = dns_decode(guest, a, detail);
		return ret < 0 ? rules_within(detail, a->type, ret) : 0;
	case VMFORK_A_MACHINE_ID:
		return machine_id_read(guest, a, detail);
	case VMFORK_A_CLOCK:
		return clock_read(guest, a, detail);
	case VMFORK_A_ENTROPY:
		memcpy(guest->entropy, a->value, sizeof(guest->entropy));
		guest->has_entropy = true;
		return 0;
	case VMFORK_A_KEEP_TCP:
		guest->keep_tcp = true;
		return 0;
	case VMFORK_A_HOOKS:
		return hooks_read(guest, a, detail);
	case VMFORK_A_PAYLOAD:
		guest->payload = a->value;
		guest->payload_len = a->len;
		return 0;
	case VMFORK_A_STAGES:
		guest->tells_stages = true;
		return 0;
	case VMFORK_A_UNSPEC:
	case VMFORK_A_NUM:
		break;
	}
	return 0;
}

int identity_decode(struct vmfork_identity *id, const void *payload, size_t len,
		    uint32_t *detail)
{
	struct rules_walk walk = {
		.rules = &rules_mail,
		.list = payload,
		.len = len,
	};
	struct attr a;
	int ret;

	memset(id, 0, sizeof(*id));
	while ((ret = rules_next(&walk, &a, detail)) > 0) {
		ret = mail_read(id, &a, detail);
		if (ret < 0)
			return ret;
	}
	return ret;
}
