// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/io.h"
#include "net/rtnl.h"

/*
 * The kernel queues a batch's answers while it handles the batch: with more in
 * one send than the receive buffer holds, answers are lost (ENOBUFS).
 */
#define REQUESTS_PER_SEND 64
#define BUFFER_SIZE	  (1 << 18)
#define ANSWER_SIZE	  8192
#define DUMP_TRIES	  20

/*
 * The kernel answers a request before send() returns; a limit only keeps a
 * kernel that is broken from hanging us.
 */
static const struct timeval answer_timeout = { .tv_sec = 5 };

struct rtnl_request {
	struct nl_msg *msg;
	bool answered;
	int ret;
	char what[72];
	char why[72]; /* the kernel's own words, or empty */
	rtnl_reply_cb cb;
	void *ctx;
};

static const struct {
	int code, num;
} codes[] = {
	{ NLE_SUCCESS, 0 },
	{ NLE_INTR, EINTR },
	{ NLE_AGAIN, ETIMEDOUT }, /* the socket's time limit */
	{ NLE_BAD_SOCK, EBADF },
	{ NLE_NOMEM, ENOMEM },
	{ NLE_EXIST, EEXIST },
	{ NLE_INVAL, EINVAL },
	{ NLE_RANGE, ERANGE },
	{ NLE_MSGSIZE, EMSGSIZE },
	{ NLE_OPNOTSUPP, EOPNOTSUPP },
	{ NLE_AF_NOSUPPORT, EAFNOSUPPORT },
	{ NLE_OBJ_NOTFOUND, ENOENT },
	{ NLE_NOATTR, EBADMSG },
	{ NLE_NOADDR, EADDRNOTAVAIL },
	{ NLE_PERM, EPERM },
	{ NLE_NOACCESS, EACCES },
	{ NLE_BUSY, EBUSY },
	{ NLE_NODEV, ENODEV },
	{ NLE_DUMP_INTR, EAGAIN },
};

int rtnl_errno(int code)
{
	code = code < 0 ? -code : code;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		if (codes[i].code == code)
			return -codes[i].num;
	}
	return -EIO;
}

int rtnl_open(struct rtnl *rtnl, int protocol, struct vf_err *err)
{
	const int on = 1;
	int ret, fd;

	*rtnl = (struct rtnl)RTNL_INIT;
	rtnl->sock = nl_socket_alloc();
	if (!rtnl->sock)
		return vf_err_errno(err, ENOMEM, "netlink");
	ret = nl_connect(rtnl->sock, protocol);
	if (ret == 0)
		ret = nl_socket_set_buffer_size(rtnl->sock, BUFFER_SIZE,
						BUFFER_SIZE);
	if (ret < 0) {
		rtnl_close(rtnl);
		return vf_err_errno(err, rtnl_errno(ret), "netlink");
	}
	/* kernels without these two only say less */
	fd = nl_socket_get_fd(rtnl->sock);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answer_timeout,
		   sizeof(answer_timeout));
	return 0;
}

static void requests_drop(struct rtnl *rtnl)
{
	for (unsigned int i = 0; i < rtnl->num; i++)
		nlmsg_free(rtnl->requests[i].msg);
	rtnl->num = 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	requests_drop(rtnl);
	free(rtnl->requests);
	rtnl->requests = NULL;
	rtnl->size = 0;
	if (rtnl->sock)
		nl_socket_free(rtnl->sock);
	rtnl->sock = NULL;
}

static int requests_grow(struct rtnl *rtnl)
{
	unsigned int size = rtnl->size ? 2 * rtnl->size : 16;
	struct rtnl_request *requests;

	if (rtnl->num < rtnl->size)
		return 0;
	requests = realloc(rtnl->requests, size * sizeof(*requests));
	if (!requests)
		return -ENOMEM;
	rtnl->requests = requests;
	rtnl->size = size;
	return 0;
}

static struct nl_msg *request_add(struct rtnl *rtnl, int type, int flags,
				  const char *fmt, va_list ap)
{
	struct rtnl_request *req;
	struct nl_msg *msg;

	if (requests_grow(rtnl) < 0)
		return NULL;
	msg = nlmsg_alloc_size(1024);
	if (!msg)
		return NULL;
	/* the sequence number is the request's place, to find it again */
	if (!nlmsg_put(msg, nl_socket_get_local_port(rtnl->sock), rtnl->num,
		       type, 0, NLM_F_REQUEST | flags)) {
		nlmsg_free(msg);
		return NULL;
	}
	req = &rtnl->requests[rtnl->num++];
	*req = (struct rtnl_request){ .msg = msg };
	vsnprintf(req->what, sizeof(req->what), fmt, ap);
	return msg;
}

