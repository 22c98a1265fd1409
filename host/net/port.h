/* SPDX-License-Identifier: MIT */
/* Ports on a bridge as links, FDB and neighbour entries. */
#ifndef VF_NET_PORT_H
#define VF_NET_PORT_H

#include "net/net.h"
#include "net/rtnl.h"

#define PORT_ALIAS_PREFIX "vmfork:"

/**
 * port_mark() - Make a fresh link known as a port's TAP
 * @port:	port, whose TAP nobody else can have named yet
 * @err:	error
 *
 * Return: 0 or -errno
 */
int port_mark(const struct net_port *port, struct vf_err *err);

/**
 * port_find() - A port's TAP, if there is one
 * @rtnl:	socket
 * @port:	port
 * @err:	error
 *
 * A name alone says nothing: the lease's may have been taken by another link
 * (net_port_open()). Without our group and its owner's alias it is not the
 * port's.
 *
 * Return: its interface index, 0 if no link has its name, or -errno, -EEXIST
 * if another's has
 */
int port_find(struct rtnl *rtnl, const struct net_port *port,
	      struct vf_err *err);

/**
 * port_alias_put() - Say in a request about a link whose it is
 * @msg:	request
 * @port:	port
 *
 * Return: 0 or -ENOMEM
 */
int port_alias_put(struct nl_msg *msg, const struct net_port *port);

/**
 * port_mark_add() - Add a request to make a link known as a port's TAP
 * @rtnl:	socket
 * @port:	port, its TAP's owner as it is to be
 * @ifindex:	of its TAP
 *
 * Return: 0 or -ENOMEM
 */
int port_mark_add(struct rtnl *rtnl, const struct net_port *port, int ifindex);

/**
 * ports_find() - port_find() of many ports at once
 * @rtnl:	socket
 * @ports:	ports
 * @num:	how many
 * @found:	out: for each its interface index, 0, or -EEXIST
 * @err:	error
 *
 * Return: 0 or -errno
 */
int ports_find(struct rtnl *rtnl, const struct net_port *ports,
	       unsigned int num, int *found, struct vf_err *err);

/**
 * port_is_foreign() - Say that a port's name is another link's
 * @port:	port
 * @err:	error
 *
 * Return: -EEXIST
 */
int port_is_foreign(const struct net_port *port, struct vf_err *err);

/**
 * ports_link_up() - Put TAPs on the bridge
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports
 * @ifindexes:	of their TAPs, see port_find()
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; what was done is not undone
 */
int ports_link_up(struct rtnl *rtnl, const struct net_conf *conf,
		  const struct net_port *ports, const int *ifindexes,
		  unsigned int num, struct vf_err *err);

/**
 * ports_remember() - Tell bridge and host whose MAC is behind which port
 * @rtnl:	socket
 * @conf:	network
 * @ports:	ports on its bridge
 * @ifindexes:	of their TAPs, see port_find()
 * @num:	how many
 * @err:	error
 *
 * Return: 0 or -errno; what was done is not undone
 */
int ports_remember(struct rtnl *rtnl, const struct net_conf *conf,
		   const struct net_port *ports, const int *ifindexes,
		   unsigned int num, struct vf_err *err);

/**
 * port_link_down_add() - Add a request to take a TAP off its bridge, and down
 * @rtnl:	socket
 * @port:	port
 * @ifindex:	of its TAP, see port_find()
 *
 * Return: 0 or -ENOMEM
 */
int port_link_down_add(struct rtnl *rtnl, const struct net_port *port,
		       int ifindex);

/**
 * ports_delete() - Delete links, in one request
 * @rtnl:	socket
 * @ifindexes:	of TAPs or what belongs to them; 0 and less: none
 * @num:	how many
 * @err:	error
 *
 * One by one each costs what all of a group do together: 20 ms.
 *
 * Return: 0, also if they have gone meanwhile, or -errno
 */
int ports_delete(struct rtnl *rtnl, const int *ifindexes, unsigned int num,
		 struct vf_err *err);

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
 * port_neighs_add() - Add a neighbour request for each of a port's addresses
 * @rtnl:	socket
 * @type:	RTM_NEWNEIGH or RTM_DELNEIGH
 * @port:	port
 * @ifindex:	link behind which it is
 *
 * Return: 0 or -ENOMEM
 */
int port_neighs_add(struct rtnl *rtnl, int type, const struct net_port *port,
		    int ifindex);

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
