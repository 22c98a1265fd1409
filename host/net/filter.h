/* SPDX-License-Identifier: MIT */
/*
 * What ports may say, who may talk to whom, and NAT: nftables.
 *
 * All networks of a network namespace share the tables "bridge vmfork", "inet
 * vmfork" and "arp vmfork"; each has its own sets and chains in them, named after
 * its bridge. A port is not a rule but an element of each of the sets:
 *
 *	BRIDGE.tap	TAP; what comes from one is judged by chain BRIDGE
 *	BRIDGE.ip4	TAP . source MAC . source IPv4 address, counted
 *	BRIDGE.ip6	TAP . source MAC . source IPv6 address (the leased ones and
 *			the link-local one that the MAC makes), counted
 *	BRIDGE.arp	TAP . source MAC . ARP sender MAC . ARP sender IP, counted
 *	BRIDGE.nd	TAP . target of a neighbour advertisement
 *	BRIDGE.ll	TAP . link-layer address option of a neighbour
 *			solicitation or advertisement
 *
 * The set "tap" holds the TAPs of all networks, and the chain "guard" drops what
 * comes from a link of our group that is not in it: a port whose elements were
 * lost, with a ruleset that somebody flushed, says nothing until it has them
 * again. The chain BRIDGE.complete has no rules; it is made when all ports have
 * theirs.
 *
 * On a bridge they are in the family bridge, which sees whole frames. TAPs of a
 * routed network are judged where their packets come to the host, in the family
 * inet, and ARP, with a set BRIDGE.tap of its own, in the family arp; nobody
 * listens to what else they say. Whose TAPs are routed, the bridge of the name
 * has no ports.
 *
 * A frame that comes from a TAP and matches none of them is dropped. nftables
 * reads fixed offsets, so a solicitation or advertisement passes only without
 * options, or with the link-layer address as its one option; one with more
 * options, or behind an extension header, is dropped.
 */
#ifndef VF_NET_FILTER_H
#define VF_NET_FILTER_H

#include <stdio.h>

#include "net/lease.h"
#include "net/net.h"

/**
 * filter_is_up() - Are a network's rules there, and its ports under them?
 * @conf:	network
 * @err:	error
 *
 * Return: 1 or 0, -errno
 */
int filter_is_up(const struct net_conf *conf, struct vf_err *err);

/**
 * filter_up() - Put a network's rules up, in place of what was there of them
 * @conf:	network
 * @err:	error
 *
 * They count as up only after filter_complete(). Elements of ports stay.
 *
 * Return: 0 or -errno; on failure nothing was changed
 */
int filter_up(const struct net_conf *conf, struct vf_err *err);

/**
 * filter_complete() - Note that the ports of a network are under its rules
 * @conf:	network, its rules up
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_complete(const struct net_conf *conf, struct vf_err *err);

/**
 * filter_down() - Remove a network's rules, and the tables after the last one
 * @conf:	network
 * @err:	error
 *
 * Return: 0, also if there were none, or -errno
 */
int filter_down(const struct net_conf *conf, struct vf_err *err);

/**
 * filter_ports_add() - Let ports speak, with their leased addresses only
 * @conf:	network
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * In one transaction for up to 64 ports; the counters begin at zero.
 *
 * Return: 0 or -errno
 */
int filter_ports_add(const struct net_conf *conf, const struct net_port *ports,
		     unsigned int num, struct vf_err *err);

/**
 * filter_ports_remove() - Undo filter_ports_add(); what is gone is no error
 * @conf:	network
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_ports_remove(const struct net_conf *conf,
			const struct net_port *ports, unsigned int num,
			struct vf_err *err);

/**
 * filter_ports_count() - Read whether ports have spoken
 * @conf:	network
 * @ports:	ports; verified is set in each
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_ports_count(const struct net_conf *conf, struct net_port *ports,
		       unsigned int num, struct vf_err *err);

/**
 * filter_sets_remove_print() - Commands that delete a network's sets
 * @out:	where they are written
 * @conf:	network
 */
void filter_sets_remove_print(FILE *out, const struct net_conf *conf);

/**
 * filter_read() - All elements of a network's sets
 * @conf:	network
 * @sets:	out: array, as libnftables prints sets; a new reference
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_read(const struct net_conf *conf, json_t **sets, struct vf_err *err);

/**
 * filter_sweep() - Remove elements that no lease accounts for
 * @conf:	network
 * @sets:	elements, read before @leases
 * @leases:	all leases of the network
 * @removed:	JSON array; a line is appended per TAP name; or NULL
 * @err:	error
 *
 * Return: 0 or -errno
 */
int filter_sweep(const struct net_conf *conf, json_t *sets,
		 const struct leases *leases, json_t *removed,
		 struct vf_err *err);

#endif
