/* SPDX-License-Identifier: MIT */
/*
 * Networks: a link with the gateway's address, and one port per VM. The public
 * contract of this folder; inside, each mechanism is one file: rtnl.c (the one
 * way to netlink), lease.c (who has which identity), tap.c, bridge.c (the
 * network's link), mode.c (the ways to attach a port: port.c on the bridge,
 * routed.c by a route), filter.c (nftables: what a port may say, who may talk to
 * whom, NAT), shape.c (how fast), network.c (the order of these).
 *
 * A port's life:
 *
 *	net_ports_lease()	identity reserved in the lease file, N in one hold
 *	net_port_open()		TAP made; it lives as long as its descriptor
 *	net_ports_attach()	on the bridge or routed: isolated, pinned, up
 *	net_ports_verify()	did the new MAC really speak from that port?
 *	net_ports_drop()	TAP gone before its descriptor: engines told to end
 *	net_ports_detach()	neighbours and pins gone
 *	net_ports_release()	lease freed; only once the TAP is gone
 *
 * Whatever we make bears our interface group and an alias "vmfork:NAME"; a link
 * that exists and does not is refused, never touched.
 */
#ifndef VF_NET_H
#define VF_NET_H

#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/io.h"

#define NET_NAME_MAX	 11 /* "vfb-" and a NUL make IFNAMSIZ */
#define NET_DEFAULT_NAME "default"
#define NET_ADDRS_MAX	 4	  /* per port and family */
#define NET_LINK_GROUP	 0x766d66 /* "vmf": interface group of ours */

/* How ports are attached; mode.h has what that means. */
enum net_mode {
	NET_MODE_BRIDGE, /* to a bridge, which takes 1023 of them */
	NET_MODE_ROUTED, /* to nothing: the host has a route to each */
	NET_MODE_NUM
};

/* What a network is; kept as JSON beneath the state directory. */
struct net_conf {
	char name[NET_NAME_MAX + 1];
	char bridge[IFNAMSIZ];
	uint8_t mac[6];	      /* of the bridge: the guests' gateway */
	struct in_addr addr4; /* of the bridge; the pool is its subnet */
	uint8_t prefix4;      /* 8 to 28 */
	struct in6_addr addr6;
	uint8_t prefix6; /* 64 */
	enum net_mode mode;
	bool open; /* siblings may talk to each other */
	bool nat;  /* guests may reach the world */
};

/* One VM's identity on a network. */
struct net_port {
	char owner[VF_NAME_MAX + 1]; /* name of the VM */
	uint32_t index; /* in the pool: the host part of what it gives */
	char tap[IFNAMSIZ];
	uint8_t mac[6]; /* of the guest */
	unsigned int num_addr4;
	unsigned int num_addr6;
	struct in_addr addr4[NET_ADDRS_MAX];
	uint8_t prefix4; /* of all of them; 0 without any */
	struct in6_addr addr6[NET_ADDRS_MAX];
	uint8_t prefix6;
	bool by_hand;  /* not all that it has is of its index */
	bool verified; /* set by net_ports_verify() */
};

/* What is asked of a port by hand; the pool gives what is absent. */
struct net_wish {
	bool no_ipv4;
	bool no_ipv6;
	bool has_mac;
	uint8_t mac[6];
	unsigned int num_addr4;
	unsigned int num_addr6;
	struct in_addr addr4[NET_ADDRS_MAX];
	uint8_t prefix4; /* 0: the network's; no other is given */
	struct in6_addr addr6[NET_ADDRS_MAX];
	uint8_t prefix6;
};

/**
 * net_addr_map() - An IPv4 address where one of either family is wanted
 * @addr:	address
 *
 * Return: the IPv4-mapped address (RFC 4291, section 2.5.5.2)
 */
static inline struct in6_addr net_addr_map(struct in_addr addr)
{
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	mapped.s6_addr32[3] = addr.s_addr;
	return mapped;
}

/**
 * net_port_addr() - The address under which a port is spoken to
 * @port:	port
 *
 * Return: its first IPv4 address, IPv4-mapped; its first IPv6 address if it has
 * none; :: without any
 */
struct in6_addr net_port_addr(const struct net_port *port);

/**
 * net_port_has() - Is this one of a port's addresses?
 * @port:	port
 * @addr:	address, IPv4 as IPv4-mapped
 *
 * Return: true if so
 */
bool net_port_has(const struct net_port *port, struct in6_addr addr);

/**
 * net_contains() - Is an address in a network's subnets?
 * @conf:	network
 * @addr:	address, IPv4 as IPv4-mapped
 *
 * Return: true if so
 */
bool net_contains(const struct net_conf *conf, struct in6_addr addr);

