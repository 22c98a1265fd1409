// SPDX-License-Identifier: MIT
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monotonic.h"
#include "rtnl.h"

/* The kernel answers at once; this is for a guest that starves. */
#define RTNL_TIMEOUT_NS (2 * NS_PER_S)
/* An acknowledgement is small, but is charged with its whole buffer. */
#define RTNL_RCVBUF (1024 * 1024)

int rtnl_listen(struct rtnl *rtnl, uint32_t groups)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK,
				    .nl_pid = rtnl->portid,
				    .nl_groups = groups };
	socklen_t len = sizeof(addr);

	if (bind(rtnl->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (rtnl->portid)
		return 0;
	if (getsockname(rtnl->fd, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	rtnl->portid = addr.nl_pid;
	return 0;
}

static int socket_open(struct rtnl *rtnl, int protocol, uint32_t groups)
{
	int one = 1, size = RTNL_RCVBUF, ret;

	rtnl->seq = 1;
	rtnl->portid = 0;
	rtnl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  protocol);
	if (rtnl->fd < 0)
		return -errno;
	ret = rtnl_listen(rtnl, groups);
	if (ret < 0) {
		rtnl_close(rtnl);
		return ret;
	}
	/* Not essential: without them answers are longer, the buffer smaller. */
	setsockopt(rtnl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (setsockopt(rtnl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0)
		setsockopt(rtnl->fd, SOL_SOCKET, SO_RCVBUF, &size,
			   sizeof(size));
	return 0;
}

int rtnl_open(struct rtnl *rtnl, uint32_t groups)
{
	return socket_open(rtnl, NETLINK_ROUTE, groups);
}

int rtnl_open_diag(struct rtnl *rtnl)
{
	return socket_open(rtnl, NETLINK_SOCK_DIAG, 0);
}

void rtnl_close(struct rtnl *rtnl)
{
	close(rtnl->fd);
	rtnl->fd = -1;
}

void rtnl_batch_reset(struct rtnl_batch *batch)
{
	batch->len = 0;
	batch->num = 0;
	batch->overflow = false;
}

static bool batch_is_full(const struct rtnl_batch *batch, size_t room)
{
	return batch->num == RTNL_BATCH_MAX ||
	       batch->len + room > sizeof(batch->buf) - RTNL_MESSAGE_ROOM;
}

struct nlmsghdr *rtnl_batch_put(struct rtnl_batch *batch, uint16_t type,
				uint16_t flags, uint32_t step, int tolerate)
{
	struct nlmsghdr *msg;

	if (batch_is_full(batch, RTNL_MESSAGE_ROOM)) {
		batch->overflow = true;
		/* the last bytes of the buffer are kept free for this */
		return mnl_nlmsg_put_header(batch->buf + sizeof(batch->buf) -
					    RTNL_MESSAGE_ROOM);
	}
	msg = mnl_nlmsg_put_header(batch->buf + batch->len);
	msg->nlmsg_type = type;
	msg->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	batch->msg[batch->num].step = step;
	batch->msg[batch->num].tolerate = tolerate;
	batch->msg[batch->num].error = 0;
	return msg;
}

void rtnl_batch_end(struct rtnl_batch *batch, const struct nlmsghdr *msg)
{
	if ((const uint8_t *)msg != batch->buf + batch->len)
		return; /* it did not fit */
	batch->len += NLMSG_ALIGN(msg->nlmsg_len);
	batch->num++;
}

struct nlmsghdr *rtnl_batch_copy(struct rtnl_batch *batch,
				 const struct nlmsghdr *from, uint16_t type,
				 uint16_t flags, uint32_t step, int tolerate)
{
	struct nlmsghdr *msg;

	if (batch_is_full(batch, NLMSG_ALIGN(from->nlmsg_len)) ||
	    batch_is_full(batch, RTNL_MESSAGE_ROOM))
		return NULL;
	msg = rtnl_batch_put(batch, type, flags, step, tolerate);
	memcpy(mnl_nlmsg_get_payload(msg), mnl_nlmsg_get_payload(from),
	       mnl_nlmsg_get_payload_len(from));
	msg->nlmsg_len = from->nlmsg_len;
	rtnl_batch_end(batch, msg);
	return msg;
}

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t now = monotonic_ns();
	int ret;

	if (now >= deadline_ns)
		return -ETIMEDOUT;
	ret = poll(&pfd, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1);
	if (ret < 0 && errno != EINTR)
		return -errno;
	return 0;
}

/* Return: bytes in rtnl->buf, 0 if nothing is waiting, -errno */
static int receive(struct rtnl *rtnl)
{
	ssize_t len;

	do {
		len = recv(rtnl->fd, rtnl->buf, sizeof(rtnl->buf),
			   MSG_DONTWAIT | MSG_TRUNC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	return (size_t)len > sizeof(rtnl->buf) ? -EMSGSIZE : (int)len;
}

static int receive_until(struct rtnl *rtnl, uint64_t deadline_ns)
{
	int ret;

	for (;;) {
		ret = receive(rtnl);
		if (ret != 0)
			return ret;
		ret = wait_readable(rtnl->fd, deadline_ns);
		if (ret < 0)
			return ret;
	}
}

/* Return: how many answers to @batch stand in rtnl->buf */
static unsigned int batch_answers(struct rtnl *rtnl, struct rtnl_batch *batch,
				  uint32_t first_seq, int len)
{
	const struct nlmsghdr *msg = (struct nlmsghdr *)rtnl->buf;
	unsigned int answers = 0;

	for (; mnl_nlmsg_ok(msg, len); msg = mnl_nlmsg_next(msg, &len)) {
		const struct nlmsgerr *err = mnl_nlmsg_get_payload(msg);
		uint32_t i = msg->nlmsg_seq - first_seq;

		if (msg->nlmsg_type != NLMSG_ERROR || i >= batch->num)
			continue;
		batch->msg[i].error = -err->error;
		answers++;
	}
	return answers;
}

int rtnl_batch_send(struct rtnl *rtnl, struct rtnl_batch *batch)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)batch->buf;
	uint64_t deadline_ns = monotonic_ns() + RTNL_TIMEOUT_NS;
	uint32_t first_seq = rtnl->seq;
	unsigned int answers = 0;
	int len = (int)batch->len, ret;

	if (batch->overflow)
		return -E2BIG;
	if (!batch->num)
		return 0;
	for (; mnl_nlmsg_ok(msg, len); msg = mnl_nlmsg_next(msg, &len))
		msg->nlmsg_seq = rtnl->seq++;
	if (send(rtnl->fd, batch->buf, batch->len, 0) < 0)
		return -errno;
	while (answers < batch->num) {
		ret = receive_until(rtnl, deadline_ns);
		if (ret < 0)
			return ret;
		answers += batch_answers(rtnl, batch, first_seq, ret);
	}
	return 0;
}

int rtnl_batch_failed(const struct rtnl_batch *batch)
{
	for (unsigned int i = 0; i < batch->num; i++) {
		int tolerate = batch->msg[i].tolerate;

		if (batch->msg[i].error && tolerate != RTNL_TOLERATE_ALL &&
		    batch->msg[i].error != tolerate)
			return (int)i;
	}
	return -1;
}

int rtnl_dump(struct rtnl *rtnl, uint16_t type, rtnl_cb cb, void *arg)
{
	uint8_t buf[64] __attribute__((aligned(8)));
	struct nlmsghdr *msg = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *gen;

	msg->nlmsg_type = type;
	if (type == RTM_GETLINK) {
		struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(msg, 16);

		ifi->ifi_family = AF_UNSPEC;
		mnl_attr_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	} else {
		gen = mnl_nlmsg_put_extra_header(msg, sizeof(*gen));
		gen->rtgen_family = AF_UNSPEC;
	}
	return rtnl_query(rtnl, msg, cb, arg);
}

int rtnl_query(struct rtnl *rtnl, struct nlmsghdr *query, rtnl_cb cb, void *arg)
{
	uint64_t deadline_ns = monotonic_ns() + RTNL_TIMEOUT_NS;
	int ret, result = 0, len;

	query->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	query->nlmsg_seq = ++rtnl->seq;
	if (send(rtnl->fd, query, query->nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		const struct nlmsghdr *msg = (struct nlmsghdr *)rtnl->buf;

		len = receive_until(rtnl, deadline_ns);
		if (len < 0)
			return len;
		for (; mnl_nlmsg_ok(msg, len);
		     msg = mnl_nlmsg_next(msg, &len)) {
			if (msg->nlmsg_seq != rtnl->seq)
				continue;
			if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
				result = -EINTR;
			if (msg->nlmsg_type == NLMSG_DONE)
				return result;
			if (msg->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)
						mnl_nlmsg_get_payload(msg))
					->error;
			ret = cb(msg, arg);
			if (ret < 0 && !result)
				result = ret;
		}
	}
}

int rtnl_events(struct rtnl *rtnl, rtnl_cb cb, void *arg)
{
	int ret, result = 0, len;

	while ((len = receive(rtnl)) > 0) {
		const struct nlmsghdr *msg = (struct nlmsghdr *)rtnl->buf;

		for (; mnl_nlmsg_ok(msg, len);
		     msg = mnl_nlmsg_next(msg, &len)) {
			ret = cb(msg, arg);
			if (ret < 0 && !result)
				result = ret;
		}
	}
	return len < 0 ? len : result;
}
