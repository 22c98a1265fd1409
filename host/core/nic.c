// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "core/nic.h"

static_assert(VM_NICS_MAX == IDENTITY_LINKS_MAX, "links of a mail");

static const char *const shaping_names[] = {
	[NIC_SHAPING_NONE] = "none",
	[NIC_SHAPING_PENDING] = "pending",
	[NIC_SHAPING_APPLIED] = "applied",
	[NIC_SHAPING_FAILED] = "failed",
};
static_assert(sizeof(shaping_names) / sizeof(char *) == NIC_SHAPING_NUM,
	      "shaping");

static json_t *shaping_pack(const struct vm_nic *nic)
{
	return json_pack("{s:s,s:s,s:I,s:I}", "state",
			 shaping_names[nic->shaping], "why", nic->shaping_why,
			 "in", (json_int_t)nic->rates.in_bits, "out",
			 (json_int_t)nic->rates.out_bits);
}

/* A record from before there was any has none. */
static int shaping_unpack(struct vm_nic *nic, json_t *json, struct vf_err *err)
{
	const char *state, *why;
	json_int_t in_bits, out_bits;
	int ret;

	if (!json)
		return 0;
	ret = vf_json_unpack(json, "shaping", err, "{s:s,s:s,s:I,s:I}", "state",
			     &state, "why", &why, "in", &in_bits, "out",
			     &out_bits);
	if (ret < 0)
		return ret;
	nic->rates =
		(struct shape_rates){ (uint64_t)in_bits, (uint64_t)out_bits };
	snprintf(nic->shaping_why, sizeof(nic->shaping_why), "%s", why);
	for (int i = 0; i < NIC_SHAPING_NUM; i++)
		if (!strcmp(state, shaping_names[i]))
			nic->shaping = (enum nic_shaping)i;
	return 0;
}

json_t *nics_pack(const struct vm_nic *nics, unsigned int num)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < num; i++) {
		const struct vm_nic *nic = &nics[i];
		char mac[2 * sizeof(nic->guest_mac) + 1];

		vf_hex(mac, nic->guest_mac, sizeof(nic->guest_mac));
		json_array_append_new(
			array,
			json_pack("{s:s,s:s,s:i,s:b,s:o,s:o}", "network",
				  nic->net_name, "guest_mac", mac, "mtu",
				  (int)nic->mtu, "verified", nic->port.verified,
				  "port",
				  net_port_save(nic->net_name, &nic->port),
				  "shaping", shaping_pack(nic)));
	}
	return array;
}

static int nic_unpack(struct vm_nic *nic, json_t *json, struct vf_err *err)
{
	const char *net_name, *mac;
	int mtu, verified, ret;
	json_t *port;

	ret = vf_json_unpack(json, "nic", err, "{s:s,s:s,s:i,s:b,s:o}",
			     "network", &net_name, "guest_mac", &mac, "mtu",
			     &mtu, "verified", &verified, "port", &port);
	if (!ret)
		ret = net_port_load(&nic->port, port, err);
	if (ret < 0)
		return ret;
	if (!vf_name_is_valid(net_name, NET_NAME_MAX) || mtu < 0 ||
	    mtu > NIC_MTU_MAX ||
	    vf_unhex(nic->guest_mac, sizeof(nic->guest_mac), mac) < 0)
		return vf_err_set(err, EBADMSG, "nic: a value is malformed");
	strcpy(nic->net_name, net_name);
	nic->mtu = (uint32_t)mtu;
	nic->port.verified = verified;
	return shaping_unpack(nic, json_object_get(json, "shaping"), err);
}

int nics_unpack(struct vm_nic *nics, unsigned int *num, json_t *json,
		struct vf_err *err)
{
	json_t *item;
	size_t i;
	int ret;

	*num = 0;
	if (!json_is_array(json) || json_array_size(json) > VM_NICS_MAX)
		return vf_err_set(err, EBADMSG, "nics: malformed");
	json_array_foreach(json, i, item) {
		nics[i] = (struct vm_nic){ 0 };
		ret = nic_unpack(&nics[i], item, err);
		if (ret < 0)
			return ret;
	}
	*num = (unsigned int)json_array_size(json);
	return 0;
}

static json_t *shaping_describe(const struct vm_nic *nic)
{
	if (nic->shaping == NIC_SHAPING_NONE)
		return json_null();
	if (nic->shaping == NIC_SHAPING_FAILED)
		return json_sprintf("failed: %s", nic->shaping_why);
	return json_string(shaping_names[nic->shaping]);
}

