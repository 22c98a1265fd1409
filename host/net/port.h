/* SPDX-License-Identifier: MIT */
/* Ports on a bridge as links, FDB and neighbour entries. */
#ifndef VF_NET_PORT_H
#define VF_NET_PORT_H

#include "net/net.h"
#include "net/rtnl.h"

#define PORT_ALIAS_PREFIX "vmfork:"

/**
 * ports_link_up() - Put TAPs on the bridge
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; what was done is not undone
 */
int ports_link_up(struct rtnl *rtnl, const struct net_conf *conf,
		  const struct net_port *ports, unsigned int num,
		  struct vf_err *err);

/**
 * ports_link_down() - Take TAPs that still exist off the bridge
 * @rtnl:	socket
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ports_link_down(struct rtnl *rtnl, const struct net_port *ports,
		    unsigned int num, struct vf_err *err);

/**
 * ports_forget() - Remove the neighbour entries of ports
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports
 * @num:	how many
 * @err:	error
 *
 * Return: 0, also if there are none, or -errno
 */
int ports_forget(struct rtnl *rtnl, const struct net_conf *conf,
		 const struct net_port *ports, unsigned int num,
		 struct vf_err *err);

/**
 * neigh_add() - Add a neighbour request
 * @rtnl:	socket
 * @type:	RTM_NEWNEIGH or RTM_DELNEIGH
 * @ifindex:	link
 * @family:	AF_INET or AF_INET6
 * @addr:	address
 * @mac:	its link-layer address; not needed to delete
 *
 * Return: 0 or -ENOMEM
 */
int neigh_add(struct rtnl *rtnl, int type, int ifindex, int family,
	      const void *addr, const uint8_t *mac);

#endif
