// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "core/nets.h"

static int names_check(const struct nets *nets, struct vf_err *err)
{
	for (unsigned int i = 0; i < nets->num; i++)
		for (unsigned int j = 0; j < i; j++)
			if (!strcmp(nets->link[i].net_name,
				    nets->link[j].net_name))
				return vf_err_set(
					err, EINVAL,
					"network %s: named twice: a VM has one "
					"interface on each",
					nets->link[i].net_name);
	return 0;
}

int nets_open(struct nets *nets, const struct vf_state *state,
	      struct vf_err *err)
{
	int ret = names_check(nets, err);

	memset(nets->net, 0, sizeof(nets->net));
	for (unsigned int i = 0; !ret && i < nets->num; i++)
		ret = net_open(&nets->net[i], state->net_fd,
			       nets->link[i].net_name, err);
	return ret;
}

void nets_close(struct nets *nets)
{
	for (unsigned int i = 0; i < nets->num; i++) {
		net_close(nets->net[i]);
		nets->net[i] = NULL;
	}
}

/* The ports of all VMs on one network. */
static struct net_port *collect(struct vm *const *vms, unsigned int num,
				unsigned int k, struct vf_err *err)
{
	struct net_port *ports = calloc(num + 1, sizeof(*ports));

	if (!ports)
		vf_err_errno(err, ENOMEM, "ports");
	for (unsigned int i = 0; ports && i < num; i++)
		ports[i] = vms[i]->nics[k].port;
	return ports;
}

static void nic_ask_rates(struct vm_nic *nic, const struct vm_link *link)
{
	bool any = link->rates.in_bits || link->rates.out_bits;

	nic->rates = link->rates;
	nic->shaping = any ? NIC_SHAPING_PENDING : NIC_SHAPING_NONE;
}

static int lease_one(struct nets *nets, unsigned int k, struct vm *const *vms,
		     unsigned int num, struct vf_err *err)
{
	const struct vm_link *link = &nets->link[k];
	__free struct net_port *ports = collect(vms, num, k, err);
	int ret;

	if (!ports)
		return -ENOMEM;
	for (unsigned int i = 0; i < num; i++)
		snprintf(ports[i].owner, sizeof(ports[i].owner), "%s",
			 vms[i]->name);
	ret = net_ports_lease(nets->net[k], &link->wish, ports, num, err);
	for (unsigned int i = 0; !ret && i < num; i++) {
		struct vm_nic *nic = &vms[i]->nics[k];

		nic->port = ports[i];
		memcpy(nic->net_name, link->net_name, sizeof(nic->net_name));
		memcpy(nic->guest_mac, ports[i].mac, sizeof(nic->guest_mac));
		if (link->mtu)
			nic->mtu = link->mtu;
		nic_ask_rates(nic, link);
		vms[i]->num_nics = k + 1;
	}
	return ret;
}

static struct in6_addr route_addr(const struct identity_route *route,
				  const uint8_t *addr)
{
	struct in6_addr in6;
	struct in_addr in;

	memcpy(&in6, addr, sizeof(in6));
	memcpy(&in, addr, sizeof(in));
	return route->is_ipv6 ? in6 : net_addr_map(in);
}

/* Would a guest's kernel take it? Return: NULL, or what is wrong with it. */
static const char *route_fault(const struct net_conf *conf,
			       const struct net_port *port,
			       const struct identity_route *route)
{
	struct in6_addr gateway = route_addr(route, route->gateway);
	struct in6_addr own = route->is_ipv6 ? conf->addr6
					     : net_addr_map(conf->addr4);
	unsigned int num_addrs = route->is_ipv6 ? port->num_addr6
						: port->num_addr4;

	if (!route->is_blackhole && !num_addrs)
		return "the interface has no address of its family";
	if (route->has_source &&
	    !net_port_has(port, route_addr(route, route->source)))
		return "its source is no address of the interface";
	if (!route->has_gateway)
		return NULL;
	if (!net_contains(conf, gateway) && !IN6_IS_ADDR_LINKLOCAL(&gateway))
		return "its gateway is not in the subnet";
	if (net_port_has(port, gateway))
		return "its gateway is the interface itself";
	if (conf->mode == NET_MODE_ROUTED && conf->open &&
	    memcmp(&gateway, &own, sizeof(own)))
		return "a routed network has no other gateway than its own";
	return NULL;
}