static json_t *rate_describe(uint64_t bits)
{
	return bits ? json_integer((json_int_t)bits) : json_null();
}

/* The interface with which it is worst; NULL if none has a limit. */
static const struct vm_nic *worst_shaped(const struct vm_nic *nics,
					 unsigned int num)
{
	static const enum nic_shaping order[] = {
		NIC_SHAPING_FAILED,
		NIC_SHAPING_PENDING,
		NIC_SHAPING_APPLIED,
	};

	for (size_t k = 0; k < ARRAY_SIZE(order); k++)
		for (unsigned int i = 0; i < num; i++)
			if (nics[i].shaping == order[k])
				return &nics[i];
	return NULL;
}

/* What of a port's record is of interest outside of it. */
static json_t *nic_describe(const struct vm_nic *nic)
{
	static const char *const keys[] = { "tap", "mac", "ipv4", "ipv6",
					    "more" };
	__json json_t *port = net_port_save(nic->net_name, &nic->port);
	json_t *json = json_pack("{s:s}", "net", nic->net_name);

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		json_t *value = json_object_get(port, keys[i]);

		if (value)
			json_object_set(json, keys[i], value);
	}
	json_object_set_new(json, "mtu",
			    nic->mtu ? json_integer(nic->mtu) : json_null());
	json_object_set_new(json, "verified", nics_verified_pack(nic, 1));
	json_object_set_new(json, "rate_in", rate_describe(nic->rates.in_bits));
	json_object_set_new(json, "rate_out",
			    rate_describe(nic->rates.out_bits));
	json_object_set_new(json, "shaping", shaping_describe(nic));
	return json;
}

json_t *nics_describe(const struct vm_nic *nics, unsigned int num)
{
	static const char *const keys[] = { "tap", "mac", "ipv4", "ipv6" };
	const struct vm_nic *worst = worst_shaped(nics, num);
	json_t *links = json_array(), *first;
	json_t *json = json_pack("{s:n,s:n,s:n,s:n,s:n}", "network", "tap",
				 "mac", "ipv4", "ipv6");

	for (unsigned int i = 0; i < num; i++)
		json_array_append_new(links, nic_describe(&nics[i]));
	first = json_array_get(links, 0);
	for (size_t i = 0; first && i < ARRAY_SIZE(keys); i++)
		json_object_set(json, keys[i], json_object_get(first, keys[i]));
	if (first)
		json_object_set(json, "network", json_object_get(first, "net"));
	json_object_set_new(json, "shaping",
			    worst ? shaping_describe(worst) : json_null());
	json_object_set_new(json, "links", links);
	return json;
}

bool nics_are_pending(const struct vm_nic *nics, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		if (nics[i].shaping == NIC_SHAPING_PENDING)
			return true;
	return false;
}

static int nic_shape(struct vm_nic *nic, struct vf_err *err)
{
	int ret = shape_apply(&nic->port, &nic->rates, err);

	nic->shaping = ret < 0 ? NIC_SHAPING_FAILED : NIC_SHAPING_APPLIED;
	if (ret < 0)
		snprintf(nic->shaping_why, sizeof(nic->shaping_why), "%.*s",
			 NIC_WHY_SIZE - 1, err->msg);
	return ret;
}

int nics_shape(struct vm_nic *nics, unsigned int num, struct vf_err *err)
{
	struct vf_err why;
	int first = 0;

	for (unsigned int i = 0; i < num; i++) {
		if (nics[i].shaping != NIC_SHAPING_PENDING ||
		    nic_shape(&nics[i], &why) == 0 || first)
			continue;
		*err = why;
		first = vf_err_wrap(err, "shaping");
	}
	return first;
}

void nics_give_up(struct vm_nic *nics, unsigned int num, struct vf_err *err)
{
	static const char why[] = "not in time";

	for (unsigned int i = 0; i < num; i++) {
		if (nics[i].shaping != NIC_SHAPING_PENDING)
			continue;
		nics[i].shaping = NIC_SHAPING_FAILED;
		strcpy(nics[i].shaping_why, why);
		vf_err_set(err, ETIMEDOUT, "shaping: %s", why);
	}
}

json_t *nics_verified_pack(const struct vm_nic *nics, unsigned int num)
{
	bool all = num > 0;

	for (unsigned int i = 0; i < num; i++) {
		if (nics[i].verify_failed && !nics[i].port.verified)
			return json_null();
		all = all && nics[i].port.verified;
	}
	return json_boolean(all);
}
