// SPDX-License-Identifier: MIT
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "core/nic.h"

static_assert(VM_NICS_MAX == IDENTITY_LINKS_MAX, "links of a mail");

json_t *nics_pack(const struct vm_nic *nics, unsigned int num)
{
	json_t *array = json_array();

	for (unsigned int i = 0; i < num; i++) {
		const struct vm_nic *nic = &nics[i];
		char mac[2 * sizeof(nic->guest_mac) + 1];

		vf_hex(mac, nic->guest_mac, sizeof(nic->guest_mac));
		json_array_append_new(
			array,
			json_pack("{s:s,s:s,s:i,s:b,s:o}", "network",
				  nic->net_name, "guest_mac", mac, "mtu",
				  (int)nic->mtu, "verified", nic->port.verified,
				  "port",
				  net_port_save(nic->net_name, &nic->port)));
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
	return 0;
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
	json_object_set_new(json, "verified", json_boolean(nic->port.verified));
	return json;
}

json_t *nics_describe(const struct vm_nic *nics, unsigned int num)
{
	static const char *const keys[] = { "tap", "mac", "ipv4", "ipv6" };
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
	json_object_set_new(json, "links", links);
	return json;
}

bool nics_verified(const struct vm_nic *nics, unsigned int num)
{
	for (unsigned int i = 0; i < num; i++)
		if (!nics[i].port.verified)
			return false;
	return num > 0;
}