/* When ports were last attached, on vf_now_us()'s clock; 0: not reached. */
struct net_moments {
	int64_t attach_us; /* begun */
	int64_t bridged_us;
	int64_t remembered_us; /* FDB and neighbour entries */
};

/**
 * net_mode_name() - What a mode is called
 * @mode:	mode
 *
 * Return: its name; static
 */
const char *net_mode_name(enum net_mode mode);

/**
 * net_mode_parse() - The mode of a name
 * @text:	name
 *
 * Return: the mode, or -EINVAL
 */
int net_mode_parse(const char *text);

struct net;

/**
 * net_create() - Make a network
 * @state_fd:	directory "net" beneath the state directory
 * @conf:	name, mode, open and nat set; addr4/prefix4 and addr6/prefix6 set, or
 *		zero to have free ones chosen; the rest is filled in
 * @err:	error
 *
 * Return: 0 or -errno, -EEXIST if the name is taken, also by a link of the host
 * that is not ours; on failure nothing is left behind
 */
int net_create(int state_fd, struct net_conf *conf, struct vf_err *err);

/**
 * net_open() - Open a network, its bridge and rules put up if they are missing
 * @net:	out: network, closed with net_close()
 * @state_fd:	see net_create()
 * @name:	its name; NET_DEFAULT_NAME is created if it does not exist
 * @err:	error
 *
 * Return: 0 or -errno, -ENOENT if there is no such network
 */
int net_open(struct net **net, int state_fd, const char *name,
	     struct vf_err *err);

/**
 * net_open_existing() - Open a network as it is, to undo things on it
 * @net:	out: network, closed with net_close()
 * @state_fd:	see net_create()
 * @name:	its name
 * @err:	error
 *
 * Nothing is created, put up or repaired: ports can be detached and released,
 * but not be attached.
 *
 * Return: 0 or -errno, -ENOENT if there is no such network
 */
int net_open_existing(struct net **net, int state_fd, const char *name,
		      struct vf_err *err);

/**
 * net_close() - Close a network; what it put up stays
 * @net:	network, or NULL
 */
void net_close(struct net *net);

/**
 * net_get_conf() - What a network is
 * @net:	network
 *
 * Return: its configuration, owned by @net
 */
const struct net_conf *net_get_conf(const struct net *net);

/**
 * net_get_moments() - When the last net_ports_attach() did what
 * @net:	network
 *
 * Return: the moments, owned by @net
 */
const struct net_moments *net_get_moments(const struct net *net);

/**
 * net_remove() - Remove a network: bridge, rules, record
 * @state_fd:	see net_create()
 * @name:	its name
 * @err:	error
 *
 * Return: 0 or -errno, -EBUSY if a lease is left
 */
int net_remove(int state_fd, const char *name, struct vf_err *err);

/**
 * net_list() - All networks
 * @state_fd:	see net_create()
 * @out:	out: JSON array, one object each (name, mode, bridge, mac, ipv4,
 *		ipv6, open, nat, up, leases: number), a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int net_list(int state_fd, json_t **out, struct vf_err *err);

/**
 * net_wish_addr() - Ask for an address
 * @wish:	wish
 * @text:	IPv4 or IPv6 address, with or without the prefix length
 *
 * Return: 0, -EBADMSG if it is none, -E2BIG for more than NET_ADDRS_MAX, -EEXIST
 * if it was asked for before, -EDOM if an earlier one has another prefix length
 */
int net_wish_addr(struct net_wish *wish, const char *text);

/**
 * net_wish_mac() - Ask for a MAC
 * @wish:	wish
 * @text:	MAC
 *
 * Return: 0 or -EBADMSG
 */
int net_wish_mac(struct net_wish *wish, const char *text);

/**
 * net_wish_is_personal() - Can only one port have it?
 * @wish:	wish
 *
 * Return: true if it names a MAC or an address
 */
bool net_wish_is_personal(const struct net_wish *wish);

/**
 * net_ports_lease() - Reserve identities, all or none
 * @net:	network
 * @wish:	what is asked of each of them, or NULL
 * @ports:	in: owner of each; out: index, TAP name, MAC and addresses
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno, -ENOSPC if the pool is exhausted, -EEXIST if an owner
 * has a lease already, -EADDRINUSE if another has what is wished for, -EINVAL if
 * no port of this network may have it
 */
int net_ports_lease(struct net *net, const struct net_wish *wish,
		    struct net_port *ports, unsigned int num,
		    struct vf_err *err);

/**
 * net_ports_release() - Give identities back
 * @net:	network
 * @ports:	ports; those without a lease of that owner are skipped
 * @num:	how many
 * @err:	error
 *
 * A port whose TAP still exists is not released, but waited for, up to 2 s. A
 * link of the TAP's name that is not this owner's counts as gone.
 *
 * Return: 0 or -errno, -EBUSY if a TAP is still there after that
 */