/* What can only be told once the addresses are known. */
static int nic_check(const struct nets *nets, const struct vm *vm,
		     unsigned int k, struct vf_err *err)
{
	const struct vm_link *link = &nets->link[k];
	const struct vm_nic *nic = &vm->nics[k];

	if (nic->mtu && nic->mtu < NIC_MTU6_MIN && nic->port.num_addr6)
		return vf_err_set(err, EINVAL,
				  "network %s: an MTU of %u: IPv6 needs %d",
				  nic->net_name, nic->mtu, NIC_MTU6_MIN);
	for (unsigned int i = 0; i < link->num_routes; i++) {
		const char *why = route_fault(net_get_conf(nets->net[k]),
					      &nic->port, &link->routes[i]);

		if (why)
			return vf_err_set(err, EINVAL,
					  "network %s: route %u: %s",
					  nic->net_name, i + 1, why);
	}
	for (unsigned int i = 0; i < k; i++)
		if (!memcmp(vm->nics[i].port.mac, nic->port.mac, 6))
			return vf_err_set(err, EADDRINUSE,
					  "network %s: the MAC is also that of "
					  "the interface on %s",
					  nic->net_name, vm->nics[i].net_name);
	return 0;
}

int nets_lease(struct nets *nets, struct vm *const *vms, unsigned int num,
	       struct vf_err *err)
{
	int ret = 0;

	for (unsigned int k = 0; !ret && k < nets->num; k++) {
		ret = lease_one(nets, k, vms, num, err);
		for (unsigned int i = 0; !ret && i < num; i++)
			ret = nic_check(nets, vms[i], k, err);
	}
	if (ret < 0)
		nets_release(nets, vms, num);
	return ret;
}

int nets_adopt(struct nets *nets, struct vm *vm, struct vf_err *err)
{
	int ret = 0;

	for (unsigned int k = 0; !ret && k < nets->num; k++) {
		struct vm_nic *nic = &vm->nics[k];

		memcpy(nic->guest_mac, nic->port.mac, sizeof(nic->guest_mac));
		if (nets->link[k].mtu)
			nic->mtu = nets->link[k].mtu;
		nic_ask_rates(nic, &nets->link[k]);
		ret = nic_check(nets, vm, k, err);
	}
	return ret;
}

int nets_rename(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err)
{
	__free const char **names = calloc(num + 1, sizeof(*names));
	int ret = 0;

	if (!names)
		return vf_err_errno(err, ENOMEM, "ports");
	for (unsigned int i = 0; i < num; i++)
		names[i] = vms[i]->name;
	for (unsigned int k = 0; !ret && num && k < nets->num; k++) {
		__free struct net_port *ports = collect(vms, num, k, err);

		ret = ports ? net_ports_rename(nets->net[k], ports, names, num,
					       err)
			    : -ENOMEM;
		for (unsigned int i = 0; !ret && i < num; i++)
			vms[i]->nics[k].port = ports[i];
	}
	return ret;
}

void nets_release(struct nets *nets, struct vm *const *vms, unsigned int num)
{
	struct vf_err ignored;

	for (unsigned int k = 0; k < nets->num; k++) {
		__free struct net_port *ports = collect(vms, num, k, &ignored);

		/* one that has no lease is skipped */
		if (ports && nets->net[k])
			net_ports_release(nets->net[k], ports, num, &ignored);
	}
}

int nets_attach(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err)
{
	int ret = 0;

	for (unsigned int k = 0; !ret && k < nets->num; k++) {
		__free struct net_port *ports = collect(vms, num, k, err);

		ret = ports ? net_ports_attach(nets->net[k], ports, num, err)
			    : -ENOMEM;
	}
	if (ret < 0)
		nets_detach(nets, vms, num);
	return ret;
}

struct net_moments nets_moments(const struct nets *nets)
{
	struct net_moments all = { 0 };

	for (unsigned int k = 0; k < nets->num; k++) {
		const struct net_moments *m = net_get_moments(nets->net[k]);

		if (!all.attach_us)
			all.attach_us = m->attach_us;
		all.bridged_us = m->bridged_us;
		all.remembered_us = m->remembered_us;
	}
	return all;
}

