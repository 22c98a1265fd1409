// SPDX-License-Identifier: MIT
/* What a VM is told. mailbox.h holds the contract. */
#include <string.h>

#include "core/mailbox.h"

static_assert(NET_ADDRS_MAX == IDENTITY_ADDRS_MAX, "addresses of a link");

/*
 * Of several default routes the guest's kernel takes one, so there is but one
 * for each family: that of the first interface which has the family.
 */
struct gateways {
	bool has_ip4;
	bool has_ip6;
};

static void link_init(struct identity_link *link, const struct letter_link *l,
		      struct gateways *gateways)
{
	link->match = IDENTITY_MATCH_MAC;
	memcpy(link->match_mac, l->old_mac, 6);
	link->has_mac = true;
	memcpy(link->mac, l->port->mac, 6);

	link->num_addr4 = l->port->num_addr4;
	for (unsigned int i = 0; i < link->num_addr4; i++) {
		memcpy(link->addr4[i].addr, &l->port->addr4[i], 4);
		link->addr4[i].prefix_len = l->conf->prefix4;
	}
	link->has_gateway4 = link->num_addr4 && !gateways->has_ip4;
	gateways->has_ip4 |= link->has_gateway4;
	memcpy(link->gateway4, &l->conf->addr4, 4);

	link->num_addr6 = l->port->num_addr6;
	for (unsigned int i = 0; i < link->num_addr6; i++) {
		memcpy(link->addr6[i].addr, &l->port->addr6[i], 16);
		link->addr6[i].prefix_len = l->conf->prefix6;
	}
	link->has_gateway6 = link->num_addr6 && !gateways->has_ip6;
	gateways->has_ip6 |= link->has_gateway6;
	memcpy(link->gateway6, &l->conf->addr6, 16);

	link->has_gateway_mac = link->has_gateway4 || link->has_gateway6;
	memcpy(link->gateway_mac, l->conf->mac, 6);
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