struct nl_msg *rtnl_add(struct rtnl *rtnl, int type, int flags, const char *fmt,
			...)
{
	struct nl_msg *msg;
	va_list ap;

	va_start(ap, fmt);
	msg = request_add(rtnl, type, flags, fmt, ap);
	va_end(ap);
	return msg;
}

struct nl_msg *rtnl_add_link(struct rtnl *rtnl, int type, int flags,
			     const struct ifinfomsg *ifi, const char *fmt, ...)
{
	struct nl_msg *msg;
	va_list ap;

	va_start(ap, fmt);
	msg = request_add(rtnl, type, NLM_F_ACK | flags, fmt, ap);
	va_end(ap);
	if (!msg ||
	    nlmsg_append(msg, (void *)ifi, sizeof(*ifi), NLMSG_ALIGNTO) < 0)
		return NULL;
	return msg;
}

int rtnl_add_addr(struct rtnl *rtnl, const char *link, int ifindex, int family,
		  const void *addr, unsigned int prefix)
{
	size_t len = family == AF_INET ? 4 : 16;
	struct ifaddrmsg ifa = { .ifa_family = family,
				 .ifa_prefixlen = prefix,
				 .ifa_flags =
					 IFA_F_PERMANENT |
					 (family == AF_INET6 ? IFA_F_NODAD : 0),
				 .ifa_index = ifindex };
	struct nl_msg *msg;

	msg = rtnl_add(rtnl, RTM_NEWADDR,
		       NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
		       "link %s: %s address", link,
		       family == AF_INET ? "IPv4" : "IPv6");
	if (!msg || nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) < 0)
		return -ENOMEM;
	NLA_PUT(msg, IFA_LOCAL, len, addr);
	NLA_PUT(msg, IFA_ADDRESS, len, addr);
	return 0;
nla_put_failure:
	return -ENOMEM;
}

int rtnl_ask_link(struct rtnl *rtnl, const char *name, rtnl_reply_cb cb,
		  void *ctx, const char *fmt, ...)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	struct nl_msg *msg;
	va_list ap;

	va_start(ap, fmt);
	/* the link itself is the answer, or the error */
	msg = request_add(rtnl, RTM_GETLINK, 0, fmt, ap);
	va_end(ap);
	if (!msg || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) < 0 ||
	    nla_put_string(msg, IFLA_IFNAME, name) < 0 ||
	    nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0)
		return -ENOMEM;
	rtnl->requests[rtnl->num - 1].cb = cb;
	rtnl->requests[rtnl->num - 1].ctx = ctx;
	return 0;
}

int rtnl_watch_open(struct vf_err *err)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK,
				    .nl_groups = RTMGRP_LINK };
	__close int fd = socket(AF_NETLINK,
				SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return vf_err_errno(err, errno, "netlink");
	return vf_steal_fd(&fd);
}

int rtnl_watch_wait(int fd, int64_t deadline_us)
{
	int ret = vf_wait_readable(fd, -1, deadline_us);
	char byte;

	/* what changed is asked for anew; lost messages are no loss */
	while (ret == 0 &&
	       (recv(fd, &byte, sizeof(byte), 0) >= 0 || errno == ENOBUFS))
		;
	return ret;
}

int rtnl_put_no_autoconf(struct nl_msg *msg)
{
	struct nlattr *spec = nla_nest_start(msg, IFLA_AF_SPEC);
	struct nlattr *inet6 = spec ? nla_nest_start(msg, AF_INET6) : NULL;

	if (!inet6 || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE,
				 IN6_ADDR_GEN_MODE_NONE) < 0)
		return -ENOMEM;
	nla_nest_end(msg, inet6);
	nla_nest_end(msg, spec);
	return 0;
}

static int requests_send(struct rtnl *rtnl, unsigned int from, unsigned int to)
{
	struct iovec iov[REQUESTS_PER_SEND];
	struct msghdr hdr = { .msg_iov = iov, .msg_iovlen = to - from };
	ssize_t len;

	for (unsigned int i = from; i < to; i++) {
		struct nlmsghdr *nlh = nlmsg_hdr(rtnl->requests[i].msg);

		iov[i - from].iov_base = nlh;
		iov[i - from].iov_len = NLMSG_ALIGN(nlh->nlmsg_len);
		if (!(nlh->nlmsg_flags & NLM_F_ACK) && !rtnl->requests[i].cb)
			rtnl->requests[i].answered = true;
	}
	do {
		len = sendmsg(nl_socket_get_fd(rtnl->sock), &hdr, 0);
	} while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : 0;
}