int net_ports_release(struct net *net, const struct net_port *ports,
		      unsigned int num, struct vf_err *err);

/**
 * net_port_open() - Make a port's TAP device
 * @port:	leased port; its TAP name is changed (and the lease is not) if
 *		the host has a link of that name
 * @err:	error
 *
 * Return: a descriptor (IFF_TAP, IFF_NO_PI, IFF_VNET_HDR, non-persistent,
 * O_CLOEXEC), or -errno. The device vanishes with the last descriptor of it.
 */
int net_port_open(struct net_port *port, struct vf_err *err);

/**
 * net_ports_attach() - Connect ports with the host and let them speak
 * @net:	network
 * @ports:	ports whose TAPs are open
 * @num:	how many
 * @err:	error
 *
 * On a bridge each is a locked and (unless the network is open) isolated port
 * without learning, with a static FDB entry; otherwise it has the gateway's MAC
 * and addresses, and the host a route to each of its own. In both cases the host
 * has a permanent neighbour entry per address, and rules pin them.
 *
 * Return: 0 or -errno; on failure all of them are detached
 */
int net_ports_attach(struct net *net, const struct net_port *ports,
		     unsigned int num, struct vf_err *err);

/**
 * net_ports_rename() - Hand ports over to other VMs, attached or not
 * @net:	network
 * @ports:	leased ports, their TAPs open; in: owner; out: the new one
 * @owners:	names of the VMs, none of which has a lease
 * @num:	how many
 * @err:	error
 *
 * Everything but the owner stays: TAP, MAC, addresses, what was counted.
 *
 * Return: 0 or -errno, -ENOENT if one has no lease, -EEXIST if a new owner has
 * one; on failure all of them are whose they were
 */
int net_ports_rename(struct net *net, struct net_port *ports,
		     const char *const *owners, unsigned int num,
		     struct vf_err *err);

/**
 * net_ports_drop() - Delete the TAPs of VMs that are ending
 * @ports:	ports, on whatever networks
 * @num:	how many
 * @err:	error
 *
 * All in one request. Without it they go with their engines all the same, but one
 * after the other. An engine that still runs is without network from then on.
 *
 * Return: 0, also if they have gone, or -errno
 */
int net_ports_drop(const struct net_port *ports, unsigned int num,
		   struct vf_err *err);

/**
 * net_ports_detach() - Undo net_ports_attach(); what is gone already is no error
 * @net:	network
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * A link of a TAP's name that is not that owner's counts as gone, and stays.
 *
 * Return: 0 or -errno
 */
int net_ports_detach(struct net *net, const struct net_port *ports,
		     unsigned int num, struct vf_err *err);

/**
 * net_ports_verify() - Did each port's own MAC and address come from it?
 * @net:	network
 * @ports:	ports; verified is set in each
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int net_ports_verify(struct net *net, struct net_port *ports, unsigned int num,
		     struct vf_err *err);

/**
 * net_addr_parse() - Parse an address with its prefix length, as in 10.1.0.1/16
 * @family:	AF_INET or AF_INET6
 * @text:	text
 * @addr:	out: struct in_addr or struct in6_addr
 * @prefix:	out
 *
 * Return: 0 or -EBADMSG
 */
int net_addr_parse(int family, const char *text, void *addr, uint8_t *prefix);

/**
 * net_port_save() - A port as JSON, for a VM's record
 * @net_name:	network
 * @port:	port
 *
 * Return: an object, a new reference; NULL without memory
 */
json_t *net_port_save(const char *net_name, const struct net_port *port);

/**
 * net_port_load() - Read what net_port_save() wrote
 * @port:	out
 * @json:	the object
 * @err:	error
 *
 * Return: 0 or -EBADMSG
 */
int net_port_load(struct net_port *port, json_t *json, struct vf_err *err);

/**
 * net_gc() - Free what dead owners left: leases, pins, neighbours, links
 * @state_fd:	see net_create()
 * @is_alive:	says whether a VM of that name still runs or is being made
 * @ctx:	for @is_alive
 * @removed:	JSON array; a line of text is appended for each thing removed
 * @err:	error
 *
 * Return: 0 or -errno
 */
int net_gc(int state_fd, bool (*is_alive)(const char *owner, void *ctx),
	   void *ctx, json_t *removed, struct vf_err *err);

/**
 * net_check() - What the kernel here lacks of what networks need
 * @out:	JSON array; an object {name, ok, detail} is appended for each of:
 *		networks here, tun, bridge, port flags, nftables bridge family,
 *		IPv6, routed networks, shaping, netem, fq_codel, police
 *
 * The first is whether the caller may have networks in its own network namespace;
 * each other is tried in a throw-away one where the caller may make one.
 */
void net_check(json_t *out);

#endif