void nets_detach(struct nets *nets, struct vm *const *vms, unsigned int num)
{
	struct vf_err ignored;

	for (unsigned int k = 0; k < nets->num; k++) {
		__free struct net_port *ports = collect(vms, num, k, &ignored);

		/* a network that could not be opened has no port of ours */
		if (ports && nets->net[k])
			net_ports_detach(nets->net[k], ports, num, &ignored);
	}
}

int nets_verify(struct nets *nets, struct vm *const *vms, unsigned int num,
		struct vf_err *err)
{
	int ret = 0;

	for (unsigned int k = 0; !ret && k < nets->num; k++) {
		__free struct net_port *ports = collect(vms, num, k, err);

		ret = ports ? net_ports_verify(nets->net[k], ports, num, err)
			    : -ENOMEM;
		for (unsigned int i = 0; !ret && i < num; i++)
			vms[i]->nics[k].port.verified = ports[i].verified;
		/* one that could not be asked about may be fine */
		for (unsigned int i = 0; ret && i < num; i++)
			for (unsigned int n = k; n < vms[i]->num_nics; n++)
				vms[i]->nics[n].verify_failed = true;
	}
	return ret;
}

static int nic_compare(const void *a, const void *b)
{
	const struct vm_nic *const *na = a, *const *nb = b;

	return strcmp((*na)->net_name, (*nb)->net_name);
}

/* Ask about interfaces that are all on one network. */
static void look_at(const struct vf_state *state, struct vm_nic *const *nics,
		    unsigned int num, struct net_port *ports)
{
	struct vf_err ignored;
	struct net *net;
	int ret;

	if (net_open_existing(&net, state->net_fd, nics[0]->net_name,
			      &ignored) < 0)
		return;
	for (unsigned int i = 0; i < num; i++)
		ports[i] = nics[i]->port;
	ret = net_ports_verify(net, ports, num, &ignored);
	for (unsigned int i = 0; i < num; i++) {
		nics[i]->verify_failed = ret < 0;
		nics[i]->port.verified = !ret && ports[i].verified;
	}
	net_close(net);
}

void nets_look(const struct vf_state *state, struct vm *const *vms,
	       unsigned int num)
{
	size_t max = (size_t)num * VM_NICS_MAX + 1;
	__free struct vm_nic **nics = calloc(max, sizeof(*nics));
	__free struct net_port *ports = calloc(max, sizeof(*ports));
	unsigned int unseen = 0, end;

	for (unsigned int i = 0; nics && ports && i < num; i++)
		for (unsigned int k = 0; k < vms[i]->num_nics; k++)
			if (!vms[i]->nics[k].port.verified)
				nics[unseen++] = &vms[i]->nics[k];
	if (unseen)
		qsort(nics, unseen, sizeof(*nics), nic_compare);
	for (unsigned int i = 0; i < unseen; i = end) {
		for (end = i;
		     end < unseen && !nic_compare(&nics[i], &nics[end]);)
			end++;
		look_at(state, &nics[i], end - i, ports);
	}
}

struct in6_addr nets_gateway(const struct nets *nets)
{
	const struct net_conf *conf = net_get_conf(nets->net[0]);

	return nets->link[0].wish.no_ipv4 ? conf->addr6
					  : net_addr_map(conf->addr4);
}

int nets_letter(struct letter *letter, const struct nets *nets,
		const struct vm *vm, const uint8_t (*old_macs)[6],
		uint16_t ack_port, struct vf_err *err)
{
	struct letter_link links[VM_NICS_MAX];

	for (unsigned int k = 0; k < nets->num; k++) {
		const struct vm_nic *nic = &vm->nics[k];

		links[k] = (struct letter_link){
			.conf = net_get_conf(nets->net[k]),
			.port = &nic->port,
			.old_mac = old_macs ? old_macs[k] : nic->port.mac,
			.mtu = nic->mtu,
			.num_routes = nets->link[k].num_routes,
			.routes = nets->link[k].routes,
		};
	}
	return letter_init(letter, links, nets->num, ack_port, err);
}