/* The kernel's words: NLMSGERR_ATTR_MSG, behind the header that it repeats. */
static void answer_read_text(const struct nlmsghdr *nlh,
			     struct rtnl_request *req)
{
	const struct nlmsgerr *answer = NLMSG_DATA(nlh);
	size_t offset = NLMSG_ALIGN(sizeof(*answer));
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += NLMSG_ALIGN(answer->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (NLMSG_PAYLOAD(nlh, 0) < offset)
		return;
	attr = nla_find((struct nlattr *)((char *)answer + offset),
			NLMSG_PAYLOAD(nlh, offset), NLMSGERR_ATTR_MSG);
	if (attr)
		nla_strlcpy(req->why, attr, sizeof(req->why));
}

static void answer_read(struct rtnl *rtnl, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *answer = NLMSG_DATA(nlh);
	struct rtnl_request *req;

	if (nlh->nlmsg_seq >= rtnl->num)
		return;
	req = &rtnl->requests[nlh->nlmsg_seq];
	if (req->cb && nlh->nlmsg_type == RTM_NEWLINK) {
		req->cb(nlh, req->ctx);
		req->answered = true;
		return;
	}
	if (nlh->nlmsg_type != NLMSG_ERROR ||
	    NLMSG_PAYLOAD(nlh, 0) < sizeof(*answer))
		return;
	req->answered = true;
	req->ret = answer->error;
	answer_read_text(nlh, req);
}

static int answers_receive(struct rtnl *rtnl, unsigned int from,
			   unsigned int to)
{
	char buf[ANSWER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *nlh;
	ssize_t got;
	int len;

	while (from < to) {
		if (rtnl->requests[from].answered) {
			from++;
			continue;
		}
		got = recv(nl_socket_get_fd(rtnl->sock), buf, sizeof(buf), 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		len = got;
		for (nlh = (void *)buf; NLMSG_OK(nlh, (unsigned int)len);
		     nlh = NLMSG_NEXT(nlh, len))
			answer_read(rtnl, nlh);
	}
	return 0;
}

static bool is_absent(int ret)
{
	return ret == -ENOENT || ret == -ENODEV || ret == -ESRCH ||
	       ret == -EADDRNOTAVAIL || ret == -ENXIO;
}

static int requests_judge(struct rtnl *rtnl, enum rtnl_mode mode,
			  struct vf_err *err)
{
	const struct rtnl_request *req;

	for (unsigned int i = 0; i < rtnl->num; i++) {
		req = &rtnl->requests[i];
		if (req->ret == 0 || (mode == RTNL_UNDO && is_absent(req->ret)))
			continue;
		if (!req->why[0])
			return vf_err_errno(err, req->ret, "%s", req->what);
		return vf_err_set(err, req->ret, "%s: %s (%s)", req->what,
				  strerror(-req->ret), req->why);
	}
	return 0;
}

int rtnl_commit(struct rtnl *rtnl, enum rtnl_mode mode, struct vf_err *err)
{
	unsigned int from, to;
	int ret = 0;

	for (from = 0; from < rtnl->num; from = to) {
		to = from + REQUESTS_PER_SEND;
		if (to > rtnl->num)
			to = rtnl->num;
		ret = requests_send(rtnl, from, to);
		if (ret == 0)
			ret = answers_receive(rtnl, from, to);
		if (ret < 0) {
			vf_err_errno(err, ret, "%s", rtnl->requests[from].what);
			break;
		}
	}
	if (ret == 0)
		ret = requests_judge(rtnl, mode, err);
	requests_drop(rtnl);
	return ret;
}

int rtnl_cache(struct rtnl *rtnl, const char *kind, struct nl_cache **out,
	       struct vf_err *err)
{
	__nl_cache struct nl_cache *cache = NULL;
	int ret;

	ret = nl_cache_alloc_name(kind, &cache);
	for (int try = 0; ret == 0 && try < DUMP_TRIES; try++) {
		ret = nl_cache_refill(rtnl->sock, cache);
		if (ret == 0) {
			*out = vf_steal(&cache);
			return 0;
		}
		if (ret == -NLE_DUMP_INTR)
			ret = 0;
	}
	return vf_err_errno(err, ret ? rtnl_errno(ret) : -EAGAIN, "%s", kind);
}
