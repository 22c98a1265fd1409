/* SPDX-License-Identifier: MIT */
/*
 * The one way to netlink: requests are collected, sent together, and every
 * one of them is answered for. libnl's codes and the kernel's extended
 * acknowledgements become errno and a line of text here and nowhere else.
 */
#ifndef VF_NET_RTNL_H
#define VF_NET_RTNL_H

#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/err.h"

struct rtnl_request;

/* Gets the object that was asked for. */
typedef void (*rtnl_reply_cb)(const struct nlmsghdr *nlh, void *ctx);

/* A socket, and the requests that wait to be sent on it. */
struct rtnl {
	struct nl_sock *sock;
	struct rtnl_request *requests;
	unsigned int num, size;
};

#define RTNL_INIT        \
	{                \
		.num = 0 \
	}

/**
 * rtnl_open() - Open a socket
 * @rtnl:	out; closed with rtnl_close()
 * @protocol:	NETLINK_ROUTE or NETLINK_NETFILTER
 * @err:	error
 *
 * Return: 0 or -errno
 */
int rtnl_open(struct rtnl *rtnl, int protocol, struct vf_err *err);

/**
 * rtnl_close() - Close a socket, requests that were not sent are dropped
 * @rtnl:	socket; one that was only initialised with RTNL_INIT is fine
 */
void rtnl_close(struct rtnl *rtnl);

#define __rtnl __cleanup(rtnl_close)

/**
 * rtnl_add() - Add a request to those that rtnl_commit() sends
 * @rtnl:	socket
 * @type:	of the message
 * @flags:	NLM_F_...; without NLM_F_ACK no answer is waited for
 * @fmt:	what it does, for an error's text
 *
 * Return: the message, empty, owned by @rtnl; NULL without memory
 */
struct nl_msg *rtnl_add(struct rtnl *rtnl, int type, int flags, const char *fmt,
			...) __attribute__((format(printf, 4, 5)));

/**
 * rtnl_add_link() - Add a request about a link
 * @rtnl:	socket
 * @type:	RTM_NEWLINK or RTM_DELLINK
 * @flags:	beside NLM_F_ACK
 * @ifi:	which link, unless IFLA_IFNAME follows, and its flags
 * @fmt:	see rtnl_add()
 *
 * Return: the message, to which attributes can be appended, owned by @rtnl;
 * NULL without memory
 */
struct nl_msg *rtnl_add_link(struct rtnl *rtnl, int type, int flags,
			     const struct ifinfomsg *ifi, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * rtnl_add_addr() - Add a request to give a link an address
 * @rtnl:	socket
 * @link:	its name, for an error's text
 * @ifindex:	its index
 * @family:	AF_INET or AF_INET6, that without duplicate address detection
 * @addr:	address
 * @prefix:	its prefix length
 *
 * Return: 0 or -ENOMEM
 */
int rtnl_add_addr(struct rtnl *rtnl, const char *link, int ifindex, int family,
		  const void *addr, unsigned int prefix);

/**
 * rtnl_ask_link() - Add a question for a link of a name
 * @rtnl:	socket
 * @name:	its name
 * @cb:		gets the link, unless there is none
 * @ctx:	for @cb
 * @fmt:	see rtnl_add()
 *
 * With RTNL_UNDO it is no error that there is none.
 *
 * Return: 0 or -ENOMEM
 */
int rtnl_ask_link(struct rtnl *rtnl, const char *name, rtnl_reply_cb cb,
		  void *ctx, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * rtnl_watch_open() - Be told of links that change
 * @err:	error
 *
 * Return: a descriptor that is readable once one has changed, or -errno
 */
int rtnl_watch_open(struct vf_err *err);

/**
 * rtnl_watch_wait() - Wait until a link has changed
 * @fd:		descriptor of rtnl_watch_open()
 * @deadline_us: vf_now_us() at which to give up
 *
 * Return: 0, -ETIMEDOUT, -errno
 */
int rtnl_watch_wait(int fd, int64_t deadline_us);

/**
 * rtnl_put_no_autoconf() - Have the kernel give a link no IPv6 address
 * @msg:	request about a link
 *
 * Return: 0 or -ENOMEM
 */
int rtnl_put_no_autoconf(struct nl_msg *msg);

enum rtnl_mode {
	RTNL_STRICT, /* any refusal is an error */
	RTNL_UNDO,   /* that a thing is absent is none */
};

/**
 * rtnl_commit() - Send what was added and collect every answer
 * @rtnl:	socket; has no requests left afterwards
 * @mode:	what counts as an error
 * @err:	error of the first request that failed
 *
 * All requests are tried, also after one that failed: a batch of netlink
 * messages is not atomic.
 *
 * Return: 0 or -errno
 */
int rtnl_commit(struct rtnl *rtnl, enum rtnl_mode mode, struct vf_err *err);

/**
 * rtnl_cache() - All objects of a kind
 * @rtnl:	socket
 * @kind:	libnl's name of the cache: "route/link", "route/addr", ...
 * @out:	out: the cache; the caller frees it with nl_cache_free()
 * @err:	error
 *
 * A dump that was interrupted by a change is made anew, so that the cache is a
 * picture of one moment.
 *
 * Return: 0 or -errno, -EAGAIN if it never was clean
 */
int rtnl_cache(struct rtnl *rtnl, const char *kind, struct nl_cache **out,
	       struct vf_err *err);

static inline void rtnl_cache_put(struct nl_cache **cache)
{
	if (*cache)
		nl_cache_free(*cache);
}

#define __nl_cache __cleanup(rtnl_cache_put)

/**
 * rtnl_errno() - libnl's code as errno
 * @code:	what a libnl function returned, either sign
 *
 * Return: -errno
 */
int rtnl_errno(int code);

#endif
