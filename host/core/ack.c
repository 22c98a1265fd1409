// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "core/ack.h"
#include "vmfork_ack.h"

/* What one queued datagram costs of a socket's buffer, generously. */
#define DATAGRAM_COST	 2048
#define DATAGRAMS_PER_VM 8
#define BUFFER_MIN	 (1 << 18)

int ack_desk_open(struct ack_desk *desk, struct in6_addr addr, unsigned int num,
		  struct vf_err *err)
{
	struct sockaddr_in6 local = { .sin6_family = AF_INET6,
				      .sin6_addr = addr };
	int size = BUFFER_MIN + (int)num * DATAGRAMS_PER_VM * DATAGRAM_COST;
	socklen_t len = sizeof(local);
	int on = 1, off = 0;

	*desk = (struct ack_desk){ .fd = -1 };
	desk->fd =
		socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (desk->fd < 0)
		return vf_err_errno(err, errno, "acknowledgements");
	/* beyond the system's limit where we may, up to it where not */
	if (setsockopt(desk->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
		       sizeof(size)) < 0)
		setsockopt(desk->fd, SOL_SOCKET, SO_RCVBUF, &size,
			   sizeof(size));
	setsockopt(desk->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof(on));
	/* whatever the system's default is */
	setsockopt(desk->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(desk->fd, (struct sockaddr *)&local, sizeof(local)) < 0 ||
	    getsockname(desk->fd, (struct sockaddr *)&local, &len) < 0)
		return vf_err_errno(err, errno, "acknowledgements");
	desk->port = ntohs(local.sin6_port);
	return 0;
}

void ack_desk_close(struct ack_desk *desk)
{
	vf_close_fd(&desk->fd);
	desk->fd = -1;
}

static struct ack_case *find_case(struct ack_case *cases, unsigned int num,
				  const struct vmfork_ack *ack,
				  const struct sockaddr_in6 *from)
{
	for (unsigned int i = 0; i < num; i++) {
		struct ack_case *c = &cases[i];

		if (memcmp(c->letter->restore_id, ack->restore_id,
			   VMFORK_ID_LEN) != 0)
			continue;
		if (c->waiting && net_port_has(c->from, from->sin6_addr) &&
		    vmfork_id_equal(c->letter->nonce, ack->nonce))
			return c;
		return NULL;
	}
	return NULL;
}

static int64_t answer(struct ack_desk *desk, const struct vmfork_ack *ack,
		      const struct sockaddr_in6 *to)
{
	struct vmfork_ack reply = *ack;

	reply.kind = VMFORK_ACK_ANSWER;
	reply.answer = ack->kind;
	vmfork_ack_seal(&reply);
	/* if it is lost the guest asks again */
	sendto(desk->fd, &reply, sizeof(reply), MSG_DONTWAIT,
	       (const struct sockaddr *)to, sizeof(*to));
	return vf_now_us();
}

static void case_note(struct ack_case *c, const struct vmfork_ack *ack,
		      int64_t received_us, int64_t answered_us)
{
	int64_t *at_us = c->timeline->at_us;

	switch ((enum vmfork_ack_kind)ack->kind) {
	case VMFORK_ACK_ARMED:
	case VMFORK_ACK_APPLIED:
		if (c->acked)
			return;
		c->acked = true;
		c->answered_us = answered_us;
		at_us[TIMELINE_ACKED] = received_us;
		break;
	case VMFORK_ACK_SETTLED:
		if (c->settled)
			return;
		/* the answer to the first ack reached the guest in between */
		if (c->acked)
			timeline_answered(c->timeline,
					  ack->time_ns[VMFORK_STAGE_ACKED],
					  c->answered_us);
		c->settled = true;
		at_us[TIMELINE_SETTLED] = received_us;
		break;
	case VMFORK_ACK_FAILED:
		/* it contradicts itself: its network does work */
		if (c->acked)
			return;
		c->failed = true;
		break;
	case VMFORK_ACK_STAGE:
		if (ack->stage < VMFORK_STAGE_NUM && !c->stage_us[ack->stage])
			c->stage_us[ack->stage] = received_us;
		return;
	case VMFORK_ACK_NONE:
	case VMFORK_ACK_ANSWER:
	case VMFORK_ACK_NUM:
		return;
	}
	c->ack = *ack;
	timeline_guest(c->timeline, ack, received_us);
}

/* Receive one datagram. Return: 0, -EAGAIN if there is none, -errno. */
static int receive(struct ack_desk *desk, struct ack_case *cases,
		   unsigned int num)
{
	uint8_t buf[VMFORK_ACK_SIZE + 1], control[64];
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct sockaddr_in6 from;
	struct msghdr msg = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct vmfork_ack ack;
	struct cmsghdr *cmsg;
	struct ack_case *c;
	int64_t now_us;
	ssize_t n;

	n = recvmsg(desk->fd, &msg, 0);
	if (n < 0)
		return errno == EINTR || errno == ECONNREFUSED ? 0 : -errno;
	now_us = vf_now_us();
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SO_RXQ_OVFL) {
		uint32_t dropped;

		memcpy(&dropped, CMSG_DATA(cmsg), sizeof(dropped));
		desk->dropped = dropped;
	}
	if (!vmfork_ack_valid(buf, (size_t)n))
		return 0;
	memcpy(&ack, buf, sizeof(ack));
	c = find_case(cases, num, &ack, &from);
	/* what is not repeated needs no answer */
	if (c && ack.kind == VMFORK_ACK_STAGE)
		case_note(c, &ack, now_us, 0);
	else if (c && ack.kind != VMFORK_ACK_ANSWER)
		case_note(c, &ack, now_us, answer(desk, &ack, &from));
	return 0;
}

int ack_desk_serve(struct ack_desk *desk, struct ack_case *cases,
		   unsigned int num, int wake_fd, int64_t deadline_us)
{
	int ret = vf_wait_readable(desk->fd, wake_fd, deadline_us);

	/* a guest that floods must not keep us from looking at the clock */
	for (int i = 0; !ret && i < 64; i++)
		ret = receive(desk, cases, num);
	return ret == -EAGAIN ? 0 : ret;
}
